"""Divisions of whole numbers, which a processor may answer by ending the process.

The smallest number of its kind divided by -1 is larger than the largest. ONNX Runtime looks for divisors of 0, but not
for that. A trial on a sample would not find it, so every divisor has to be a constant.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, TensorProto, helper, numpy_helper, shape_inference

from forecastle.errors import clip
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.operators import STANDARD, domain_of

DIVIDING = frozenset({"Div", "Mod"})
FRACTIONS = frozenset({TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16})


def check_divisions(model: ModelProto) -> None:
    """Refuse whole numbers divided by what may be 0 or -1.

    Args:
        model: without functions, and accepted by the checker.

    Raises:
        ModelRefused: names the node.
    """
    dividing = [
        (number, node)
        for number, node in enumerate(model.graph.node)
        if node.op_type in DIVIDING and domain_of(node.domain) == STANDARD
    ]
    if not dividing:
        return
    types, constants = _types(model), dict(_constants(model))
    for number, node in dividing:
        if types.get(node.output[0]) in FRACTIONS:
            continue
        divisor = constants.get(node.input[1])
        if divisor is None or np.isin(divisor, (0, -1)).any():
            found = clip(node.input[1]) if divisor is None else "0 or -1"
            expected = "whole numbers divided by a constant other than 0 and -1"
            raise ModelRefused.at(f"file.graph.node[{number}] {clip(node.name)!r}", expected=expected, found=found)


def _types(model: ModelProto) -> dict[str, int]:
    """Of what nodes give, by its name; what the file itself says of them does not count."""
    bare = ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    for value in bare.graph.output:
        value.ClearField("type")
    inferred = shape_inference.infer_shapes(bare).graph
    return {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.output)}


def _constants(model: ModelProto) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    for tensor in model.graph.initializer:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in model.graph.node:
        if node.op_type == "Constant" and domain_of(node.domain) == STANDARD:
            value = helper.get_attribute_value(node.attribute[0])
            is_tensor = isinstance(value, TensorProto)
            yield node.output[0], numpy_helper.to_array(value) if is_tensor else np.array(value)
