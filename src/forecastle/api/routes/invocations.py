"""The scoring protocol of MLflow: `POST /invocations`, for the newest model in production, and `GET /ping`."""

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from forecastle.api.depends import ServicesDep
from forecastle.api.routes.predictions import MAX_COLUMNS, CallerDep
from forecastle.errors import BadInput, Unavailable
from forecastle.serving.predict import predict_many

router = APIRouter(tags=["mlflow"])

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
Row = list[Any] | dict[str, Any]


class Split(BaseModel):
    """A table: names of columns, and rows."""

    model_config = ConfigDict(extra="ignore")
    columns: Annotated[list[str], Field(max_length=MAX_COLUMNS)]
    data: list[list[Any]]


class Invocation(BaseModel):
    """Rows in one of MLflow's four forms."""

    model_config = ConfigDict(extra="forbid")
    dataframe_split: Split | None = Field(None, examples=[{"columns": ["day", "rsi"], "data": [[0.01, 55.0]]}])
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Row] | None = None
    inputs: list[Row] | dict[str, list[Any]] | None = None
    params: dict[str, Any] | None = Field(None, description="Accepted and without effect.")


class Answers(BaseModel):
    """One prediction a row."""

    predictions: list[float | str]


@router.get("/ping")
async def ping(services: ServicesDep) -> Response:
    """200 when predictions can be given and stored."""
    async with services.database.read():
        if services.serving.history.trouble:
            raise Unavailable(services.serving.history.trouble)
    return Response("\n", media_type="application/json")


@router.post("/invocations")
async def invocations(services: ServicesDep, caller: CallerDep, body: Invocation) -> Answers:
    """Predict rows. When the answer arrives, every prediction is stored."""
    predictions = await predict_many(services.serving, _rows(body), model=None, caller=caller)
    return Answers(predictions=[prediction.prediction for prediction in predictions])


def _rows(body: Invocation) -> list[Row]:
    given = [form for form in FORMS if getattr(body, form) is not None]
    if len(given) != 1:
        raise BadInput.at("body", expected=f"one of {', '.join(FORMS)}", found=", ".join(given) or "none of them")
    if body.dataframe_split is not None:
        return [_named(body.dataframe_split.columns, row, place) for place, row in enumerate(body.dataframe_split.data)]
    if isinstance(body.inputs, dict):
        return _by_column(body.inputs)
    rows = body.dataframe_records or body.instances or body.inputs or []
    return list(rows)


def _named(columns: list[str], row: list[Any], place: int) -> dict[str, Any]:
    if len(row) != len(columns):
        field = f"dataframe_split.data.{place}"
        raise BadInput.at(field, expected=f"{len(columns)} values, one a column", found=str(len(row)))
    return dict(zip(columns, row, strict=True))


def _by_column(columns: dict[str, list[Any]]) -> list[Row]:
    if len({len(values) for values in columns.values()}) > 1:
        raise BadInput.at("inputs", expected="as many values in each column", found="different numbers")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
