"""Decision trees as flat arrays, and as one float64 `TreeEnsemble` node.

The usual converters round thresholds to float32, which sends rows near a threshold the wrong way; here nothing is
rounded. Operator: ONNX `ai.onnx.ml` TreeEnsemble, version 5.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from forecastle.training.arrays import Booleans, Floats, Integers
from forecastle.training.graphs import ML_DOMAIN, GraphBuilder

LARGEST = 1e30
"""Inputs are cut to this size for libraries that turn them into float32 and cannot do with infinities."""
LESS_OR_EQUAL = 0
SUM = 1
NO_TRANSFORM = 0


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of I inner nodes, the first of them its root, and L leaves.

    A row goes left where `row[feature] <= threshold`. A child is an inner node, or the leaf `~child` when negative.
    """

    feature: Integers
    threshold: Floats
    missing_left: Booleans
    left: Integers
    right: Integers
    leaves: Floats
    """The value of each leaf for the tree's one output."""
    output: int = 0

    @classmethod
    def constant(cls, value: float, output: int = 0) -> "Tree":
        """A tree that answers the same for every row."""
        return cls(
            feature=np.zeros(1, dtype=np.int64),
            threshold=np.zeros(1),
            missing_left=np.ones(1, dtype=bool),
            left=np.array([~0]),
            right=np.array([~0]),
            leaves=np.array([value]),
            output=output,
        )


def emit(graph: GraphBuilder, matrix: str, trees: Sequence[Tree], *, outputs: int) -> str:
    """Add the sum of the trees, [N, outputs], to a graph."""
    inner = np.cumsum([0] + [len(tree.feature) for tree in trees])
    leaves = np.cumsum([0] + [len(tree.leaves) for tree in trees])
    node = helper.make_node("TreeEnsemble", [matrix], [], domain=ML_DOMAIN, n_targets=outputs, aggregate_function=SUM)
    _set(node, "post_transform", NO_TRANSFORM)
    _set_integers(node, "tree_roots", inner[:-1])
    _set_integers(node, "nodes_featureids", np.concatenate([tree.feature for tree in trees]))
    _set_integers(node, "nodes_missing_value_tracks_true", np.concatenate([tree.missing_left for tree in trees]))
    _set(node, "nodes_splits", _tensor("splits", np.concatenate([tree.threshold for tree in trees])))
    _set(node, "nodes_modes", _tensor("modes", np.full(inner[-1], LESS_OR_EQUAL, dtype=np.uint8)))
    for side, children in (("true", [tree.left for tree in trees]), ("false", [tree.right for tree in trees])):
        bases = zip(children, inner[:-1], leaves[:-1], strict=True)
        ids = np.concatenate([np.where(child < 0, ~child + leaf, child + node) for child, node, leaf in bases])
        _set_integers(node, f"nodes_{side}nodeids", ids)
        _set_integers(node, f"nodes_{side}leafs", np.concatenate(children) < 0)
    _set_integers(node, "leaf_targetids", np.repeat([tree.output for tree in trees], np.diff(leaves)))
    _set(node, "leaf_weights", _tensor("weights", np.concatenate([tree.leaves for tree in trees])))
    return graph.add_node(node)


def cut(matrix: Floats) -> Floats:
    """Inputs that float32 has room for."""
    return np.clip(matrix, -LARGEST, LARGEST)


def emit_single(graph: GraphBuilder, matrix: str) -> str:
    """Add `cut` and the rounding to float32 that such libraries do; the result is float64 again."""
    clipped = graph.add("Clip", matrix, graph.constant(-LARGEST), graph.constant(LARGEST))
    return graph.double(graph.add("Cast", clipped, to=TensorProto.FLOAT))


def _set(node: NodeProto, name: str, value: Any) -> None:
    node.attribute.append(helper.make_attribute(name, value))


def _set_integers(node: NodeProto, name: str, values: Any) -> None:
    attribute = node.attribute.add()
    attribute.name = name
    attribute.type = attribute.INTS
    attribute.ints.extend(np.asarray(values, dtype=np.int64).tolist())


def _tensor(name: str, values: Any) -> Any:
    return numpy_helper.from_array(values, name)
