"""The steps of a check, in this process: what passes, and what is refused with which words."""

from typing import Any

import numpy as np
import onnx_files as files
import pytest
from onnx import TensorProto, helper
from onnx_files import HOSTILE, REGRESSION, linear

from forecastle.registry.runtime import open_session
from forecastle.uploads.document import Document
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.steps import check

BOMBS = {"ConstantOfShape", "Expand", "Tile", "Range", "doubling", "a size at 57 rows"}
"""They need a process with limits."""
CLASSES = ("low", "middle", "high")


def checked(data: bytes, document: Any = REGRESSION, *, run_s: float = 10.0) -> Any:
    graph, _ = check(data, Document.parse(document), most_rows=100, run_s=run_s, step=lambda _: None)
    return open_session(graph)


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in BOMBS])
def test_a_hostile_file_is_refused_with_the_place_and_the_reason(name: str) -> None:
    hostile = HOSTILE[name]
    with pytest.raises(ModelRefused) as refused:
        checked(hostile.data(), hostile.document)
    assert refused.value.problems
    assert all(word in refused.value.message for word in hostile.said), refused.value.message


@pytest.mark.parametrize("opset", [7, 11, 13, 18, 21])
def test_old_and_new_opsets(opset: int) -> None:
    made = files.model([helper.make_node("MatMul", ["X", "w"], ["y"])], [files.weights()], opset=opset)
    answer = checked(made.SerializeToString()).run(None, {"features": np.array([[1.0, 2.0]])})[0]
    assert answer.tolist() == [5.0]


def test_a_tree_passes() -> None:
    answer = checked(files.tree().SerializeToString()).run(None, {"features": np.array([[0.0, 0.0], [1.0, 0.0]])})[0]
    assert answer.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("child", [0, 2, 9])
def test_a_tree_of_the_new_operator_is_looked_at_too(child: int) -> None:
    arrays: dict[str, Any] = {
        "nodes_splits": files.initial("s", [0.5, 1.5]),
        "nodes_modes": files.initial("m", [0, 0], np.uint8),
        "leaf_weights": files.initial("l", [1.0, 2.0, 3.0]),
        "tree_roots": [0],
        "nodes_featureids": [0, 0],
        "nodes_trueleafs": [1, 1],
        "nodes_truenodeids": [0, 1],
        "nodes_falseleafs": [0, 1],
        "leaf_targetids": [0, 0, 0],
        "n_targets": 1,
    }
    node = helper.make_node("TreeEnsemble", ["X"], ["y"], domain=files.ML, nodes_falsenodeids=[1, 2], **arrays)
    made = files.model([node])
    made.opset_import[1].version = 5
    answer = checked(made.SerializeToString()).run(None, {"features": np.array([[0.0, 0], [1, 0], [2, 0]])})[0]
    assert answer.tolist() == [1.0, 2.0, 3.0]
    for attribute in made.graph.node[0].attribute:
        if attribute.name == "nodes_falsenodeids":
            attribute.ints[0] = child
    with pytest.raises(ModelRefused, match="nodes_falsenodeids"):
        checked(made.SerializeToString())


def test_classes_as_one_probability_or_as_many() -> None:
    binary = files.BINARY
    made = files.ending_in(helper.make_node("Sigmoid", ["m"], ["y"]))
    answer = checked(made.SerializeToString(), binary).run(["probabilities"], {"features": np.zeros((1, 2))})[0]
    assert answer.tolist() == [[0.5, 0.5]]
    three = files.model(
        [helper.make_node("MatMul", ["X", "w"], ["s"]), helper.make_node("Softmax", ["s"], ["y"], axis=1)],
        [files.initial("w", np.eye(2, 3))],
        outputs=[helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    ).SerializeToString()
    schema = {**REGRESSION["schema"], "task": "multiclass", "classes": CLASSES}
    document = {**REGRESSION, "schema": schema, "expected": ["middle", "middle"]}
    assert checked(three, document).run(None, {"features": np.zeros((1, 2))})[0].shape == (1, 3)
    with pytest.raises(ModelRefused, match="expected\\[0\\]: expected what the model answers, 'middle', found 'high'"):
        checked(three, {**document, "expected": ["high", "middle"]})
    with pytest.raises(ModelRefused, match="one of low, middle, high, or 3 probabilities, found huge"):
        checked(three, {**document, "expected": ["huge", "middle"]})


def test_one_of_several_outputs_is_chosen_by_name() -> None:
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("m", "y")]
    nodes = [helper.make_node("MatMul", ["X", "w"], ["m"]), helper.make_node("Neg", ["m"], ["y"])]
    data = files.model(nodes, [files.weights()], outputs=outputs).SerializeToString()
    with pytest.raises(ModelRefused, match=r"schema.output: .*m, y"):
        checked(data)
    document = {**REGRESSION, "schema": {**REGRESSION["schema"], "output": "y"}, "expected": [-5, -12]}
    assert checked(data, document).run(None, {"features": np.ones((1, 2))})[0].tolist() == [-3.0]


def test_whole_numbers_are_divided_by_constants() -> None:
    graph = checked(files.divides("Div", by=2).SerializeToString())
    for row in ([-(2.0**63), -1.0], [7.0, 0.0]):
        assert graph.run(None, {"features": np.array([row])})[0].tolist() == [int(row[0] / 2)]


def test_a_graph_may_compute_with_the_number_of_rows() -> None:
    shape = helper.make_node("Shape", ["m"], ["shape"])
    made = files.ending_in(shape, helper.make_node("Reshape", ["m", "shape"], ["y"]))
    assert checked(made.SerializeToString()).run(None, {"features": np.ones((2, 2))})[0].tolist() == [3.0, 3.0]


def test_names_of_ours_in_a_file_meet_none_of_ours() -> None:
    nodes = [helper.make_node("MatMul", ["features", "adapted/double"], ["prediction"])]
    made = files.model(
        nodes,
        [files.initial("adapted/double", [[1], [2]])],
        inputs=[helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", 2])],
        outputs=[helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["N", 1])],
    )
    assert checked(made.SerializeToString()).run(None, {"features": np.ones((1, 2))})[0].tolist() == [3.0]


def test_a_model_that_takes_long_for_a_batch_is_refused() -> None:
    with pytest.raises(ModelRefused, match="file: expected at most 1e-09 s for 100 rows"):
        checked(linear().SerializeToString(), run_s=1e-9)
