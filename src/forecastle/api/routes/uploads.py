"""Models that were made elsewhere: upload one, and it is checked and served like any other."""

import asyncio
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Form, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field

from forecastle.api.bodies import MULTIPART
from forecastle.api.depends import EditorDep, ServicesDep
from forecastle.api.examples import MODEL_SAMPLE, MODEL_SCHEMA, UPLOADED, shown
from forecastle.api.routes import PREFIX
from forecastle.registry.models import Model
from forecastle.uploads.document import read_json
from forecastle.uploads.receiving import keep, receive

router = APIRouter(prefix=PREFIX, tags=["models"])


class ModelUpload(BaseModel):
    """A model in a file, and what the file does not say."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile = Field(description="ONNX, in one file without external data.")
    name: str = Field(description="What to call it; a known name gets its next version.", examples=["churn"])
    schema_: str = Field(
        alias="schema",
        description="JSON: `inputs` in the graph's order, each with `name`, and if need be `kind` (number, category), "
        "`dtype` (float64, float32, int64, int32) and `categories`; `task` (regression, binary, multiclass), "
        "`classes`, `output`, `target`.",
        examples=[MODEL_SCHEMA],
    )
    sample: str = Field(
        description="JSON: 1 to 100 rows to try it on, as predictions take them.", examples=[MODEL_SAMPLE]
    )
    expected: str | None = Field(
        None,
        description="JSON: what it answers for each of these rows: a number; a label, or a probability for each class.",
        examples=['["stays", [0.2, 0.8]]'],
    )
    description: str = Field("", description="For people.")

    @property
    def document(self) -> dict[str, Any]:
        """The fields without the file, their JSON read."""
        read = {"schema": self.schema_, "sample": self.sample, "expected": self.expected or None}
        parsed = {field: read_json(field, text) for field, text in read.items() if text is not None}
        return {"name": self.name, "description": self.description, **parsed}


@router.post(
    "/models",
    status_code=201,
    responses={
        200: {"model": Model, "description": "The same file with the same schema is there already: its model."},
        **shown(UPLOADED, status=201),
    },
)
async def upload_model(
    services: ServicesDep,
    editor: EditorDep,
    upload: Annotated[ModelUpload, Form(media_type=MULTIPART)],
    response: Response,
) -> Model:
    """Upload a model as ONNX. It is checked in a process of its own, tried on the sample, and then served.

    What does not pass is refused with the place in the file and the reason.
    """
    document = upload.document
    limit = services.settings.uploads.max_bytes
    with ExitStack() as stack:
        kept = await asyncio.to_thread(
            lambda: stack.enter_context(keep(services.tables, upload.file.file, most_bytes=limit))
        )
        received = await receive(
            services.database,
            services.artifacts,
            services.inspector,
            kept,
            document,
            owner=editor.id,
            now=services.clock.now(),
        )
    services.serving.residents.forget_choices()
    if not received.created:
        response.status_code = 200
    return received.model
