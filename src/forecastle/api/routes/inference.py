"""The Open Inference Protocol (V2), so that clients made for Triton, KServe or MLServer need no change."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from forecastle import __version__
from forecastle.api.bodies import MalformedJson
from forecastle.api.depends import EditorDep, ServicesDep, UserDep
from forecastle.api.routes.predictions import CallerDep
from forecastle.bootstrap import Services
from forecastle.errors import Unavailable, clip
from forecastle.registry import models
from forecastle.registry.errors import ModelUnusable
from forecastle.registry.manifest import Manifest
from forecastle.serving import tensors
from forecastle.serving.errors import BadTensors
from forecastle.serving.predict import predict_many
from forecastle.serving.prediction import Prediction
from forecastle.serving.residents import Chosen
from forecastle.serving.tensors import Tensor, TensorFacts

router = APIRouter(prefix="/v2", tags=["open inference protocol"])

HEADER_LENGTH = "Inference-Header-Content-Length"
BINARY_SIZE, BINARY_WANTED, ALL_BINARY = "binary_data_size", "binary_data", "binary_data_output"
EXTENSIONS = ["binary_tensor_data", "model_repository"]
MAX_DIMENSIONS = 8

ModelName = Annotated[str, Path(max_length=200)]
Version = Annotated[str, Path(max_length=20)]
_infer_body = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "required": ["inputs"], "properties": {"inputs": {"type": "array"}}},
                "example": {"inputs": [{"name": "features", "shape": [1, 2], "datatype": "FP64", "data": [0.5, 1.5]}]},
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class _Input(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=200)]
    shape: Annotated[list[Annotated[int, msgspec.Meta(ge=0, lt=2**31)]], msgspec.Meta(max_length=MAX_DIMENSIONS)]
    datatype: Annotated[str, msgspec.Meta(max_length=20)]
    data: list[Any] | None = None
    parameters: dict[str, Any] = {}


class _Output(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=200)]
    parameters: dict[str, Any] = {}


class _Inference(msgspec.Struct):
    inputs: list[_Input]
    outputs: list[_Output] | None = None
    id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    parameters: dict[str, Any] = {}


class ServerFacts(BaseModel):
    """What answers."""

    name: str = "forecastle"
    version: str = __version__
    extensions: list[str] = EXTENSIONS


class TensorDescription(BaseModel):
    """A tensor; -1 is any number of rows."""

    name: str
    datatype: str
    shape: list[int]

    @classmethod
    def of(cls, facts: TensorFacts) -> "TensorDescription":
        """The same of a model's tensor."""
        return cls(name=facts.name, datatype=facts.datatype, shape=list(facts.shape))


class ModelFacts(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str = "onnx_onnxv1"
    inputs: list[TensorDescription]
    outputs: list[TensorDescription]


class RepositoryFilter(BaseModel):
    """Which models to list."""

    model_config = ConfigDict(extra="ignore")
    ready: bool = False


class RepositoryEntry(BaseModel):
    """A version of a model, and whether it can answer."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str = ""


class Inference(BaseModel):
    """The answer: a tensor for each output."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[dict[str, Any]] = Field(
        examples=[[{"name": "prediction", "datatype": "FP64", "shape": [1], "data": [2.0]}]]
    )


@router.get("")
async def server() -> ServerFacts:
    """Say what answers."""
    return ServerFacts()


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """Answer as long as the process can."""
    return {"live": True}


@router.get("/health/ready")
async def ready(services: ServicesDep) -> dict[str, bool]:
    """200 when predictions can be given and stored."""
    async with services.database.read():
        if services.serving.history.trouble:
            raise Unavailable(services.serving.history.trouble)
    return {"ready": True}


@router.get("/models/{name}")
@router.get("/models/{name}/versions/{version}", name="model_version")
async def model(services: ServicesDep, _user: UserDep, name: ModelName, version: Version | None = None) -> ModelFacts:
    """Describe the tensors that a model takes and gives."""
    chosen = await _choose(services, name, version)
    manifest = chosen.predictor.manifest
    async with services.database.read() as session:
        versions = await models.versions_of(session, chosen.model.name)
    return ModelFacts(
        name=chosen.model.name,
        versions=[str(number) for number in versions],
        inputs=[TensorDescription.of(facts) for facts in tensors.inputs_of(manifest)],
        outputs=[TensorDescription.of(facts) for facts in tensors.outputs_of(manifest)],
    )


@router.get("/models/{name}/ready")
@router.get("/models/{name}/versions/{version}/ready", name="model_version_ready")
async def model_ready(
    services: ServicesDep, _user: UserDep, name: ModelName, version: Version | None = None
) -> dict[str, Any]:
    """200 when the model is loaded and can answer."""
    chosen = await _choose(services, name, version)
    return {"name": chosen.model.name, "ready": True}


@router.post("/models/{name}/infer", response_model=Inference, openapi_extra=_infer_body)
@router.post(
    "/models/{name}/versions/{version}/infer",
    response_model=Inference,
    openapi_extra=_infer_body,
    name="infer_with_version",
)
async def infer(
    services: ServicesDep, caller: CallerDep, request: Request, name: ModelName, version: Version | None = None
) -> Response:
    """Predict the rows in some tensors. When the answer arrives, every prediction is stored."""
    asked, binary = _split(await request.body(), request.headers.get(HEADER_LENGTH))
    chosen = await _choose(services, name, version)
    manifest = chosen.predictor.manifest
    wanted = _wanted(asked, manifest)
    rows = tensors.read_rows(manifest, list(_tensors(asked, binary)), most=services.settings.serving.max_batch_rows)
    predictions = await predict_many(services.serving, rows, model=chosen.model.id, caller=caller)
    return _answer(asked, wanted, manifest, predictions)


