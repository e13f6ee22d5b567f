"""How large things become must not depend on what callers send.

The trial of a model bounds its memory and its time for good only if sizes follow from the number of rows alone. So what
decides a shape may come from constants and from other shapes, and not from the values of features. And where a graph
computes with the number of rows, every number is tried, for it might do at 57 what it does at no other.
"""

from onnx import ModelProto

from forecastle.errors import clip
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.operators import SHAPES_ONLY, SHAPING, domain_of


def batch_sizes(model: ModelProto, most_rows: int) -> range:
    """The numbers of rows to try: the largest, unless the graph computes with the number; then every one."""
    computes = any(node.op_type in SHAPES_ONLY for node in model.graph.node)
    return range(1, most_rows + 1) if computes else range(most_rows, most_rows + 1)


def check_shapes(model: ModelProto) -> None:
    """Refuse a graph, free of functions and in order, in which a feature's value decides a shape.

    Raises:
        ModelRefused: names the node.
    """
    graph = model.graph
    constant = {tensor.name for tensor in graph.initializer}
    by_features = {value.name for value in graph.input} - constant
    for number, node in enumerate(graph.node):
        standard = domain_of(node.domain) == ""
        for position in SHAPING.get(node.op_type, ()) if standard else ():
            if position < len(node.input) and node.input[position] in by_features:
                place = f"file.graph.node[{number}]" + (f" {clip(node.name)!r}" if node.name else "")
                expected = "sizes that do not depend on the values of features"
                raise ModelRefused.at(
                    place, expected=expected, found=f"{node.op_type} by {clip(node.input[position])!r}"
                )
        if not (standard and node.op_type in SHAPES_ONLY) and by_features.intersection(node.input):
            by_features.update(node.output)
