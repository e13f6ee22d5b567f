"""Every measurement that Prometheus can read, in one place and in a registry of its own."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The measurements of one process."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._routes: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._models: dict[tuple[str, bool], Counter] = {}
        self._requests = Counter(
            "forecastle_requests",
            "Answered requests by method, route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "forecastle_request_seconds",
            "Time from a request's first byte to the end of its answer.",
            ["method", "route"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._predictions = Counter(
            "forecastle_predictions",
            "Predictions acknowledged, by model name and whether the model was spared.",
            ["model", "cached"],
            registry=self.registry,
        )
        self._jobs = Gauge("forecastle_jobs", "Jobs by status.", ["status"], registry=self.registry)
        self._connections = Gauge(
            "forecastle_database_connections",
            "Connections of this process by state.",
            ["state"],
            registry=self.registry,
        )
        self._history_queue = Gauge(
            "forecastle_history_queue_rows", "Predictions waiting for their commit.", registry=self.registry
        )

    def request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count and time one answered request; `route` is the template, so that ids do not multiply the series."""
        key = method, route, status
        if key not in self._routes:
            self._routes[key] = (
                self._requests.labels(method, route, str(status)),
                self._request_seconds.labels(method, route),
            )
        counter, histogram = self._routes[key]
        counter.inc()
        histogram.observe(seconds)

    def predicted(self, *, model: str, cached: bool, count: int = 1) -> None:
        """Count predictions of a model."""
        key = model, cached
        if key not in self._models:
            self._models[key] = self._predictions.labels(model, str(cached).lower())
        self._models[key].inc(count)

    def jobs(self, counts: Mapping[str, int]) -> None:
        """How many jobs there are in each status."""
        for status, count in counts.items():
            self._jobs.labels(status).set(count)

    def connections(self, *, in_use: int, idle: int) -> None:
        """How the database connections are used."""
        self._connections.labels("in_use").set(in_use)
        self._connections.labels("idle").set(idle)

    def history_queue(self, rows: int) -> None:
        """How many predictions wait for their commit."""
        self._history_queue.set(rows)

    def render(self) -> bytes:
        """All measurements in the text format of Prometheus."""
        return generate_latest(self.registry)
