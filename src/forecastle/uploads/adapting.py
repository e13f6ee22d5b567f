"""A file's graph between our own input and output, so that it is served like any other model.

`features` [N, F] float64 goes in; `prediction` [N], or `probabilities` [N, K], float64 comes out. The nodes between are
the file's own.
"""

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from forecastle.uploads.document import Schema
from forecastle.uploads.interface import Interface

OURS, THEIRS = "adapted/", "uploaded/"
OPSET = 18
IR_VERSION = 8
INPUT = "features"


def adapt(model: ModelProto, interface: Interface, schema: Schema, *, width: int) -> ModelProto:
    """The model with our input and output.

    Args:
        model: without functions and subgraphs; it stays as it is.
        interface: how its graph is fed and read.
        schema: what it predicts.
        width: how many numbers its output has for a row.
    """
    kept = _renamed(model)
    before = [node for number in range(len(interface.inputs)) for node in _feed(interface, number)]
    name = "probabilities" if schema.classes else "prediction"
    shape: list[str | int | None] = ["N", len(schema.classes)] if schema.classes else ["N"]
    after, constants = _read(THEIRS + interface.output.name, name, schema, width)
    places = [_constant(f"{OURS}column{i}", [i]) for i in range(len(interface.inputs))] if not interface.matrix else []
    graph = helper.make_graph(
        [*before, *kept.graph.node, *after],
        "uploaded",
        [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["N", len(schema.inputs)])],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)],
        [*kept.graph.initializer, *places, *constants],
    )
    opsets = list(model.opset_import)
    if not any(opset.domain in {"", "ai.onnx"} for opset in opsets):
        opsets.append(helper.make_opsetid("", OPSET))
    ir_version = max(model.ir_version, IR_VERSION)
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="forecastle")


def _renamed(model: ModelProto) -> ModelProto:
    """A copy in which no name can meet one of ours, and no shape of an inner value is claimed."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for node in copy.graph.node:
        node.input[:] = [name and THEIRS + name for name in node.input]
        node.output[:] = [name and THEIRS + name for name in node.output]
    for tensor in copy.graph.initializer:
        tensor.name = THEIRS + tensor.name
    return copy


def _feed(interface: Interface, number: int) -> list[NodeProto]:
    port = interface.inputs[number]
    name = THEIRS + port.name
    if interface.matrix:
        return [helper.make_node("Cast", [INPUT], [name], to=port.type)]
    column, cast = f"{OURS}feature{number}", f"{OURS}cast{number}"
    nodes = [
        helper.make_node("Gather", [INPUT, f"{OURS}column{number}"], [column], axis=1),
        helper.make_node("Cast", [column], [name if len(port.shape) == 2 else cast], to=port.type),
    ]
    if len(port.shape) == 1:
        nodes.append(helper.make_node("Reshape", [cast, f"{OURS}vector"], [name]))
    return nodes


def _read(given: str, name: str, schema: Schema, width: int) -> tuple[list[NodeProto], list[TensorProto]]:
    double, vector = f"{OURS}double", f"{OURS}vector"
    nodes = [helper.make_node("Cast", [given], [double], to=TensorProto.DOUBLE)]
    constants = [_constant(vector, [-1])]
    if not schema.classes:
        return [*nodes, helper.make_node("Reshape", [double, vector], [name])], constants
    table, second = f"{OURS}table", f"{OURS}second"
    constants.append(_constant(table, [-1, width]))
    if width > 1:
        return [*nodes, helper.make_node("Reshape", [double, table], [name])], constants
    constants.append(numpy_helper.from_array(np.array([[1.0]]), f"{OURS}one"))
    nodes += [
        helper.make_node("Reshape", [double, table], [second]),
        helper.make_node("Sub", [f"{OURS}one", second], [f"{OURS}first"]),
        helper.make_node("Concat", [f"{OURS}first", second], [name], axis=1),
    ]
    return nodes, constants


def _constant(name: str, values: list[int]) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.int64), name)
