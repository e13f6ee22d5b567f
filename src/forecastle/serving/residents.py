"""Which model answers, loaded and kept ready."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

import structlog

from forecastle.clock import Clock
from forecastle.db import Database
from forecastle.flights import Flights
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.describe import read_manifest
from forecastle.registry.errors import ModelNotFound, ModelUnusable
from forecastle.registry.models import Model
from forecastle.registry.predictor import Predictor
from forecastle.serving.errors import NoModel
from forecastle.serving.prediction import ModelName

log = structlog.get_logger("forecastle.serving")

MAX_RESIDENT = 32
CHOICE_TTL_S = 1.0
"""How long another process's publication or promotion may go unnoticed here."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The model that answers."""

    model: Model
    predictor: Predictor
    preferred: Model | None = None
    """The newer version that should have answered, but cannot be loaded."""
    reason: str | None = None
    """Why it cannot."""
    name: ModelName = field(init=False)
    """Of the model, made once for all its answers."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", ModelName(self.model.id, self.model.name, self.model.version))


class ResidentModels:
    """The models in use, most recently used last."""

    def __init__(self, database: Database, artifacts: ArtifactStore, clock: Clock) -> None:
        self._database = database
        self._artifacts = artifacts
        self._clock = clock
        self._choices: dict[str | None, tuple[float, Chosen]] = {}
        self._predictors: dict[str, Predictor] = {}
        self._troubles: dict[str, str] = {}
        self._flights = Flights()

    def held(self, wanted: str | None) -> Chosen | None:
        """What `choose` would give, if it was settled within the last second."""
        held = self._choices.get(wanted)
        return held[1] if held is not None and self._clock.monotonic_s() < held[0] else None

    async def choose(self, wanted: str | None) -> Chosen:
        """The model for an id, a name or nothing, by `registry.models.resolve`; loaded.

        One that cannot be loaded is stood in for by the newest earlier version that can.

        Raises:
            ModelNotFound: nothing has that id or name.
            NoModel: nothing was named, and there is no model.
            ModelUnusable: neither it nor any earlier version can be loaded.
        """
        if (held := self.held(wanted)) is not None:
            return held
        return await self._flights.once(("choose", wanted), partial(self._choose, wanted))

    def unload(self, model_id: str) -> None:
        """Let go of a model; it is loaded again when it is asked for."""
        self._predictors.pop(model_id, None)
        self.forget_choices()

    def forget_choices(self) -> None:
        """Look models up anew: one was published, promoted or removed."""
        self._choices.clear()
        self._troubles.clear()

    @property
    def troubles(self) -> dict[str, str]:
        """Models that were asked for and could not be loaded, as `name version n`, and why."""
        return dict(self._troubles)

    async def close(self) -> None:
        """Wait for what is being loaded."""
        await self._flights.close()

    async def _choose(self, wanted: str | None) -> Chosen:
        try:
            async with self._database.read() as session:
                model = await models.resolve(session, wanted)
        except ModelNotFound as error:
            if wanted is None:
                raise NoModel("there is no model to answer with yet: train one first") from error
            raise
        chosen = await self._load_or_stand_in(model)
        now = self._clock.monotonic_s()
        self._choices = {name: held for name, held in self._choices.items() if now < held[0]}
        self._choices[wanted] = (now + CHOICE_TTL_S, chosen)
        return chosen

    async def _load_or_stand_in(self, model: Model) -> Chosen:
        try:
            return Chosen(model, await self._predictor(model))
        except ModelUnusable as error:
            reason = error.message
        async with self._database.read() as session:
            earlier = await models.earlier_versions(session, model)
        for candidate in earlier:
            try:
                return Chosen(candidate, await self._predictor(candidate), preferred=model, reason=reason)
            except ModelUnusable:
                continue
        raise ModelUnusable(f"{_title(model)} cannot be loaded, nor can an earlier version: {reason}")

    async def _predictor(self, model: Model) -> Predictor:
        predictor = self._predictors.pop(model.id, None)
        if predictor is None:
            predictor = await self._flights.once(("load", model.id), partial(self._load, model))
        self._predictors[model.id] = predictor
        while len(self._predictors) > MAX_RESIDENT:
            del self._predictors[next(iter(self._predictors))]
        return predictor

    async def _load(self, model: Model) -> Predictor:
        try:
            predictor = await asyncio.to_thread(load_predictor, self._artifacts, model)
        except ModelUnusable as error:
            if self._troubles.get(_title(model)) != error.message:
                log.warning("a model cannot be loaded", model=_title(model), reason=error.message)
            self._troubles[_title(model)] = error.message
            raise
        self._troubles.pop(_title(model), None)
        self._predictors[model.id] = predictor  # here already, lest whoever comes next loads it again
        return predictor


def load_predictor(artifacts: ArtifactStore, model: Model) -> Predictor:
    """The model, read from the store and checked. Blocks.

    Raises:
        ModelUnusable: a part is missing, damaged or unusable.
    """
    return Predictor(artifacts.get(model.graph_sha256), read_manifest(artifacts, model))


def _title(model: Model) -> str:
    return f"{model.name} version {model.version}"
