"""Rows and answers as tensors of the Open Inference Protocol, in JSON or as binary data.

https://github.com/kserve/open-inference-protocol and its binary tensor extension. A model takes either one tensor
`features` of shape [N, F], if all its features are numbers, or one tensor a feature, of shape [N] or [N, 1]. It gives
`prediction` [N], and for classes `probabilities` [N, K].
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecastle.errors import clip
from forecastle.registry.manifest import Manifest
from forecastle.serving.errors import BadTensors
from forecastle.serving.prediction import Prediction

FEATURES, PREDICTION, PROBABILITIES = "features", "prediction", "probabilities"
BYTES, FP64 = "BYTES", "FP64"
DTYPES: Mapping[str, str] = {
    "BOOL": "?", "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", FP64: "<f8",
}  # fmt: skip
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """A tensor that a model takes or gives; -1 is any number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a request: its values as they came, in JSON or as the bytes of them."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any] | bytes


def inputs_of(manifest: Manifest) -> tuple[TensorFacts, ...]:
    """The tensors that a model takes."""
    columns = manifest.features
    if all(column.kind == "number" for column in columns):
        return (TensorFacts(FEATURES, FP64, (-1, len(columns))),)
    return tuple(TensorFacts(column.name, BYTES if column.kind == "category" else FP64, (-1, 1)) for column in columns)


def outputs_of(manifest: Manifest) -> tuple[TensorFacts, ...]:
    """The tensors that a model gives."""
    if not manifest.classes:
        return (TensorFacts(PREDICTION, FP64, (-1,)),)
    probabilities = TensorFacts(PROBABILITIES, FP64, (-1, len(manifest.classes)))
    return TensorFacts(PREDICTION, BYTES, (-1,)), probabilities


def read_rows(manifest: Manifest, tensors: Sequence[Tensor], *, most: int) -> list[list[Any]]:
    """The rows in the tensors of a request, in feature order; NaN is a missing number, as null is.

    Raises:
        BadTensors: a tensor is missing, unknown, or its shape, type or data do not fit.
    """
    names = [column.name for column in manifest.features]
    if len(tensors) == 1 and tensors[0].name == FEATURES and names != [FEATURES]:
        return _matrix(tensors[0], len(names), most)
    given = {tensor.name: tensor for tensor in tensors}
    unknown, missing = [name for name in given if name not in names], [name for name in names if name not in given]
    if unknown or missing or len(given) < len(tensors):
        expected = f"one tensor features of [N, {len(names)}], or one for each of {clip(', '.join(names), 200)}"
        raise BadTensors.at("inputs", expected=expected, found=", ".join(tensor.name for tensor in tensors) or "none")
    columns = [_column(given[name], most) for name in names]
    if len({len(column) for column in columns}) > 1:
        raise BadTensors.at("inputs", expected="as many rows in each tensor", found="different numbers")
    return [list(row) for row in zip(*columns, strict=True)]


def write(facts: TensorFacts, manifest: Manifest, predictions: Sequence[Prediction]) -> list[Any]:
    """The values of an output tensor, row by row."""
    if facts.name == PREDICTION:
        return [prediction.prediction for prediction in predictions]
    return [(prediction.probabilities or {})[label] for prediction in predictions for label in manifest.classes]


def to_bytes(datatype: str, values: Sequence[Any]) -> bytes:
    """Values as the binary extension writes them."""
    if datatype == BYTES:
        texts = [value.encode() for value in values]
        return b"".join(len(text).to_bytes(LENGTH_BYTES, "little") + text for text in texts)
    return np.array(values, dtype=DTYPES[datatype]).tobytes()


def _matrix(tensor: Tensor, width: int, most: int) -> list[list[Any]]:
    if len(tensor.shape) != 2 or tensor.shape[1] != width or not 1 <= tensor.shape[0] <= most:
        raise BadTensors.at(_at(tensor, "shape"), expected=f"[1 to {most}, {width}]", found=str([*tensor.shape]))
    values = _values(tensor)
    return [values[start : start + width] for start in range(0, len(values), width)]


def _column(tensor: Tensor, most: int) -> list[Any]:
    if tensor.shape[1:] not in {(), (1,)} or not tensor.shape or not 1 <= tensor.shape[0] <= most:
        raise BadTensors.at(
            _at(tensor, "shape"), expected=f"[1 to {most}] or [1 to {most}, 1]", found=str([*tensor.shape])
        )
    return _values(tensor)


def _values(tensor: Tensor) -> list[Any]:
    """As many values as the shape has places."""
    if tensor.datatype != BYTES and tensor.datatype not in DTYPES:
        raise BadTensors.at(
            _at(tensor, "datatype"), expected=f"one of {', '.join((*DTYPES, BYTES))}", found=tensor.datatype
        )
    binary = isinstance(tensor.data, bytes)
    values = _from_bytes(tensor) if binary else list(_flat(tensor.data, depth=len(tensor.shape)))
    if len(values) != math.prod(tensor.shape):
        expected = f"{math.prod(tensor.shape):,} values, for the shape {[*tensor.shape]}"
        raise BadTensors.at(_at(tensor, "data"), expected=expected, found=f"{len(values):,}")
    if tensor.datatype == "BOOL":
        return [int(value) if isinstance(value, bool) else value for value in values]
    return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN alone differs from itself


def _from_bytes(tensor: Tensor) -> list[Any]:
    data = tensor.data
    assert isinstance(data, bytes)  # noqa: S101 - as the caller saw
    try:
        if tensor.datatype == BYTES:
            return list(_texts(data))
        return list(np.frombuffer(data, dtype=DTYPES[tensor.datatype]).tolist())
    except ValueError as error:
        expected = f"whole values of {tensor.datatype}"
        raise BadTensors.at(_at(tensor, "data"), expected=expected, found=f"{len(data):,} bytes") from error


def _texts(data: bytes) -> Iterator[str]:
    place = 0
    while place < len(data):
        start = place + LENGTH_BYTES
        place = start + int.from_bytes(data[place:start], "little")
        if place > len(data):
            raise ValueError("a text reaches beyond the end")
        yield data[start:place].decode()


def _flat(data: Sequence[Any] | Any, *, depth: int) -> Iterator[Any]:
    for value in data:
        if isinstance(value, list) and depth > 1:
            yield from _flat(value, depth=depth - 1)
        else:
            yield value


def _at(tensor: Tensor, field: str) -> str:
    return f"inputs.{clip(tensor.name)}.{field}"
