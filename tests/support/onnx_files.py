"""ONNX files as people upload them, and as nobody should."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, helper
from onnx import numpy_helper as tensors

ML = "ai.onnx.ml"
FLOAT = TensorProto.FLOAT
REGRESSION: Mapping[str, Any] = {
    "name": "uploaded",
    "schema": {"inputs": [{"name": "a"}, {"name": "b"}], "task": "regression"},
    "sample": [[1, 2], {"a": 3, "b": 4.5}],
}


def initial(name: str, values: Any, dtype: Any = np.float32) -> TensorProto:
    return tensors.from_array(np.array(values, dtype=dtype), name)


def model(
    nodes: Sequence[NodeProto],
    initializers: Sequence[TensorProto] = (),
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    opset: int = 20,
    functions: Sequence[FunctionProto] = (),
) -> ModelProto:
    """A model of X [N, 2] and y [N, 1] in float32, unless it says otherwise."""
    given = inputs if inputs is not None else [helper.make_tensor_value_info("X", FLOAT, ["N", 2])]
    gives = outputs if outputs is not None else [helper.make_tensor_value_info("y", FLOAT, ["N", 1])]
    graph = helper.make_graph(list(nodes), "g", list(given), list(gives), list(initializers))
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, 3), helper.make_opsetid("local", 1)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=10, functions=list(functions), producer_name="tests"
    )


def weights() -> TensorProto:
    return initial("w", [[1], [2]])


def linear() -> ModelProto:
    """1 x the first feature and 2 x the second."""
    return model([helper.make_node("MatMul", ["X", "w"], ["y"], name="multiply")], [weights()])


def ending_in(*nodes: NodeProto, constants: Sequence[TensorProto] = ()) -> ModelProto:
    """The linear model, to whose `m` [N, 1] the nodes add what makes `y`."""
    return model([helper.make_node("MatMul", ["X", "w"], ["m"]), *nodes], [weights(), *constants])


def tree(*, child: int = 1, opset: int = 20) -> ModelProto:
    """One split of the first feature at 0.5: 1 below, 2 above."""
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["y"],
        domain=ML,
        n_targets=1,
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[child, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0],
        target_nodeids=[1, 2],
        target_ids=[0, 0],
        target_weights=[1.0, 2.0],
    )
    return model([node], opset=opset)


@dataclass(frozen=True)
class Hostile:
    """A file, and words of the reason why it is refused."""

    data: Callable[[], bytes]
    said: Sequence[str]
    document: Mapping[str, Any] = field(default_factory=lambda: REGRESSION)


def _bytes(made: Callable[[], ModelProto]) -> Callable[[], bytes]:
    return lambda: made().SerializeToString()


def _external(location: str, *, in_node: bool = False) -> ModelProto:
    tensor = TensorProto(name="w", data_type=FLOAT, dims=[2, 1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    multiply = helper.make_node("MatMul", ["X", "w"], ["y"])
    return model([helper.make_node("Constant", [], ["w"], value=tensor), multiply] if in_node else [multiply],
                 [] if in_node else [tensor])  # fmt: skip


def _large(operator: str) -> ModelProto:
    """A sum over far more numbers than fit into any memory, added to each answer."""
    many = initial("many", [10**12], np.int64)
    match operator:
        case "ConstantOfShape":
            made, constants = helper.make_node("ConstantOfShape", ["many"], ["big"]), [many]
        case "Range":
            constants = [initial(name, value) for name, value in (("from", 0.0), ("to", 1e12), ("by", 1.0))]
            made = helper.make_node("Range", ["from", "to", "by"], ["big"])
        case _:
            constants = [many, initial("one", [1.0])]
            made = helper.make_node(operator, ["one", "many"], ["big"])
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    return ending_in(made, total, helper.make_node("Add", ["m", "total"], ["y"]), constants=constants)


def _grows() -> ModelProto:
    """Doubles its memory again and again: each step is modest."""
    nodes = [helper.make_node("Concat", ["m", "m"], ["d0"], axis=1)]
    nodes += [helper.make_node("Concat", [f"d{i}", f"d{i}"], [f"d{i + 1}"], axis=1) for i in range(30)]
    return ending_in(*nodes, helper.make_node("ReduceSum", ["d30", "axis"], ["y"], keepdims=1),
                     constants=[initial("axis", [1], np.int64)])  # fmt: skip


def _by_value(operator: str) -> ModelProto:
    """How large it becomes is for the caller to say."""
    nodes = [
        helper.make_node("ReduceMax", ["X"], ["size"], keepdims=0),
        helper.make_node("Cast", ["size"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "one"], ["shape"]),
        helper.make_node(
            operator, ["shape"] if operator == "ConstantOfShape" else ["half", "shape"], ["big"], name="grow"
        ),
        helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0),
        helper.make_node("Add", ["m", "total"], ["y"]),
    ]
    return ending_in(*nodes, constants=[initial("one", [1], np.int64), initial("half", [0.5])])


def divides(operator: str, *, by: int | None = None) -> ModelProto:
    """The first feature as a whole number, divided by the second one or by a constant."""
    nodes = [
        helper.make_node("Cast", ["X"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Split", ["whole"], ["first", "second"], axis=1, num_outputs=2),
        helper.make_node(operator, ["first", "second" if by is None else "by"], ["quotient"], name="divide"),
        helper.make_node("Cast", ["quotient"], ["y"], to=FLOAT),
    ]
    return model(nodes, [initial("by", by or 0, np.int64)])


def _at_rows(rows: int) -> ModelProto:
    """Takes more memory than there is for a batch of so many rows, and none for any other."""
    nodes = [
        helper.make_node("Shape", ["X"], ["shape"], end=1),
        helper.make_node("Equal", ["shape", "rows"], ["there"]),
        helper.make_node("Cast", ["there"], ["one"], to=TensorProto.INT64),
        helper.make_node("Mul", ["one", "many"], ["size"]),
        helper.make_node("ConstantOfShape", ["size"], ["big"], name="grow"),
        helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0),
        helper.make_node("Add", ["m", "total"], ["y"]),
    ]
    return ending_in(*nodes, constants=[initial("rows", [rows], np.int64), initial("many", [10**12], np.int64)])


def _learned(operator: str, **attributes: Any) -> ModelProto:
    """A model of ai.onnx.ml, with the attributes as they are."""
    gives = ["label", "y"] if operator.endswith("Classifier") else ["y"]
    return model([helper.make_node(operator, ["X"], gives, domain=ML, name="learned", **attributes)])


_SVM = {"coefficients": [1.0] * 4, "support_vectors": [1.0] * 8, "rho": [0.0], "kernel_params": [1.0, 0.0, 3.0]}


def _loop() -> ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["x"], ["z"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", FLOAT, ["N", 1]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("z", FLOAT, ["N", 1]),
        ],
    )
    constants = [initial("trips", 2**62, np.int64), initial("yes", True, np.bool_)]
    return ending_in(
        helper.make_node("Loop", ["trips", "yes", "m"], ["y"], name="spin", body=body), constants=constants
    )


def _if() -> ModelProto:
    out = [helper.make_tensor_value_info("z", FLOAT, ["N", 1])]
    branch = helper.make_graph([helper.make_node("Identity", ["m"], ["z"])], "branch", [], out)
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    return ending_in(node, constants=[initial("yes", True, np.bool_)])


def _scan() -> ModelProto:
    ends = [helper.make_tensor_value_info(name, FLOAT, [1]) for name in ("s", "t")]
    body = helper.make_graph([helper.make_node("Identity", ["s"], ["t"])], "body", ends[:1], ends[1:])
    return ending_in(helper.make_node("Scan", ["m"], ["y"], body=body, num_scan_inputs=1))


def _hidden_graph() -> ModelProto:
    """A subgraph on an operator that has none."""
    made = linear()
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "hidden", [], [])
    made.graph.node[0].attribute.append(helper.make_attribute("extra", graph))
    return made


def _nested() -> bytes:
    """Graphs within graphs, deeper than any parser follows."""
    inner = b""
    for _ in range(400):
        attribute = _field(1, b"g") + _field(6, inner)
        inner = _field(1, _field(4, b"If") + _field(5, attribute))
    return b"\x08\x0a" + _field(7, inner)


def _field(number: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while True:
        size, low = size >> 7, size & 127
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([number << 3 | 2]) + length + content


def _sparse_initializer() -> ModelProto:
    made = linear()
    values = tensors.from_array(np.array([1.0], dtype=np.float32), "s")
    indices = tensors.from_array(np.array([0], dtype=np.int64), "i")
    made.graph.sparse_initializer.append(SparseTensorProto(values=values, indices=indices, dims=[2**40, 2**20]))
    return made


def _sparse_attribute() -> ModelProto:
    made = _sparse_initializer()
    attribute = AttributeProto(name="sparse_value", type=AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.CopyFrom(made.graph.sparse_initializer[0])
    node = helper.make_node("Constant", [], ["big"])
    node.attribute.append(attribute)
    return ending_in(node, helper.make_node("Identity", ["m"], ["y"]))


def _claims(dims: Sequence[int]) -> ModelProto:
    made = linear()
    del made.graph.initializer[0].dims[:]
    made.graph.initializer[0].dims.extend(dims)
    return made


def _function(name: str, *nodes: NodeProto, domain: str = "local") -> FunctionProto:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    return helper.make_function(domain, name, ["x"], ["z"], list(nodes), opsets)


def _call(name: str, given: str = "x", gives: str = "z", domain: str = "local") -> NodeProto:
    return helper.make_node(name, [given], [gives], domain=domain)


def calling(*functions: FunctionProto, name: str = "F", domain: str = "local") -> ModelProto:
    """The linear model, whose answer goes through a local function."""
    multiply = helper.make_node("MatMul", ["X", "w"], ["m"])
    return model([multiply, _call(name, "m", "y", domain)], [weights()], functions=functions)


def doubling() -> FunctionProto:
    return _function("F", helper.make_node("Add", ["x", "x"], ["z"]))


def _laughs() -> ModelProto:
    """Each function calls the one before it twice, forty times over."""
    functions = [_function("F0", helper.make_node("Neg", ["x"], ["z"]))]
    for i in range(40):
        twice = (_call(f"F{i}", "x", "half"), _call(f"F{i}", "half", "z"))
        functions.append(_function(f"F{i + 1}", *twice))
    return calling(*functions, name="F40")


def _mutual() -> ModelProto:
    return calling(_function("F", _call("G")), _function("G", _call("F")))


def _of_types(given: int, gives: int) -> ModelProto:
    return model(
        [helper.make_node("Cast", ["X"], ["c"], to=FLOAT), helper.make_node("MatMul", ["c", "w"], ["m"]),
         helper.make_node("Cast", ["m"], ["y"], to=gives)],
        [weights()],
        inputs=[helper.make_tensor_value_info("X", given, ["N", 2])],
        outputs=[helper.make_tensor_value_info("y", gives, ["N", 1])],
    )  # fmt: skip


def _shaped(rows: Any, columns: Any) -> ModelProto:
    return model(
        [helper.make_node("ReduceSum", ["X", "axis"], ["y"], keepdims=1)],
        [initial("axis", [1], np.int64)],
        inputs=[helper.make_tensor_value_info("X", FLOAT, [rows, columns])],
    )


def _among_others() -> ModelProto:
    """Answers how far a row is from the average of all rows of the request."""
    mean = helper.make_node("ReduceMean", ["m", "axis"], ["mean"], keepdims=1)
    return ending_in(mean, helper.make_node("Sub", ["m", "mean"], ["y"]), constants=[initial("axis", [0], np.int64)])


def _changed(change: Callable[[ModelProto], object]) -> Callable[[], bytes]:
    def made() -> bytes:
        changed = linear()
        change(changed)
        data: bytes = changed.SerializeToString()
        return data

    return made


def _twice() -> ModelProto:
    again = helper.make_node("Identity", ["m"], ["m"], name="again")
    return ending_in(again, helper.make_node("Identity", ["m"], ["y"]))


def _classes(outputs: int = 2) -> ModelProto:
    """Scores that are no probabilities."""
    return model(
        [helper.make_node("MatMul", ["X", "w"], ["y"])],
        [initial("w", np.ones((2, outputs)))],
        outputs=[helper.make_tensor_value_info("y", FLOAT, ["N", outputs])],
    )


BINARY = {**REGRESSION, "schema": {**REGRESSION["schema"], "task": "binary", "classes": ["no", "yes"]}}
NODE = "file.graph.node"

HOSTILE: Mapping[str, Hostile] = {
    "empty": Hostile(lambda: b"", ["file", "an empty file"]),
    "truncated": Hostile(lambda: linear().SerializeToString()[:-9], ["file", "an ONNX model"]),
    "a picture": Hostile(lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), ["file", "an ONNX model"]),
    "an archive": Hostile(lambda: b"PK\x03\x04" + bytes(200), ["file", "an ONNX model"]),
    "a pickle": Hostile(lambda: b"\x80\x04\x95\x1d\x00cposix\nsystem\n", ["file", "an ONNX model"]),
    "nested messages": Hostile(_nested, ["file", "an ONNX model"]),
    "external data": Hostile(_bytes(lambda: _external("weights.bin")), ["initializer[0] 'w'", "weights.bin"]),
    "path traversal": Hostile(_bytes(lambda: _external("../../etc/passwd")), ["initializer[0]", "../../etc/passwd"]),
    "absolute path": Hostile(_bytes(lambda: _external("/etc/passwd")), ["initializer[0]", "/etc/passwd"]),
    "traversal in a node": Hostile(
        _bytes(lambda: _external("a/../../x", in_node=True)), [f"{NODE}[0].value", "a/../../x"]
    ),
    "a contributed operator": Hostile(
        _bytes(lambda: ending_in(helper.make_node("Gelu", ["m"], ["y"], domain="com.microsoft"))),
        [f"{NODE}[1]", "Gelu of com.microsoft"],
    ),
    "a custom operator": Hostile(
        _bytes(lambda: ending_in(helper.make_node("Run", ["m"], ["y"], domain="evil", command="rm"))),
        [f"{NODE}[1]", "Run of evil"],
    ),
    "an operator that there is not": Hostile(
        _bytes(lambda: ending_in(helper.make_node("Exec", ["m"], ["y"]))), [f"{NODE}[1]", "Exec of ai.onnx"]
    ),
    "a sequence of maps": Hostile(
        _bytes(lambda: ending_in(helper.make_node("ZipMap", ["m"], ["y"], domain=ML))), [f"{NODE}[1]", "zipmap off"]
    ),
    "Loop": Hostile(_bytes(_loop), [f"{NODE}[1] 'spin'", "Loop of ai.onnx"]),
    "If": Hostile(_bytes(_if), [f"{NODE}[1]", "If of ai.onnx"]),
    "Scan": Hostile(_bytes(_scan), [f"{NODE}[1]", "Scan of ai.onnx"]),
    "a hidden subgraph": Hostile(_bytes(_hidden_graph), [f"{NODE}[0] 'multiply'.extra", "no subgraph"]),
    "ConstantOfShape": Hostile(_bytes(lambda: _large("ConstantOfShape")), ["file", "ConstantOfShape node"]),
    "Expand": Hostile(_bytes(lambda: _large("Expand")), ["file", "Expand node"]),
    "Tile": Hostile(_bytes(lambda: _large("Tile")), ["file", "Tile node"]),
    "Range": Hostile(_bytes(lambda: _large("Range")), ["file", "Range node"]),
    "doubling": Hostile(_bytes(_grows), ["file"]),
    "ConstantOfShape by a feature": Hostile(
        _bytes(lambda: _by_value("ConstantOfShape")), [f"{NODE}[4] 'grow'", "ConstantOfShape by 'shape'"]
    ),
    "Tile by a feature": Hostile(_bytes(lambda: _by_value("Tile")), [f"{NODE}[4] 'grow'", "Tile by 'shape'"]),
    "Expand by a feature": Hostile(_bytes(lambda: _by_value("Expand")), [f"{NODE}[4] 'grow'", "Expand by 'shape'"]),
    "a size at 57 rows": Hostile(_bytes(lambda: _at_rows(57)), ["file", "a batch of 57 rows", "'grow'"]),
    "a division that ends the process": Hostile(
        _bytes(lambda: divides("Div")), [f"{NODE}[2] 'divide'", "by a constant", "second"]
    ),
    "a remainder that ends the process": Hostile(_bytes(lambda: divides("Mod")), [f"{NODE}[2] 'divide'", "second"]),
    "a division by minus one": Hostile(_bytes(lambda: divides("Div", by=-1)), [f"{NODE}[2] 'divide'", "0 or -1"]),
    "too few coefficients": Hostile(
        _bytes(lambda: _learned("LinearRegressor", coefficients=[1.0], targets=1)), ["file", "LinearRegressor"]
    ),
    "too many targets": Hostile(
        _bytes(lambda: _learned("LinearRegressor", coefficients=[1.0] * 2, targets=999)), ["file", "LinearRegressor"]
    ),
    "too many support vectors": Hostile(
        _bytes(lambda: _learned("SVMRegressor", n_supports=4_000, **_SVM)), ["file", "n_supports (4000)"]
    ),
    "support vectors of nobody": Hostile(
        _bytes(lambda: _learned("SVMClassifier", vectors_per_class=[-2, 6], classlabels_ints=[0, 1], **_SVM)),
        ["file", "ONNX Runtime loads", "vectors_per_class"],
        BINARY,
    ),
    "a sparse tensor": Hostile(_bytes(_sparse_initializer), ["sparse_initializer", "dense tensors only"]),
    "a sparse attribute": Hostile(_bytes(_sparse_attribute), [f"{NODE}[1].sparse_value", "dense tensors only"]),
    "a claim of size": Hostile(_bytes(lambda: _claims([2**40, 2**20])), ["initializer[0] 'w'", "no more numbers than"]),
    "a negative size": Hostile(_bytes(lambda: _claims([-1, 2])), ["initializer[0] 'w'", "none negative"]),
    "missing numbers": Hostile(_bytes(lambda: _claims([2, 4])), ["file", "checker"]),
    "texts": Hostile(_bytes(lambda: _of_types(TensorProto.STRING, FLOAT)), ["file.graph.input[0] 'X'", "string"]),
    "bytes": Hostile(_bytes(lambda: _of_types(TensorProto.UINT8, FLOAT)), ["file.graph.input[0] 'X'", "uint8"]),
    "whole answers": Hostile(_bytes(lambda: _of_types(FLOAT, TensorProto.INT64)), ["file.graph.output", "float32"]),
    "too many features": Hostile(_bytes(lambda: _shaped("N", 3)), ["file.graph.input[0]", "[N, 2]", "[N, 3]"]),
    "features without number": Hostile(_bytes(lambda: _shaped("N", "F")), ["input[0] 'X'.shape[1]", "free size"]),
    "one row at a time": Hostile(_bytes(lambda: _shaped(1, 2)), ["input[0] 'X'.shape[0]", "free number of rows"]),
    "no finite answer": Hostile(
        _bytes(
            lambda: ending_in(helper.make_node("Sub", ["m", "m"], ["o"]), helper.make_node("Div", ["o", "o"], ["y"]))
        ),
        ["sample[0]", "finite"],
    ),
    "random numbers": Hostile(
        _bytes(lambda: ending_in(helper.make_node("RandomNormalLike", ["m"], ["y"]))),
        [f"{NODE}[1]", "RandomNormalLike"],
    ),
    "another answer among others": Hostile(_bytes(_among_others), ["sample[0]", "by itself as among others"]),
    "a coming opset": Hostile(
        _changed(lambda made: setattr(made.opset_import[0], "version", 9999)), ["file.opset_import[0]", "9999"]
    ),
    "an early opset": Hostile(
        _changed(lambda made: setattr(made.opset_import[0], "version", 1)), ["file.opset_import[0]", "7 to"]
    ),
    "a coming format": Hostile(_changed(lambda made: setattr(made, "ir_version", 999)), ["file.ir_version", "999"]),
    "training": Hostile(_changed(lambda made: made.training_info.add()), ["file.training_info"]),
    "a function that calls itself": Hostile(
        _bytes(lambda: calling(_function("F", _call("F")))), ["file.function", "'F' → 'F'"]
    ),
    "functions that call each other": Hostile(_bytes(_mutual), ["file.function", "'F'", "'G'"]),
    "a billion laughs": Hostile(_bytes(_laughs), ["file.function 'F", "at most 50,000 nodes"]),
    "a function for a standard operator": Hostile(
        _bytes(
            lambda: calling(_function("Relu", helper.make_node("Neg", ["x"], ["z"]), domain=""), name="Relu", domain="")
        ),
        ["file.function 'Relu'", "hide"],
    ),
    "a function that hides an operator": Hostile(
        _bytes(lambda: calling(_function("F", helper.make_node("RandomNormalLike", ["x"], ["z"])))),
        ["file.function 'F'.node[0]", "RandomNormalLike"],
    ),
    "too many nodes": Hostile(
        _bytes(lambda: ending_in(*(helper.make_node("Neg", ["m"], [f"n{i}"]) for i in range(60_000)))),
        ["file.graph.node", "at most 50,000 nodes"],
    ),
    "a name twice": Hostile(_bytes(_twice), [f"{NODE}[1] 'again'", "'m' again"]),
    "two tensors of a name": Hostile(
        _changed(lambda made: made.graph.initializer.append(weights())), ["file.graph.initializer[1]", "'w' again"]
    ),
    "no outputs": Hostile(_changed(lambda made: made.graph.ClearField("output")), ["file.graph.output", "none"]),
    "an output that nothing gives": Hostile(
        _changed(lambda made: setattr(made.graph.output[0], "name", "nowhere")), ["file.graph.output", "nowhere"]
    ),
    "no graph": Hostile(_changed(lambda made: made.ClearField("graph")), ["file", "graph"]),
    "no nodes": Hostile(_changed(lambda made: made.graph.ClearField("node")), ["file", "graph of nodes"]),
    "a round tree": Hostile(_bytes(lambda: tree(child=0)), [f"{NODE}[0].nodes_truenodeids[0]", "below no other"]),
    "a tree without end": Hostile(_bytes(lambda: tree(child=7)), [f"{NODE}[0].nodes_truenodeids[0]", "same tree"]),
    "no probabilities": Hostile(_bytes(_classes), ["sample[0]", "1 in all"], BINARY),
    "too many classes": Hostile(_bytes(lambda: _classes(5)), ["file.graph.output", "[N, 5]"], BINARY),
    "another answer than expected": Hostile(
        _bytes(linear), ["expected[1]", "12", "13"], {**REGRESSION, "expected": [5, 13]}
    ),
    "a sample of another width": Hostile(_bytes(linear), ["sample[1]"], {**REGRESSION, "sample": [[1, 2], [1, 2, 3]]}),
}
