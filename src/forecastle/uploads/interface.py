"""What a graph takes and gives, held against what its schema says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onnx import ModelProto, TensorProto, ValueInfoProto

from forecastle.errors import clip
from forecastle.uploads.document import Document, Dtype, Schema
from forecastle.uploads.errors import ModelRefused

DTYPES: Mapping[int, Dtype] = {
    TensorProto.DOUBLE: "float64",
    TensorProto.FLOAT: "float32",
    TensorProto.INT64: "int64",
    TensorProto.INT32: "int32",
}
FLOATS = {TensorProto.DOUBLE, TensorProto.FLOAT}
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Port:
    """A tensor that the graph takes or gives."""

    name: str
    type: int
    shape: Shape
    """None where a size is free."""


@dataclass(frozen=True, slots=True)
class Interface:
    """How the graph is fed and read."""

    matrix: bool
    """Whether one tensor [N, F] holds all features; else there is one a feature, [N] or [N, 1], in schema order."""
    inputs: tuple[Port, ...]
    output: Port
    declared: Shape | None
    """Of the output; None where the file does not say."""

    @property
    def dtypes(self) -> tuple[Dtype, ...]:
        """Of each tensor in `inputs`."""
        return tuple(DTYPES[port.type] for port in self.inputs)

    def feature_dtypes(self, features: int) -> tuple[Dtype, ...]:
        """Of each feature."""
        return self.dtypes * features if self.matrix else self.dtypes


def read_interface(model: ModelProto, document: Document) -> Interface:
    """How to feed the graph with the features of the schema, and which output to read.

    Raises:
        ModelRefused: inputs or outputs are not those of the schema, or not tensors of numbers with a free first size.
    """
    initial = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in initial]
    inputs = tuple(_input(value, f"file.graph.input[{number}]") for number, value in enumerate(given))
    schema = document.schema_
    matrix = len(inputs) == 1 and len(inputs[0].shape) == 2 and (len(schema.inputs) > 1 or inputs[0].shape[1] != 1)
    ordered = inputs if matrix else _columns(inputs, schema)
    if matrix and inputs[0].shape[1] != len(schema.inputs):
        expected = f"[N, {len(schema.inputs)}], a column for each of schema.inputs"
        raise ModelRefused.at("file.graph.input[0]", expected=expected, found=_shown(inputs[0].shape))
    output, declared = _output(model, schema)
    found = Interface(matrix, ordered, output, declared)
    for number, (each, dtype) in enumerate(zip(schema.inputs, found.feature_dtypes(len(schema.inputs)), strict=True)):
        if each.dtype is not None and each.dtype != dtype:
            field = f"schema.inputs.{number}.dtype"
            raise ModelRefused.at(
                field, expected=f"{dtype}, which the file takes for {clip(each.name)!r}", found=each.dtype
            )
    return found


def _input(value: ValueInfoProto, place: str) -> Port:
    place = f"{place} {clip(value.name)!r}"
    kind = _tensor_type(value, place)
    if kind.elem_type not in DTYPES:
        expected = f"a tensor of {', '.join(DTYPES.values())}"
        raise ModelRefused.at(place, expected=expected, found=_type_name(kind.elem_type))
    shape = _shape(kind)
    if shape is None or not 1 <= len(shape) <= 2:
        raise ModelRefused.at(place, expected="a shape of [N, F], [N, 1] or [N]", found=_shown(shape))
    if shape[0] is not None:
        raise ModelRefused.at(f"{place}.shape[0]", expected="a free number of rows", found=str(shape[0]))
    if len(shape) == 2 and shape[1] is None:
        raise ModelRefused.at(f"{place}.shape[1]", expected="a number of features", found="a free size")
    return Port(value.name, kind.elem_type, shape)


def _columns(inputs: tuple[Port, ...], schema: Schema) -> tuple[Port, ...]:
    by_name = {port.name: port for port in inputs}
    names = [each.name for each in schema.inputs]
    if len(inputs) == 1 and len(names) == 1:  # a single column may be called anything
        by_name = {names[0]: inputs[0]}
    if set(by_name) != set(names):
        expected = f"one tensor [N, {len(names)}], or one for each of schema.inputs: {', '.join(names)}"
        found = ", ".join(f"{port.name} {_shown(port.shape)}" for port in inputs) or "no input"
        raise ModelRefused.at("file.graph.input", expected=clip(expected, 200), found=found)
    for port in by_name.values():
        if port.shape[1:] not in {(), (1,)}:
            place = f"file.graph.input {clip(port.name)!r}"
            raise ModelRefused.at(place, expected="one column: [N] or [N, 1]", found=_shown(port.shape))
    return tuple(by_name[name] for name in names)


def _output(model: ModelProto, schema: Schema) -> tuple[Port, Shape | None]:
    outputs = list(model.graph.output)
    if schema.output is None:
        numeric = [value for value in outputs if value.type.tensor_type.elem_type in FLOATS]
        if len(numeric) != 1:
            names = ", ".join(value.name for value in (numeric or outputs))
            what = "the name of one of the outputs" if numeric else "one output of float32 or float64"
            field = "schema.output" if numeric else "file.graph.output"
            raise ModelRefused.at(field, expected=f"{what}: {clip(names)}" if numeric else what, found=names or "none")
        value = numeric[0]
    else:
        named = [value for value in outputs if value.name == schema.output]
        if not named:
            names = clip(", ".join(value.name for value in outputs), 200)
            raise ModelRefused.at("schema.output", expected=f"one of {names}", found=schema.output)
        value = named[0]
    place = f"file.graph.output {clip(value.name)!r}"
    kind = _tensor_type(value, place)
    if kind.elem_type not in FLOATS:
        raise ModelRefused.at(place, expected="a tensor of float32 or float64", found=_type_name(kind.elem_type))
    shape = _shape(kind)
    _check_output(shape, schema, place)
    return Port(value.name, kind.elem_type, shape or ()), shape


def _check_output(shape: Shape | None, schema: Schema, place: str) -> None:
    if shape is None:
        return
    widths = {"regression": {1}, "binary": {1, 2}, "multiclass": {len(schema.classes)}}[schema.task]
    fits = len(shape) == 2 and (shape[1] is None or shape[1] in widths)
    if not fits and not (len(shape) == 1 and 1 in widths):
        expected = " or ".join([*(["[N]"] if 1 in widths else []), *(f"[N, {width}]" for width in sorted(widths))])
        raise ModelRefused.at(place, expected=f"{expected} for {schema.task}", found=_shown(shape))
    if shape[0] is not None:
        raise ModelRefused.at(f"{place}.shape[0]", expected="a free number of rows", found=str(shape[0]))


def _tensor_type(value: ValueInfoProto, place: str) -> Any:
    if value.type.WhichOneof("value") != "tensor_type":
        found = (value.type.WhichOneof("value") or "no type").removesuffix("_type")
        raise ModelRefused.at(place, expected="a tensor", found=found)
    return value.type.tensor_type


def _shape(kind: Any) -> Shape | None:
    if not kind.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)


def _shown(shape: Shape | None) -> str:
    return "no shape" if shape is None else f"[{', '.join('N' if size is None else str(size) for size in shape)}]"


def _type_name(number: int) -> str:
    known: str = TensorProto.DataType.Name(number).lower() if number in TensorProto.DataType.values() else "none"
    return f"a tensor of {known}"
