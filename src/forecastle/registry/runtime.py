"""ONNX Runtime as it is used here, to serve and to prove: on one thread of one CPU, and silent.

Its wheels report home from the moment they are loaded, and keep what they could not send in the user's cache folder,
unless the environment says otherwise before; so nothing else imports it.
"""

import os
import re

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

VERSION: str = onnxruntime.__version__
FATAL = 4
RUNNING = re.compile(r"while running (\w+) node\. Name:'(?:\w+/)?([^']*)'")
SOURCE = re.compile(
    r"(?:\[ONNXRuntimeError\] : \d+ : \w+ : )?(?:Exception during initialization: )?"
    r"/\S+:\d+ .*?\)(?: const)?(?: \[with [^\]]*\])?:? (?=\S)"
)


def explain(error: Exception) -> str:
    """What the runtime says, and about which node, in one line; without where in its own source it says so."""
    text = " ".join(str(error).split())
    message = SOURCE.sub("", text.rpartition("Status Message: ")[2] or text)
    node = RUNNING.search(text)
    return f"{node[1]} node {node[2]!r}: {message}" if node else message


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """A graph, ready to run.

    Raises:
        Exception: it cannot be loaded; the runtime's errors share no other base class.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL  # what is wrong with a graph is raised, not printed
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
