"""Measurements come out in the text format of Prometheus, each process its own."""

from prometheus_client.parser import text_string_to_metric_families

from forecastle.telemetry.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def test_requests_are_counted_and_timed_by_route_method_and_status() -> None:
    metrics = Metrics()
    metrics.request(method="GET", route="/api/v1/models/{model_id}", status=200, seconds=0.003)
    metrics.request(method="GET", route="/api/v1/models/{model_id}", status=200, seconds=0.2)
    metrics.request(method="GET", route="/api/v1/models/{model_id}", status=404, seconds=0.001)
    route = {"method": "GET", "route": "/api/v1/models/{model_id}"}
    assert value(metrics, "forecastle_requests_total", status="200", **route) == 2
    assert value(metrics, "forecastle_requests_total", status="404", **route) == 1
    assert value(metrics, "forecastle_request_seconds_count", **route) == 3
    assert value(metrics, "forecastle_request_seconds_bucket", le="0.005", **route) == 2


def test_predictions_are_counted_by_model() -> None:
    metrics = Metrics()
    metrics.predicted(model="prices", cached=False)
    metrics.predicted(model="prices", cached=True, count=4)
    assert value(metrics, "forecastle_predictions_total", model="prices", cached="false") == 1
    assert value(metrics, "forecastle_predictions_total", model="prices", cached="true") == 4


def test_states_show_their_last_value() -> None:
    metrics = Metrics()
    metrics.jobs({"pending": 3, "failed": 1})
    metrics.jobs({"pending": 2})
    metrics.connections(in_use=4, idle=6)
    metrics.history_queue(17)
    assert value(metrics, "forecastle_jobs", status="pending") == 2
    assert value(metrics, "forecastle_jobs", status="failed") == 1
    assert value(metrics, "forecastle_database_connections", state="in_use") == 4
    assert value(metrics, "forecastle_database_connections", state="idle") == 6
    assert value(metrics, "forecastle_history_queue_rows") == 17


def test_two_sets_of_measurements_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.history_queue(5)
    assert value(second, "forecastle_history_queue_rows") == 0
