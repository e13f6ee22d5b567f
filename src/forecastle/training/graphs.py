"""A small builder of ONNX graphs in float64."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
ML_OPSET = 5
ML_DOMAIN = "ai.onnx.ml"
IR_VERSION = 10
INPUT = "features"


@dataclass(slots=True)
class GraphBuilder:
    """Collects nodes and constants; every method that adds a node returns the name of its output."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: Any, dtype: Any = np.float64) -> str:
        """A constant tensor."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype=dtype), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node of a standard operator."""
        return self.add_node(helper.make_node(operator, inputs, [], domain=domain, **attributes))

    def add_node(self, node: onnx.NodeProto) -> str:
        """A ready node; it is given its one output here."""
        name = f"n{len(self.nodes)}"
        node.output.append(name)
        node.name = f"{node.op_type}_{name}"
        self.nodes.append(node)
        return name

    def smallest(self, matrix: str, count: int) -> tuple[str, str]:
        """The smallest values of each row, ascending, and their positions; of equal values the first."""
        node = helper.make_node("TopK", [matrix, self.constant([count], np.int64)], [], largest=0, sorted=1)
        values = self.add_node(node)
        positions = f"{values}_positions"
        node.output.append(positions)
        return values, positions

    def columns(self, matrix: str, indices: Sequence[int] | np.ndarray[Any, Any]) -> str:
        """The named columns of a matrix, in that order, with repetitions."""
        return self.add("Gather", matrix, self.constant(indices, np.int64), axis=1)

    def double(self, tensor: str) -> str:
        """A tensor as float64."""
        return self.add("Cast", tensor, to=TensorProto.DOUBLE)

    def affine(self, matrix: str, coefficients: Any, intercept: Any) -> str:
        """`matrix @ coefficients + intercept`.

        One column is multiplied instead: ONNX Runtime merges the division by a single scale and a MatMul after it into
        one node that keeps the scale in float32.
        """
        product = "Mul" if len(coefficients) == 1 else "MatMul"
        return self.add("Add", self.add(product, matrix, self.constant(coefficients)), self.constant(intercept))

    def vector(self, column: str) -> str:
        """A matrix of one column as a vector."""
        return self.add("Squeeze", column, self.constant([1], np.int64))

    def two_classes(self, score: str) -> str:
        """Probabilities [N, 2] from the log-odds [N, 1] of the second class."""
        return self.complement(self.add("Sigmoid", score))

    def complement(self, second: str) -> str:
        """Probabilities [N, 2] from the probability [N, 1] of the second class."""
        return self.add("Concat", self.add("Sub", self.constant([[1.0]]), second), second, axis=1)

    def finish(self, result: str, *, name: str, features: int, classes: int) -> onnx.ModelProto:
        """The model whose one output is `result`: [N] for a regression (`classes` 0), [N, classes] otherwise."""
        self.nodes.append(helper.make_node("Identity", [result], [name], name="output"))
        shape: list[int | None] = [None, classes] if classes else [None]
        graph = helper.make_graph(
            self.nodes,
            "forecastle",
            [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, [None, features])],
            [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="forecastle")
