"""Rows in, predictions out: what a model accepts, and how it says what is wrong."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastle.registry.errors import BadFeatures, GraphInvalid
from forecastle.registry.manifest import FeatureColumn, Manifest
from forecastle.registry.predictor import MAX_PROBLEMS, Predictor

MakeManifest = Callable[..., Manifest]
MakeGraph = Callable[..., bytes]

COLOUR = FeatureColumn("colour", "colour", "category", ("red", "green"))


@pytest.fixture
def predictor(make_manifest: MakeManifest, make_graph: MakeGraph) -> Predictor:
    manifest = make_manifest()
    return Predictor(make_graph(manifest, bias=10.0), manifest)


@pytest.fixture
def filling(make_manifest: MakeManifest, make_graph: MakeGraph) -> Predictor:
    manifest = make_manifest(missing="median")
    return Predictor(make_graph(manifest), manifest)


@pytest.fixture
def colours(make_manifest: MakeManifest, make_graph: MakeGraph) -> Predictor:
    manifest = make_manifest(features=(FeatureColumn("a", "a"), COLOUR))
    return Predictor(make_graph(manifest), manifest)


def test_a_regression_answers_a_number_per_row(predictor: Predictor) -> None:
    output = predictor.predict(predictor.encode([[1, 2], [3.5, -1.0]]))
    assert output.values == [15.0, 11.5]
    assert output.probabilities is None


def test_a_classification_answers_the_likeliest_label(make_manifest: MakeManifest, make_graph: MakeGraph) -> None:
    manifest = make_manifest(task="classification", classes=("lose", "win"))
    predictor = Predictor(make_graph(manifest), manifest)
    output = predictor.predict(predictor.encode([[1.0, 1.0], [-1.0, -1.0]]))
    win = 1 / (1 + math.exp(-3))
    assert output.values == ["win", "lose"]
    assert output.probabilities is not None
    assert output.probabilities == pytest.approx(np.array([[1 - win, win], [win, 1 - win]]))


def test_names_mean_the_same_as_positions(predictor: Predictor) -> None:
    assert predictor.encode([{"b": 2, "a": 1}]).tolist() == predictor.encode([[1, 2]]).tolist()


def test_no_rows_make_an_empty_matrix(predictor: Predictor) -> None:
    assert predictor.encode([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([1.0], "features: expected 2 values, found 1"),
        ([1.0, 2.0, 3.0], "features: expected 2 values, found 3"),
        ([], "features: expected 2 values, found 0"),
        ("12", "features: expected a list, or an object by feature name, found 12"),
        (5, "features: expected a list, or an object by feature name, found 5"),
        ([1.0, "2"], "features.b: expected a finite number, found the text '2'"),
        ([1.0, True], "features.b: expected a finite number, found true"),
        ([1.0, None], "features.b: expected a finite number, found null"),
        ([math.nan, 1.0], "features.a: expected a finite number, found nan"),
        ([-math.inf, 1.0], "features.a: expected a finite number, found -inf"),
        ([10**400, 1.0], "features.a: expected a finite number, found an integer beyond the range of a float"),
        ([[1.0], 1.0], "features.a: expected a finite number, found [1.0]"),
        ({"a": 1.0}, "features.b: expected a value, found nothing"),
        ({"a": 1.0, "b": 1.0, "x": 1.0}, "features.x: expected one of the model's 2 features, found no such feature"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_name(predictor: Predictor, row: list[object], message: str) -> None:
    with pytest.raises(BadFeatures) as caught:
        predictor.encode([row])
    assert caught.value.message == message


def test_a_near_miss_is_suggested(make_manifest: MakeManifest, make_graph: MakeGraph) -> None:
    manifest = make_manifest(features=(FeatureColumn("sma_20", "sma(close, 20)"), FeatureColumn("close", "close")))
    predictor = Predictor(make_graph(manifest), manifest)
    with pytest.raises(BadFeatures, match="expected sma_20, found no such feature"):
        predictor.encode([{"sma20": 1.0, "close": 2.0}])


def test_the_label_says_which_row_is_wrong(predictor: Predictor) -> None:
    with pytest.raises(BadFeatures, match=r"samples\[1\]\.b: expected a finite number"):
        predictor.encode([[1.0, 2.0], [1.0, None]], label="samples[{}]")


def test_only_so_many_problems_are_listed(predictor: Predictor) -> None:
    with pytest.raises(BadFeatures) as caught:
        predictor.encode([["x", "y"]] * 100)
    assert len(caught.value.problems) == MAX_PROBLEMS


def test_a_model_that_fills_gaps_takes_them(filling: Predictor) -> None:
    assert filling.predict(filling.encode([[None, 3.0], [math.nan, 1.0]])).values == [6.0, 2.0]


@pytest.mark.parametrize("value", [math.inf, True, "1", 10**400])
def test_a_model_that_fills_gaps_takes_nothing_else(filling: Predictor, value: object) -> None:
    with pytest.raises(BadFeatures, match=r"features\.a: expected a finite number or null"):
        filling.encode([[value, 1.0]])


def test_categories_become_codes_and_unseen_ones_minus_one(colours: Predictor) -> None:
    rows: list[list[object]] = [[1.0, "red"], [1.0, "green"], [1.0, "blue"], [1.0, None]]
    assert colours.encode(rows)[:, 1].tolist() == [0.0, 1.0, -1.0, -1.0]
    assert [colours.unseen(row) for row in rows] == [(), (), ("colour",), ()]


@pytest.mark.parametrize("value", [1, 1.0, True, ["red"], "r\0d", "\udc00"])
def test_a_category_must_be_text(colours: Predictor, value: object) -> None:
    with pytest.raises(BadFeatures, match=r"features\.colour: expected text"):
        colours.encode([[1.0, value]])


def test_an_answer_out_of_range_is_refused(predictor: Predictor) -> None:
    with pytest.raises(BadFeatures, match="no finite answer"):
        predictor.predict(predictor.encode([[1e308, 1e308]]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the predictor keeps no state
@given(rows=st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)] * 2)))
def test_encoding_changes_no_number(predictor: Predictor, rows: list[tuple[float, float]]) -> None:
    assert predictor.encode(rows).tolist() == [[float(a), float(b)] for a, b in rows]


def test_rows_do_not_influence_each_other(predictor: Predictor) -> None:
    rows = np.random.default_rng(7).normal(size=(50, 2)).tolist()
    together = predictor.predict(predictor.encode(rows)).values
    assert together == [predictor.predict(predictor.encode([row])).values[0] for row in rows]


def test_a_graph_that_is_none_is_refused(make_manifest: MakeManifest) -> None:
    with pytest.raises(GraphInvalid, match="does not load"):
        Predictor(b"not a graph", make_manifest())


def test_a_graph_for_another_task_is_refused(make_manifest: MakeManifest, make_graph: MakeGraph) -> None:
    classes = make_manifest(task="classification", classes=("lose", "win"))
    with pytest.raises(GraphInvalid, match="expected one output 'prediction'"):
        Predictor(make_graph(classes), make_manifest())


def test_a_graph_for_other_features_is_refused(make_manifest: MakeManifest, make_graph: MakeGraph) -> None:
    graph = make_graph(make_manifest())
    with pytest.raises(GraphInvalid, match="does not run on 1 features"):
        Predictor(graph, make_manifest(features=(FeatureColumn("a", "a"),)))


def test_a_graph_for_other_classes_is_refused(make_manifest: MakeManifest, make_graph: MakeGraph) -> None:
    graph = make_graph(make_manifest(task="classification", classes=("lose", "win")))
    with pytest.raises(GraphInvalid, match=r"expected 'probabilities' of shape \(1, 3\)"):
        Predictor(graph, make_manifest(task="classification", classes=("lose", "draw", "win")))
