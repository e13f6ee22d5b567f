"""`predict`: one prediction, by vector, by name, or by key and time."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from forecastle.bootstrap import Services
from forecastle.cli.console import JsonFlag, emit_json, emit_table, err, hint, plain, run_serving
from forecastle.errors import BadInput
from forecastle.registry.predictor import Row
from forecastle.serving.moments import Moment
from forecastle.serving.predict import Caller, predict_at
from forecastle.serving.predict import predict as predict_row
from forecastle.serving.prediction import Prediction
from forecastle.serving.times import read_time


def predict(
    model: Annotated[
        str | None, typer.Argument(help="Id or name; left out, the newest in production.", show_default=False)
    ] = None,
    features: Annotated[str | None, typer.Option(help="JSON: a list in the model's order, or an object.")] = None,
    named: Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="One feature; repeat for each.")] = [],  # noqa: B006
    key: Annotated[list[str], typer.Option(metavar="COLUMN=VALUE", help="One key column; repeat for each.")] = [],  # noqa: B006
    time: Annotated[str | None, typer.Option(help="ISO 8601: features are computed from what was known then.")] = None,
    given: Annotated[
        list[str], typer.Option(metavar="COLUMN=VALUE", help="Of an event: what is known beforehand.")
    ] = [],  # noqa: B006
    *,
    as_json: JsonFlag = False,
) -> None:
    """Predict one row, and store the prediction."""
    ways = {"--features": features is not None, "--named": bool(named), "--key and --time": bool(key or time or given)}
    chosen = [way for way, used in ways.items() if used]
    if len(chosen) != 1:
        raise BadInput(f"expected one of {', '.join(ways)}, found {' and '.join(chosen) or 'none'}")
    if time is not None:
        moment = Moment(_texts("--key", key), read_time(time, field="--time"), _values("--given", given))
        prediction = run_serving(lambda services: _at(services, moment, model))
    elif key or given:
        raise BadInput.at("--time", expected="an ISO 8601 date or time", found="nothing")
    else:
        row = _read("--features", features) if features is not None else _values("--named", named)
        prediction = run_serving(lambda services: predict_row(services.serving, row, model=model, caller=Caller()))
    _show(prediction, as_json=as_json)


async def _at(services: Services, moment: Moment, model: str | None) -> Prediction:
    return await predict_at(services.serving, moment, model=model, caller=Caller())


def _show(prediction: Prediction, *, as_json: bool) -> None:
    if as_json:
        emit_json(prediction)
        return
    facts: dict[str, Any] = plain(prediction)
    model, target, interval = prediction.model, prediction.target, prediction.interval
    facts["model"] = f"{model.name} version {model.version}"
    facts["target"] = f"{target.column} = {target.value:g}" if target else None
    facts["interval"] = _between(interval.lower, interval.upper, interval.coverage) if interval else None
    if target and interval and interval.target:
        facts["interval of target"] = _between(interval.target.lower, interval.target.upper, interval.coverage)
    left_out = {"warnings", "fallback", "model_version", "cached", "probabilities", "features"}
    rows = [[name, value] for name, value in facts.items() if value is not None and name not in left_out]
    for part in ("probabilities", "features"):
        rows += [[f"{part}: {name}", value] for name, value in (facts[part] or {}).items()]
    emit_table(["field", "value"], rows)
    for warning in prediction.warnings:
        err.print(f"[yellow]![/] {escape(warning)}", highlight=False, soft_wrap=True)
    if prediction.fallback is not None:
        preferred = prediction.fallback.preferred
        err.print(
            f"[yellow]![/] version {preferred.version} cannot be loaded: {escape(prediction.fallback.reason)}",
            highlight=False,
            soft_wrap=True,
        )
    hint(f"forecastle models show {model.id}")


def _between(lower: float, upper: float, coverage: float) -> str:
    return f"{lower:g} to {upper:g} in {coverage * 100:g} % of cases"


def _read(option: str, text: str) -> Row:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise BadInput.at(option, expected="JSON", found=text) from error
    if not isinstance(row, list | dict):
        raise BadInput.at(option, expected="a list, or an object by feature name", found=text)
    return row


def _values(option: str, entries: Sequence[str]) -> dict[str, Any]:
    return {name: _value(text) for name, text in _texts(option, entries).items()}


def _texts(option: str, entries: Sequence[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in entries]
    for (name, equals, _), entry in zip(pairs, entries, strict=True):
        if not (name and equals):
            raise BadInput.at(option, expected="NAME=VALUE", found=entry)
    return {name: text for name, _, text in pairs}


def _value(text: str) -> object:
    """A number or null where it is one, a quoted text unquoted, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if value is None or isinstance(value, int | float | str) else text