@router.post("/repository/index")
async def index(services: ServicesDep, _user: UserDep, wanted: RepositoryFilter | None = None) -> list[RepositoryEntry]:
    """List the models that answer to their names."""
    async with services.database.read() as session:
        known = await models.live_versions(session)
    troubles = services.serving.residents.troubles
    entries = []
    for name, version in known:
        reason = troubles.get(f"{name} version {version}", "")
        state: Literal["READY", "UNAVAILABLE"] = "UNAVAILABLE" if reason else "READY"
        entries.append(RepositoryEntry(name=name, version=str(version), state=state, reason=reason))
    return [entry for entry in entries if entry.state == "READY"] if wanted and wanted.ready else entries


@router.post("/repository/models/{name}/load")
async def load(services: ServicesDep, _editor: EditorDep, name: ModelName) -> dict[str, Any]:
    """Load a model before it is asked for."""
    await _choose(services, name, None)
    return {}


@router.post("/repository/models/{name}/unload")
async def unload(services: ServicesDep, _editor: EditorDep, name: ModelName) -> dict[str, Any]:
    """Let go of a model's memory; it is loaded again when it is asked for."""
    async with services.database.read() as session:
        services.serving.residents.unload((await models.resolve(session, name)).id)
    return {}


async def _choose(services: Services, name: str, version: str | None) -> Chosen:
    """The very version that is asked for, where one is."""
    if version is None:
        return await services.serving.residents.choose(name)
    if not (version.isascii() and version.isdigit()):
        raise BadTensors.at("version", expected="a whole number", found=version)
    async with services.database.read() as session:
        found = await models.version_of(session, name, int(version))
    chosen = await services.serving.residents.choose(found.id)
    if chosen.preferred is not None:
        raise ModelUnusable(chosen.reason or f"{name} version {version} cannot be loaded")
    return chosen


def _split(body: bytes, declared: str | None) -> tuple[_Inference, memoryview]:
    """The JSON at the start of a body, and the binary data after it."""
    length = len(body)
    if declared is not None:
        if not (declared.isascii() and declared.isdigit() and int(declared) <= length):
            raise BadTensors.at(HEADER_LENGTH, expected=f"a number of bytes up to {length:,}", found=declared)
        length = int(declared)
    try:
        return msgspec.json.decode(body[:length], type=_Inference), memoryview(body)[length:]
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise BadTensors.at(where.strip("`$.") or "body", expected=what, found="something else") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson(f"the body is not JSON: {clip(str(error))}") from error


def _tensors(asked: _Inference, binary: memoryview) -> "Sequence[Tensor]":
    found, place = [], 0
    for each in asked.inputs:
        size = each.parameters.get(BINARY_SIZE)
        if size is None and each.data is None:
            raise BadTensors.at(f"inputs.{clip(each.name)}.data", expected="values", found="nothing")
        data: list[Any] | bytes = each.data or []
        if size is not None:
            if type(size) is not int or not 0 <= size <= len(binary) - place:
                expected = f"a number of bytes up to {len(binary) - place:,}"
                raise BadTensors.at(f"inputs.{clip(each.name)}.parameters.{BINARY_SIZE}", expected=expected, found=size)
            data, place = bytes(binary[place : place + size]), place + size
        found.append(Tensor(each.name, each.datatype, tuple(each.shape), data))
    return found


def _wanted(asked: _Inference, manifest: Manifest) -> list[tuple[TensorFacts, bool]]:
    """The outputs to give, and whether as binary data."""
    known = {facts.name: facts for facts in tensors.outputs_of(manifest)}
    binary = asked.parameters.get(ALL_BINARY) is True
    if asked.outputs is None:
        return [(facts, binary) for facts in known.values()]
    wanted = []
    for output in asked.outputs:
        if output.name not in known:
            raise BadTensors.at("outputs", expected=" or ".join(known), found=output.name)
        wanted.append((known[output.name], output.parameters.get(BINARY_WANTED, binary) is True))
    return wanted


def _answer(
    asked: _Inference,
    wanted: Sequence[tuple[TensorFacts, bool]],
    manifest: Manifest,
    predictions: Sequence[Prediction],
) -> Response:
    outputs, binary = [], []
    for facts, as_bytes in wanted:
        shape = [len(predictions), *facts.shape[1:]]
        described: dict[str, Any] = {"name": facts.name, "datatype": facts.datatype, "shape": shape}
        values = tensors.write(facts, manifest, predictions)
        if as_bytes:
            binary.append(tensors.to_bytes(facts.datatype, values))
            described["parameters"] = {BINARY_SIZE: len(binary[-1])}
        else:
            described["data"] = values
        outputs.append(described)
    first = predictions[0]
    body = {"model_name": first.model.name, "model_version": str(first.model_version), "outputs": outputs}
    head = msgspec.json.encode(body if asked.id is None else body | {"id": asked.id})
    if not binary:
        return Response(head, media_type="application/json")
    headers = {HEADER_LENGTH: str(len(head))}
    return Response(head + b"".join(binary), media_type="application/octet-stream", headers=headers)
