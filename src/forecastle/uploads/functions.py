"""Local functions of a file: held to the same rules as the graph, and then put in the places of their calls."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from onnx import FunctionProto, ModelProto, inliner

from forecastle.errors import clip
from forecastle.uploads.anatomy import MAX_NODES, key
from forecastle.uploads.errors import ModelRefused

Key: TypeAlias = tuple[str, str, str]


def without_functions(model: ModelProto) -> ModelProto:
    """The same model with every call of a local function replaced by what it does.

    Raises:
        ModelRefused: a function calls itself, directly or not, is there twice, or all of them come to too many nodes.
    """
    if not model.functions:
        return model
    local: dict[Key, FunctionProto] = {}
    for function in model.functions:
        if key(function) in local:
            raise ModelRefused.at("file.function", expected="each function once", found=f"{_name(key(function))} twice")
        local[key(function)] = function
    _count(model, local)
    inlined: ModelProto = inliner.inline_local_functions(model)
    if inlined.functions:
        names = ", ".join(_name(key(function)) for function in inlined.functions)
        expected = "functions of the model's own opset, which can be put in the places of their calls"
        raise ModelRefused.at("file.function", expected=expected, found=names)
    return inlined


def _count(model: ModelProto, local: Mapping[Key, FunctionProto]) -> None:
    """How many nodes there would be, found out without making them."""
    calls = {name: [key(node) for node in function.node if key(node) in local] for name, function in local.items()}
    try:
        order = list(TopologicalSorter(calls).static_order())
    except CycleError as error:
        cycle = " → ".join(_name(each) for each in error.args[1][:8])
        raise ModelRefused.at("file.function", expected="functions that do not call themselves", found=cycle) from error
    sizes: dict[Key, int] = {}
    for name in order:
        called = calls[name]
        sizes[name] = len(local[name].node) - len(called) + sum(sizes[each] for each in called)
        _check(f"file.function {_name(name)}", sizes[name])
    _check("file.graph", sum(sizes.get(key(node), 1) for node in model.graph.node))


def _check(place: str, nodes: int) -> None:
    if nodes > MAX_NODES:
        expected = f"at most {MAX_NODES:,} nodes with functions written out"
        raise ModelRefused.at(place, expected=expected, found=f"{nodes:,}" if nodes < 10**15 else "far more")


def _name(name: Key) -> str:
    return repr(clip(name[1]))
