"""The steps of a check, from bytes to a graph that can be served, in an order in which each trusts the one before."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import onnx
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, checker, helper

from forecastle.errors import clip
from forecastle.registry.runtime import VERSION, open_session
from forecastle.uploads.adapting import adapt
from forecastle.uploads.anatomy import examine, operators_of
from forecastle.uploads.describing import Findings, describe
from forecastle.uploads.divisions import check_divisions
from forecastle.uploads.document import Document
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.functions import without_functions
from forecastle.uploads.interface import read_interface
from forecastle.uploads.operators import ML, STANDARD, domain_of
from forecastle.uploads.shaping import batch_sizes, check_shapes
from forecastle.uploads.trees import check_trees
from forecastle.uploads.trial import FileGraph, try_out

OLDEST_OPSET = 7
"""ONNX Runtime gives no word for older ones."""
NEWEST_IR = onnx.IR_VERSION

Step = Callable[[str], None]
"""Told what is done next."""


def check(data: bytes, document: Document, *, most_rows: int, run_s: float, step: Step) -> tuple[bytes, Findings]:
    """The graph that can be served, and what is known of it.

    Args:
        data: the file.
        document: what is said of it.
        most_rows: of the largest batch that is served.
        run_s: the most processor time that such a batch may take.
        step: told of each step before it is taken.

    Raises:
        ModelRefused: names what is wrong, and where.
    """
    step("reading the file")
    model = read(data)
    step("looking at its nodes and tensors")
    examine(model, len(data))
    check_versions(model)
    model = without_functions(model)
    examine(model, len(data))
    check_shapes(model)
    check_trees(model)
    name_nodes(model)
    step("holding it against the standard")
    check_standard(model)
    check_divisions(model)
    step("comparing it with its schema")
    interface = read_interface(model, document)
    dtypes = interface.feature_dtypes(len(document.schema_.inputs))
    step("running it")
    theirs = FileGraph(model.SerializeToString(), interface)
    graph: bytes = adapt(model, interface, document.schema_, width=theirs.width(document)).SerializeToString()
    findings = Findings(
        dtypes=dtypes,
        output=interface.output.name,
        opsets={opset.domain or "ai.onnx": opset.version for opset in model.opset_import},
        ir_version=model.ir_version,
        producer=clip(f"{model.producer_name} {model.producer_version}".strip(), 200),
        operators=operators_of(model),
        software={"onnx": onnx.__version__, "onnxruntime": VERSION},
    )
    placeholder: dict[str, Any] = {"model_id": "", "fingerprint": "", "sha256": "", "size": 0}
    manifest = describe(document, findings, **placeholder, now=datetime.min.replace(tzinfo=UTC))
    sizes = batch_sizes(model, most_rows)
    difference = try_out(graph, theirs, manifest, document, sizes=sizes, run_s=run_s)
    return graph, msgspec.structs.replace(findings, largest_difference=difference)


def read(data: bytes) -> ModelProto:
    """The message in the file.

    Raises:
        ModelRefused: there is none.
    """
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, UnicodeDecodeError) as error:
        found = clip(str(error), 100) if data else "an empty file"
        raise ModelRefused.at("file", expected="an ONNX model, a protocol buffer", found=found) from error
    if not model.ir_version or not model.HasField("graph"):
        found = "no version or no graph" if data else "an empty file"
        raise ModelRefused.at("file", expected="an ONNX model, with a version and a graph", found=found)
    return model


def check_versions(model: ModelProto) -> None:
    """Whether the installed libraries know the versions that the file was written for.

    Raises:
        ModelRefused: they do not, or there is no word of a version.
    """
    if model.ir_version > NEWEST_IR:
        raise ModelRefused.at("file.ir_version", expected=f"at most {NEWEST_IR}", found=str(model.ir_version))
    seen: dict[str, int] = {}
    for number, opset in enumerate(model.opset_import):
        domain = domain_of(opset.domain)
        place = f"file.opset_import[{number}]"
        if domain in seen:
            raise ModelRefused.at(place, expected="each domain once", found=f"{domain or 'ai.onnx'} again")
        seen[domain] = opset.version
        if domain in {STANDARD, ML} and not _runs(domain, opset.version):
            oldest = OLDEST_OPSET if domain == STANDARD else 1
            newest = next(version for version in range(50, 0, -1) if _runs(domain, version))
            expected = f"{domain or 'ai.onnx'} {oldest} to {newest}, which this ONNX Runtime supports"
            raise ModelRefused.at(place, expected=expected, found=str(opset.version))
    if not seen:
        raise ModelRefused.at("file.opset_import", expected="a version of ai.onnx", found="none")


def _runs(domain: str, version: int) -> bool:
    if version < (OLDEST_OPSET if domain == STANDARD else 1):
        return False
    try:
        open_session(smallest(version if domain == STANDARD else OLDEST_OPSET, version if domain == ML else 1))
    except Exception:  # noqa: BLE001 - the runtime's errors share no base class
        return False
    return True


def smallest(opset: int, ml: int) -> bytes:
    """A graph that does nothing, in these versions of both domains."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "smallest", ends[:1], ends[1:])
    opsets = [helper.make_opsetid(STANDARD, opset), helper.make_opsetid(ML, ml)]
    model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return model


def name_nodes(model: ModelProto) -> None:
    """Give each node without a name one by its place, so that whatever goes wrong there says where."""
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node[{number}]"


def check_standard(model: ModelProto) -> None:
    """The checker's own rules: attributes, types, shapes, one assignment of each name.

    Raises:
        ModelRefused: one is broken.
    """
    try:
        checker.check_model(model, full_check=True)
    except Exception as error:  # besides its own, it raises those of shape inference
        said = str(error).partition("==> Context:")[0]
        raise ModelRefused.quoting("file", expected="a graph that the ONNX checker accepts", said=said) from error
