"""Tensors of the Open Inference Protocol and back."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecastle.registry.manifest import FeatureColumn, Manifest
from forecastle.serving import tensors
from forecastle.serving.errors import BadTensors
from forecastle.serving.tensors import BYTES, DTYPES, Tensor, TensorFacts

Make = Callable[..., Manifest]
NUMBERS = tuple(FeatureColumn(name, name, "number") for name in ("a", "b"))
MIXED = (FeatureColumn("a", "a", "number"), FeatureColumn("city", "city", "category", ("Oslo", "Rome")))


@pytest.fixture
def numeric(make_manifest: Make) -> Manifest:
    return make_manifest(features=NUMBERS)


@pytest.fixture
def mixed(make_manifest: Make) -> Manifest:
    return make_manifest(features=MIXED)


def test_a_model_says_what_it_takes_and_gives(make_manifest: Make, numeric: Manifest, mixed: Manifest) -> None:
    assert tensors.inputs_of(numeric) == (TensorFacts("features", "FP64", (-1, 2)),)
    assert tensors.inputs_of(mixed) == (TensorFacts("a", "FP64", (-1, 1)), TensorFacts("city", "BYTES", (-1, 1)))
    assert tensors.outputs_of(numeric) == (TensorFacts("prediction", "FP64", (-1,)),)
    classes = make_manifest(task="classification", classes=("lose", "win"))
    assert tensors.outputs_of(classes) == (
        TensorFacts("prediction", "BYTES", (-1,)),
        TensorFacts("probabilities", "FP64", (-1, 2)),
    )


@pytest.mark.parametrize("data", [[1, 2, 3.5, None], [[1, 2], [3.5, None]]])
def test_one_tensor_of_numbers_may_be_flat_or_nested(numeric: Manifest, data: list[Any]) -> None:
    tensor = Tensor("features", "FP64", (2, 2), data)
    assert tensors.read_rows(numeric, [tensor], most=2) == [[1, 2], [3.5, None]]


@given(
    st.sampled_from([name for name in DTYPES if name not in {"BOOL", "FP16"}]),
    st.lists(st.integers(0, 100), min_size=1),
)
def test_binary_numbers_of_every_kind_are_read(datatype: str, values: list[int]) -> None:
    data = np.array(values, dtype=DTYPES[datatype]).tobytes()
    assert tensors.to_bytes(datatype, values) == data
    column = Tensor("a", datatype, (len(values), 1), data)
    assert tensors._values(column) == values


@given(st.lists(st.text(max_size=5), min_size=1))
def test_binary_texts_come_back(texts: list[str]) -> None:
    column = Tensor("city", BYTES, (len(texts),), tensors.to_bytes(BYTES, texts))
    assert tensors._values(column) == texts


def test_a_tensor_a_feature_may_come_in_any_order(mixed: Manifest) -> None:
    cities = Tensor("city", BYTES, (2, 1), tensors.to_bytes(BYTES, ["Oslo", "☕"]))
    numbers = Tensor("a", "FP32", (2,), np.array([1.5, np.nan], dtype="<f4").tobytes())
    assert tensors.read_rows(mixed, [cities, numbers], most=2) == [[1.5, "Oslo"], [None, "☕"]]


def good(**changes: Any) -> Tensor:
    return Tensor(**{"name": "features", "datatype": "FP64", "shape": (1, 2), "data": [1, 2], **changes})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "inputs: expected one tensor features of .N, 2., or one for each of a, b, found none"),
        ([good(name="x")], "found x"),
        ([good(), good()], "found features, features"),
        ([good(name="a", shape=(1,), data=[1])], "found a"),
        ([good(shape=(2,))], r"inputs.features.shape: expected .1 to 100, 2., found \[2\]"),
        ([good(shape=(1, 3))], r"found \[1, 3\]"),
        ([good(shape=(0, 2), data=[])], r"found \[0, 2\]"),
        ([good(shape=(101, 2), data=[1] * 202)], r"found \[101, 2\]"),
        ([good(data=[1, 2, 3])], "inputs.features.data: expected 2 values, for the shape .1, 2., found 3"),
        ([good(data=[])], "found 0"),
        ([good(datatype="FP8")], "inputs.features.datatype: expected one of BOOL"),
        ([good(data=b"1234567")], "inputs.features.data: expected whole values of FP64, found 7 bytes"),
        ([good(datatype="BYTES", data=b"\xff\xff\xff\xffx")], "expected whole values of BYTES"),
        ([good(datatype="BYTES", data=b"\x01\x00\x00\x00\xff")], "expected whole values of BYTES"),
        (
            [good(name="a", shape=(1,), data=[1]), good(name="b", shape=(2,), data=[1, 2])],
            "expected as many rows in each tensor",
        ),
        ([good(name="a", shape=(1, 2)), good(name="b", shape=(1,), data=[1])], "inputs.a.shape"),
    ],
)
def test_what_is_no_row_is_refused(numeric: Manifest, given: list[Tensor], message: str) -> None:
    with pytest.raises(BadTensors, match=message):
        tensors.read_rows(numeric, given, most=100)
