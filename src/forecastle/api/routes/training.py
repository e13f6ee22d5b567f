"""Training: which algorithms there are, and submitting recipes."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from pydantic import WithJsonSchema

from forecastle.api.depends import EditorDep, ServicesDep, TermsDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.training import submit
from forecastle.training.algorithms.catalogue import ALGORITHMS, Algorithm
from forecastle.training.recipe import Recipe, document_schema
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["training"])

RecipeBody = Annotated[
    dict[str, Any],
    WithJsonSchema(document_schema()),
    Body(description="A recipe: the same fields as in a TOML file."),
]


@dataclass(frozen=True, slots=True)
class TrainingAnswer:
    """What became of a recipe. The model exists once its job has completed."""

    job_id: str | None
    """None when the model is there and its job is not."""
    model_id: str
    name: str
    """Under which the model is known: of a duplicate, the name in the recipe that came first."""
    fingerprint: str
    duplicate: bool
    status: str


@router.get("/algorithms")
async def list_algorithms(_user: UserDep) -> Page[Algorithm]:
    """Every algorithm, what it predicts and what can be set."""
    return Page(tuple(ALGORITHMS.values()))


@router.post(
    "/train",
    status_code=202,
    responses={200: {"model": TrainingAnswer, "description": "Known already: its model, or the job that makes it."}},
)
async def train(
    services: ServicesDep, editor: EditorDep, document: RecipeBody, terms: TermsDep, response: Response
) -> TrainingAnswer:
    """Train a model. A recipe that was trained, or is being trained, gets the model it has (200, `duplicate`)."""
    now = services.clock.now()
    order = await submit.take_order(services.database, services.tables, Recipe.parse(document), now=now)
    async with services.database.write() as session:
        made = await submit.submit_training(session, order, owner=editor.id, now=now, terms=terms)
    if made.duplicate:
        response.status_code = 200
    job_id = made.job.id if made.job else None
    return TrainingAnswer(job_id, made.model_id, made.name, made.fingerprint, made.duplicate, made.status)
