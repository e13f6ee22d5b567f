"""What a graph is made of, looked at before any library works on it: nodes, attributes, tensors and names.

Each rule names the place of what it refuses: `file.graph.node[3] 'scale'`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto

from forecastle.errors import clip
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.operators import ALLOWED, HINTS, ML, STANDARD, domain_of, spelled

MAX_NODES = 50_000
MAX_NAMES = 200_000
MAX_RANK = 16
ELEMENTS_A_BYTE = 8
"""A number of a file takes an eighth of a byte or more."""

PLAIN = {
    AttributeProto.FLOAT,
    AttributeProto.INT,
    AttributeProto.STRING,
    AttributeProto.TENSOR,
    AttributeProto.FLOATS,
    AttributeProto.INTS,
    AttributeProto.STRINGS,
    AttributeProto.TENSORS,
}


@dataclass(frozen=True, slots=True)
class Body:
    """A list of nodes: the graph's, or a local function's."""

    place: str
    nodes: Iterable[NodeProto]
    in_function: bool = False


def bodies(model: ModelProto) -> Iterator[Body]:
    """Wherever nodes stand. Those of subgraphs do not count: no attribute may hold one."""
    yield Body("file.graph", model.graph.node)
    for function in model.functions:
        yield Body(f"file.function {clip(function.name)!r}", function.node, in_function=True)


def examine(model: ModelProto, size: int) -> None:
    """Refuse what no graph may be made of.

    Args:
        model: the message as it was read.
        size: of the file, in bytes.

    Raises:
        ModelRefused: names the place, what is expected there, and what was found.
    """
    _examine_message(model)
    local = {key(function): function for function in model.functions}
    count = 0
    for body in bodies(model):
        for number, node in enumerate(body.nodes):
            count += 1
            if count > MAX_NODES:
                raise ModelRefused.at("file.graph.node", expected=f"at most {MAX_NODES:,} nodes", found="more")
            _examine_node(node, f"{body.place}.node[{number}]{_named(node.name)}", local, body, size)
    for number, tensor in enumerate(model.graph.initializer):
        _examine_tensor(tensor, f"file.graph.initializer[{number}]{_named(tensor.name)}", size)
    _examine_names(model)


def key(called: FunctionProto | NodeProto) -> tuple[str, str, str]:
    """What tells a local function from others, and a node's call of it."""
    name = called.name if isinstance(called, FunctionProto) else called.op_type
    return domain_of(called.domain), name, called.overload


def _examine_message(model: ModelProto) -> None:
    if not model.HasField("graph") or not model.graph.node:
        raise ModelRefused.at("file", expected="an ONNX model with a graph of nodes", found="none")
    if model.training_info:
        raise ModelRefused.at("file.training_info", expected="none: only inference is served", found="some")
    if model.graph.sparse_initializer:
        found = f"{len(model.graph.sparse_initializer)} sparse"
        raise ModelRefused.at("file.graph.sparse_initializer", expected="dense tensors only", found=found)
    for function in model.functions:
        if domain_of(function.domain) in ALLOWED:
            place = f"file.function {clip(function.name)!r}"
            expected = "a domain other than those of standard operators, which it would hide"
            raise ModelRefused.at(place, expected=expected, found=function.domain or "ai.onnx")


def _examine_node(
    node: NodeProto, place: str, local: Mapping[tuple[str, str, str], FunctionProto], body: Body, size: int
) -> None:
    if key(node) not in local:
        _examine_operator(node, place)
    for attribute in node.attribute:
        _examine_attribute(attribute, f"{place}.{clip(attribute.name)}", body, size)


def _examine_operator(node: NodeProto, place: str) -> None:
    domain = domain_of(node.domain)
    found = clip(spelled(domain, node.op_type))
    if domain not in ALLOWED:
        raise ModelRefused.at(place, expected="an operator of ai.onnx or ai.onnx.ml", found=found)
    if node.op_type not in ALLOWED[domain]:
        hint = HINTS.get(node.op_type, "")
        raise ModelRefused.at(place, expected=f"an operator that is served{hint}", found=found)


def _examine_attribute(attribute: AttributeProto, place: str, body: Body, size: int) -> None:
    if attribute.HasField("g") or attribute.graphs:
        raise ModelRefused.at(place, expected="no subgraph", found="one")
    if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
        raise ModelRefused.at(place, expected="dense tensors only", found="a sparse one")
    if attribute.HasField("tp") or attribute.type_protos:
        raise ModelRefused.at(place, expected="numbers, texts or tensors", found="a type")
    if attribute.ref_attr_name:
        if not body.in_function:
            raise ModelRefused.at(place, expected="a value", found="a reference")
    elif attribute.type not in PLAIN:
        raise ModelRefused.at(place, expected="numbers, texts or tensors", found=f"type {attribute.type}")
    for tensor in (*([attribute.t] if attribute.HasField("t") else ()), *attribute.tensors):
        _examine_tensor(tensor, place, size)


def _examine_tensor(tensor: TensorProto, place: str, size: int) -> None:
    if tensor.data_location != TensorProto.DEFAULT or tensor.external_data:
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "another file")
        raise ModelRefused.at(place, expected="its data in the file itself", found=f"external data in {location!r}")
    if len(tensor.dims) > MAX_RANK or any(dim < 0 for dim in tensor.dims):
        shape = clip(str(list(tensor.dims[: MAX_RANK + 1])))
        raise ModelRefused.at(place, expected=f"a shape of at most {MAX_RANK} sizes, none negative", found=shape)
    if math.prod(tensor.dims) > size * ELEMENTS_A_BYTE:
        expected = f"no more numbers than the file's {size:,} bytes can hold"
        raise ModelRefused.at(place, expected=expected, found=f"the shape {list(tensor.dims)}")


def _examine_names(model: ModelProto) -> None:
    """Every value has one name and one origin, and every output of the graph has an origin."""
    graph = model.graph
    initial = _once((tensor.name for tensor in graph.initializer), "file.graph.initializer")
    known = _once((value.name for value in graph.input), "file.graph.input") | initial
    outputs = _once((value.name for value in graph.output), "file.graph.output")
    for number, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in known:
                place = f"file.graph.node[{number}]{_named(node.name)}"
                raise ModelRefused.at(place, expected="an output of a new name", found=f"{clip(name)!r} again")
            known.add(name)
        if len(known) > MAX_NAMES:
            raise ModelRefused.at("file.graph", expected=f"at most {MAX_NAMES:,} named values", found="more")
    for name in outputs - known:
        raise ModelRefused.at("file.graph.output", expected="outputs that a node gives", found=f"{clip(name)!r}")


def _once(names: Iterable[str], place: str) -> set[str]:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if not name or name in seen:
            found = f"{clip(name)!r} again" if name else "none"
            raise ModelRefused.at(f"{place}[{number}]", expected="a name of its own", found=found)
        seen.add(name)
    return seen


def _named(name: str) -> str:
    return f" {clip(name)!r}" if name else ""


def operators_of(model: ModelProto) -> dict[str, int]:
    """How often each operator stands in the graph, by its name; those of ai.onnx.ml with their domain."""
    counts: dict[str, int] = {}
    for node in model.graph.node:
        name = f"{ML}.{node.op_type}" if domain_of(node.domain) != STANDARD else node.op_type
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
