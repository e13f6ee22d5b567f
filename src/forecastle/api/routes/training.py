"""Training: which algorithms there are, and submitting recipes, batches, children and models again."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import WithJsonSchema

from forecastle.api.depends import EditorDep, ServicesDep, TermsDep, UserDep
from forecastle.api.routes import PREFIX
from forecastle.bootstrap import Services
from forecastle.registry import models
from forecastle.registry.describe import read_manifest
from forecastle.registry.manifest import Manifest
from forecastle.training import batch, offspring, submit
from forecastle.training.algorithms.catalogue import ALGORITHMS, Algorithm
from forecastle.training.batch import BatchPart
from forecastle.training.documents import schema_of
from forecastle.training.errors import BadRecipe
from forecastle.training.recipe import Recipe, document_schema
from forecastle.training.search.document import PART as SEARCH
from forecastle.training.submit import TrainingSubmission
from forecastle.types import Page

router = APIRouter(prefix=PREFIX, tags=["training"])

RecipeBody = Annotated[
    dict[str, Any],
    WithJsonSchema(document_schema()),
    Body(description="A recipe: the same fields as in a TOML file."),
]


def partial_schema(*required: str, **further: dict[str, Any]) -> dict[str, Any]:
    """The schema of a document with the fields of a recipe, of which only some are required, and further fields."""
    schema = document_schema()
    return schema | {"required": [*required], "properties": schema["properties"] | further}


BatchBody = Annotated[
    dict[str, Any],
    WithJsonSchema(partial_schema("name", "dataset", "features", "algorithm", batch=schema_of(BatchPart))),
    Body(description="A recipe without `target.column`, and with `batch` the timeframes of the two pairs of models."),
]
ChildBody = Annotated[
    dict[str, Any],
    WithJsonSchema(partial_schema("parent", "features")),
    Body(description="`parent`, the features the child may have, and other fields of a recipe that shall differ."),
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


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The group that the models share, and what became of the recipes for open, close, high and low."""

    group: str
    trainings: tuple[TrainingAnswer, ...]


@dataclass(frozen=True, slots=True)
class ChildAnswer(TrainingAnswer):
    """What became of a child's recipe, the features it has, and those wanted that there are not."""

    features: tuple[str, ...]
    ignored: tuple[str, ...]


KNOWN: dict[int | str, dict[str, Any]] = {
    200: {"model": TrainingAnswer, "description": "Known already: its model, or the job that makes it."}
}


@router.get("/algorithms")
async def list_algorithms(_user: UserDep) -> Page[Algorithm]:
    """Every algorithm, what it predicts and what can be set."""
    return Page(tuple(ALGORITHMS.values()))


@router.post("/train", status_code=202, responses=KNOWN)
async def train(
    services: ServicesDep, editor: EditorDep, document: RecipeBody, terms: TermsDep, response: Response
) -> TrainingAnswer:
    """Train a model. A recipe that was trained, or is being trained, gets the model it has (200, `duplicate`)."""
    _refuse_others(document)
    recipe = Recipe.parse(document)
    await submit.check(services.database, services.tables, [recipe])
    async with services.database.write() as session:
        made = await submit.submit_training(session, recipe, owner=editor.id, now=services.clock.now(), terms=terms)
    return _answer(made, response)


@router.post(
    "/train/batch",
    status_code=202,
    responses={200: {"model": BatchAnswer, "description": "All four are known already."}},
)
async def train_batch(
    services: ServicesDep, editor: EditorDep, document: BatchBody, terms: TermsDep, response: Response
) -> BatchAnswer:
    """Train four models of one group: open and close at one timeframe, high and low at another.

    They predict `log_return` unless `target.transform` says otherwise. A batch that was submitted before completes the
    group it has.
    """
    recipes = batch.parse_batch(document)
    await submit.check(services.database, services.tables, recipes)
    async with services.database.write() as session:
        made = await batch.submit_batch(session, recipes, owner=editor.id, now=services.clock.now(), terms=terms)
    if all(training.duplicate for training in made.trainings):
        response.status_code = 200
    return BatchAnswer(made.group, tuple(TrainingAnswer(**_facts(training)) for training in made.trainings))


@router.post(
    "/train/child",
    status_code=202,
    responses={200: {"model": ChildAnswer, "description": "Known already: its model, or the job that makes it."}},
)
async def train_child(
    services: ServicesDep, editor: EditorDep, document: ChildBody, terms: TermsDep, response: Response
) -> ChildAnswer:
    """Train a child of a model: its recipe with these features, and with what else is given in place of its own.

    Features are named as the parent names them, or are expressions over its dataset; those that there are not are
    ignored, unless none is left.
    """
    manifest = await _manifest(services, _parent(document))
    recipe = offspring.inherit(manifest, document)
    async with services.database.read() as session:
        tables = await submit.look_up(session, [recipe])
    child = offspring.child(offspring.recipe_of(manifest), recipe, tables)
    await submit.check(services.database, services.tables, [child.recipe])
    async with services.database.write() as session:
        made = await submit.submit_training(
            session, child.recipe, owner=editor.id, now=services.clock.now(), terms=terms
        )
    answer = _answer(made, response)
    return ChildAnswer(**asdict(answer), features=child.recipe.features, ignored=child.ignored)


@router.post("/retrain/{model_id}", status_code=202, responses=KNOWN)
async def retrain(
    services: ServicesDep,
    editor: EditorDep,
    model_id: str,
    terms: TermsDep,
    response: Response,
    dataset: Annotated[str | None, Query(description="Another dataset than that of the model.", max_length=100)] = None,
) -> TrainingAnswer:
    """Train a model's recipe on what its dataset holds now, as a new model with the old one as its parent.

    If nothing has changed, the answer is the model that there is (200, `duplicate`).
    """
    recipe = offspring.again(await _manifest(services, model_id), dataset=dataset)
    await submit.check(services.database, services.tables, [recipe])
    async with services.database.write() as session:
        made = await submit.submit_training(session, recipe, owner=editor.id, now=services.clock.now(), terms=terms)
    return _answer(made, response)


def _refuse_others(document: Mapping[str, Any]) -> None:
    for part, path in ((SEARCH, "search"), (batch.PART, "batch")):
        if part in document:
            raise BadRecipe.at(part, expected=f"nothing here; POST it to {PREFIX}/train/{path}", found=document[part])


def _parent(document: Mapping[str, Any]) -> str:
    parent = document.get("parent")
    if not isinstance(parent, str):
        raise BadRecipe.at("parent", expected="the id of a model", found="nothing" if parent is None else parent)
    if not document.get("features"):
        raise BadRecipe.at("features", expected="at least one feature that the child may have", found="nothing")
    return parent


async def _manifest(services: Services, model_id: str) -> Manifest:
    async with services.database.read() as session:
        model = await models.get(session, model_id)
    return await asyncio.to_thread(read_manifest, services.artifacts, model)


def _answer(made: TrainingSubmission, response: Response) -> TrainingAnswer:
    if made.duplicate:
        response.status_code = 200
    return TrainingAnswer(**_facts(made))


def _facts(made: TrainingSubmission) -> dict[str, Any]:
    return {
        "job_id": made.job.id if made.job else None,
        "model_id": made.model_id,
        "name": made.name,
        "fingerprint": made.fingerprint,
        "duplicate": made.duplicate,
        "status": made.status,
    }
