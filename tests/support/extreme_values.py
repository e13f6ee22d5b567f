"""Runs operators on the extreme values of a kind, and says on standard output which one is next.

`python extreme_values.py INT64 Add Div …`: what ends the process is the last that was named.
"""

import itertools
import sys
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from forecastle.registry.runtime import open_session

EXTREMES = (0, -1, 1, 2, -(2**31), 2**31 - 1, -(2**63), 2**62, np.nan, np.inf, -np.inf, 1e308, -5e-324, 64, 3.5)
ROWS = np.array(list(itertools.product(EXTREMES, EXTREMES)), dtype=np.float64)
WAYS = (["a"], ["a", "b"], ["a", "b", "a"], ["both"], ["both", "places"], ["both", "places", "both"], ["both", "axis"])
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "BitShift": {"direction": "LEFT"},
    "Einsum": {"equation": "ij,ij->i"},
    "Cast": {"to": TensorProto.INT32},
}


def graph(nodes: list[NodeProto]) -> bytes:
    made = helper.make_graph(
        nodes,
        "extremes",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["N", 2])],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
        [numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


def run(operator: str, kind: int, inputs: list[str]) -> bool:
    """Whether the operator takes such inputs at all."""
    nodes = [
        helper.make_node("Cast", ["X"], ["both"], to=kind),
        helper.make_node("Cast", ["X"], ["places"], to=TensorProto.INT64),
        helper.make_node("Split", ["both"], ["a", "b"], axis=1, num_outputs=2),
        helper.make_node(operator, inputs, ["q"], **ATTRIBUTES.get(operator, {})),
        helper.make_node("Cast", ["q"], ["y"], to=TensorProto.DOUBLE),
    ]
    try:
        session = open_session(graph(nodes))
    except Exception:  # noqa: BLE001 - the runtime's errors share no base class
        return False
    for row in ROWS:
        try:
            session.run(None, {"X": row[None, :]})
        except Exception:  # noqa: BLE001, S112 - an error is well: it is answered
            continue
    return True


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(kind: str, operators: list[str]) -> None:
    for operator in operators:
        say(operator)
        taken = [run(operator, TensorProto.DataType.Value(kind), inputs) for inputs in WAYS]
        if any(taken):
            say(f"ran {operator}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
