"""The process that checks one file: `python -I -m forecastle.uploads.checking`.

It is told what to do on standard input, and says on standard output how it goes on. Libraries print to standard error.
"""

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np
from onnx import ModelProto

from forecastle.errors import FieldProblem
from forecastle.jobs.worker import die_with_parent
from forecastle.registry.runtime import open_session
from forecastle.uploads import messages
from forecastle.uploads.document import Document
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.functions import without_functions
from forecastle.uploads.lockdown import lock_down
from forecastle.uploads.messages import Doing, Message, Order, Passed, Refused
from forecastle.uploads.steps import check, check_standard, smallest

OUT, ERR = 1, 2
OPSET, ML_OPSET = 18, 3


def main() -> None:
    """Check what standard input orders."""
    says = os.fdopen(os.dup(OUT), "wb", buffering=0)
    os.dup2(ERR, OUT)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    die_with_parent(order.parent)
    document = Document.parse(json.loads(order.document))
    data = Path(order.file).read_bytes()
    with Path(order.adapted).open("wb") as adapted:
        _load_everything()
        lock_down(memory_bytes=order.memory_bytes, cpu_s=order.cpu_s, file_bytes=order.file_bytes)
        _say(says, _checked(data, document, order, adapted, says))
        sys.stderr.flush()
    os._exit(0)  # nothing that the file's graph has left behind runs any more


def _checked(data: bytes, document: Document, order: Order, adapted: BinaryIO, says: BinaryIO) -> Message:
    current = ""

    def step(what: str) -> None:
        nonlocal current
        current = what
        _say(says, Doing(what))

    try:
        graph, findings = check(data, document, most_rows=order.most_rows, run_s=order.run_s, step=step)
        adapted.write(graph)
        adapted.flush()
    except ModelRefused as error:
        return Refused(error.problems)
    except MemoryError:
        expected = f"a model that takes at most {order.memory_bytes / 2**20:,.0f} MB"
        return Refused((FieldProblem("file", expected, f"more, {current}"),))
    except UnicodeDecodeError:  # names are read when they are looked at
        return Refused((FieldProblem("file", "names and texts in UTF-8", f"other bytes, {current}"),))
    except Exception as error:  # noqa: BLE001 - the process's edge: whatever a file makes a library raise is its fault
        return Refused((FieldProblem("file", "a model that can be checked", f"{type(error).__name__}, {current}"),))
    return Passed(findings)


def _say(says: BinaryIO, message: Message) -> None:
    says.write(messages.encode(message) + b"\n")


def _load_everything() -> None:
    """Go once through whatever loads something when it is first used: later nothing can be opened."""
    graph = smallest(OPSET, ML_OPSET)
    open_session(graph).run(None, {"x": np.zeros((1, 1), dtype=np.float32)})
    model = ModelProto.FromString(graph)
    check_standard(model)
    without_functions(model)
    str(np.zeros(1).round(3).tolist())


if __name__ == "__main__":
    main()
