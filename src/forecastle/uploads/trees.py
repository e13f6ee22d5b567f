"""Ensembles of trees, whose arrays ONNX Runtime follows without looking twice.

A node that is its own ancestor would be followed for ever, by the first row that comes there; a leaf of a class that
there is not would be added up beyond the end of an array.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from forecastle.errors import clip
from forecastle.uploads.document import MAX_CLASSES
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.operators import ML

MAX_COLUMNS = 1_000_000
"""Of the matrix that a tree looks at; ONNX Runtime refuses to look beyond the one it is given."""
OLD = {"TreeEnsembleClassifier": "class", "TreeEnsembleRegressor": "target"}
LEAF = b"LEAF"
CHILDREN = ("nodes_truenodeids", "nodes_falsenodeids")
ARRAYS = ("nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", *CHILDREN)
VALUES = "nodes_values"
NEW_ARRAYS = ("nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs")


def check_trees(model: ModelProto) -> None:
    """Refuse ensembles that are no trees, or point beyond their features, leaves or classes.

    Args:
        model: its graph, free of functions.

    Raises:
        ModelRefused: names the node and the array.
    """
    for number, node in enumerate(model.graph.node):
        if node.domain != ML or not node.op_type.startswith("TreeEnsemble"):
            continue
        place = f"file.graph.node[{number}]" + (f" {clip(node.name)!r}" if node.name else "")
        given = {attribute.name: _value(attribute) for attribute in node.attribute}
        if node.op_type in OLD:
            _check_old(node, place, given)
        else:
            _check_new(place, given)
        _within(place, "nodes_featureids", given.get("nodes_featureids", ()), MAX_COLUMNS)


def _value(attribute: AttributeProto) -> Any:
    value = helper.get_attribute_value(attribute)
    return value if isinstance(value, bytes | str | int | float | TensorProto) else list(value)


def _check_old(node: NodeProto, place: str, given: Mapping[str, Any]) -> None:
    arrays = {name: given.get(name, ()) for name in ARRAYS}
    _same_length(place, {name: len(values) for name, values in arrays.items()} | {VALUES: _length(given, VALUES)})
    trees, ids = arrays["nodes_treeids"], arrays["nodes_nodeids"]
    positions = {pair: position for position, pair in enumerate(zip(trees, ids, strict=True))}
    if len(positions) < len(ids):
        raise ModelRefused.at(f"{place}.nodes_nodeids", expected="each node of a tree once", found="one twice")
    roots = [position for position, tree in enumerate(trees) if position == 0 or tree != trees[position - 1]]
    if len(roots) > len(set(trees)):
        raise ModelRefused.at(f"{place}.nodes_treeids", expected="the nodes of a tree side by side", found="not")
    parented = np.zeros(len(ids), dtype=bool)
    parented[roots] = True
    for position, mode in enumerate(arrays["nodes_modes"]):
        for name in CHILDREN if mode != LEAF else ():
            child = positions.get((trees[position], arrays[name][position]))
            _adopt(parented, child, f"{place}.{name}[{position}]")
    what = OLD[node.op_type]
    columns = {name: given.get(f"{what}_{name}", ()) for name in ("treeids", "nodeids", "ids")}
    lengths = {f"{what}_{name}": len(values) for name, values in columns.items()}
    _same_length(place, lengths | {f"{what}_weights": _length(given, f"{what}_weights")})
    for pair in zip(columns["treeids"], columns["nodeids"], strict=True):
        if pair not in positions:
            raise ModelRefused.at(f"{place}.{what}_nodeids", expected="nodes of its trees", found=str(pair))
    _within(place, f"{what}_ids", columns["ids"], _outputs(node, given, place))


def _outputs(node: NodeProto, given: Mapping[str, Any], place: str) -> int:
    if node.op_type == "TreeEnsembleRegressor":
        count = int(given.get("n_targets", 0))
    else:
        labels: Sequence[object] = given.get("classlabels_int64s") or given.get("classlabels_strings") or ()
        count = len(labels)
    if not 1 <= count <= MAX_CLASSES:
        raise ModelRefused.at(place, expected=f"1 to {MAX_CLASSES:,} targets or classes", found=str(count))
    return count


def _check_new(place: str, given: Mapping[str, Any]) -> None:
    """The operator of ai.onnx.ml 5, whose nodes name each other by their position."""
    arrays = {name: given.get(name, ()) for name in NEW_ARRAYS}
    lengths = {name: len(values) for name, values in arrays.items()}
    _same_length(place, lengths | {name: _length(given, name) for name in ("nodes_modes", "nodes_splits")})
    leaf_targets = given.get("leaf_targetids", ())
    leaves = {"leaf_targetids": len(leaf_targets), "leaf_weights": _length(given, "leaf_weights")}
    _same_length(place, leaves)
    nodes = len(arrays["nodes_featureids"])
    parented = np.zeros(nodes, dtype=bool)
    for number, root in enumerate(given.get("tree_roots", ())):
        _adopt(parented, root if 0 <= root < nodes else None, f"{place}.tree_roots[{number}]")
    for side in ("true", "false"):
        name = f"nodes_{side}nodeids"
        for position, (target, is_leaf) in enumerate(zip(arrays[name], arrays[f"nodes_{side}leafs"], strict=True)):
            if is_leaf:
                _within(place, name, (target,), len(leaf_targets))
            else:
                _adopt(parented, target if 0 <= target < nodes else None, f"{place}.{name}[{position}]")
    count = int(given.get("n_targets", 0))
    if not 1 <= count <= MAX_CLASSES:
        raise ModelRefused.at(f"{place}.n_targets", expected=f"1 to {MAX_CLASSES:,}", found=str(count))
    _within(place, "leaf_targetids", leaf_targets, count)


def _adopt(parented: "np.ndarray[Any, Any]", child: int | None, place: str) -> None:
    """Note that a node has a parent. With one each, and none for a root, no way down leads round in a circle."""
    if child is None:
        raise ModelRefused.at(place, expected="a node of the same tree", found="none")
    if parented[child]:
        raise ModelRefused.at(place, expected="a node below no other", found="a root, or one that has a parent already")
    parented[child] = True


def _length(given: Mapping[str, Any], name: str) -> int:
    """Of an array that may be given as a tensor."""
    value = given.get(f"{name}_as_tensor", given.get(name, ()))
    return math.prod(value.dims) if isinstance(value, TensorProto) else len(value)


def _same_length(place: str, lengths: Mapping[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise ModelRefused.at(place, expected="arrays of one length", found=clip(said, 200))


def _within(place: str, name: str, values: Sequence[int], end: int) -> None:
    if len(values) and not (min(values) >= 0 and max(values) < end):
        bad = min(values) if min(values) < 0 else max(values)
        raise ModelRefused.at(f"{place}.{name}", expected=f"numbers from 0 to {end - 1:,}", found=f"{bad:,}")
