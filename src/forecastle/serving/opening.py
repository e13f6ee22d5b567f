"""What predictions need, opened and closed together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from forecastle.clock import Clock
from forecastle.data.storage import TableStore
from forecastle.db import Database
from forecastle.registry.artifacts import ArtifactStore
from forecastle.serving.answers import Answers
from forecastle.serving.history import HistoryWriter, history_writer
from forecastle.serving.moments import Frames
from forecastle.serving.residents import ResidentModels
from forecastle.settings import ServingSettings
from forecastle.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Serving:
    """What predictions need. Call `residents.forget_choices()` after publishing, promoting or removing a model."""

    settings: ServingSettings
    clock: Clock
    residents: ResidentModels
    answers: Answers
    frames: Frames
    history: HistoryWriter
    metrics: Metrics

    @property
    def trouble(self) -> str | None:
        """What is wrong now; None when every prediction is given as it should be."""
        troubles = [f"{model}: {reason}" for model, reason in self.residents.troubles.items()]
        return "; ".join(filter(None, [self.history.trouble, *troubles])) or None


@asynccontextmanager
async def open_serving(
    database: Database,
    tables: TableStore,
    artifacts: ArtifactStore,
    *,
    settings: ServingSettings,
    clock: Clock,
    metrics: Metrics,
) -> AsyncIterator[Serving]:
    """Serving over a database that need not be reachable yet; at the end what waits is committed."""
    residents = ResidentModels(database, artifacts, clock)
    frames = Frames(database, tables)
    async with history_writer(database, settings) as history:
        try:
            yield Serving(settings, clock, residents, Answers(settings.cache_entries), frames, history, metrics)
        finally:
            await residents.close()
            await frames.close()
