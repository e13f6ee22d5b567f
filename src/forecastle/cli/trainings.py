"""Single trainings on the command line: their progress, and the table of what came of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from forecastle.cli.console import emit_table, err, hint
from forecastle.jobs import queue
from forecastle.jobs.job import Job
from forecastle.registry import models
from forecastle.registry.artifacts import ArtifactStore
from forecastle.registry.describe import read_manifest
from forecastle.registry.manifest import Manifest
from forecastle.registry.models import Model
from forecastle.training.recipe import Recipe
from forecastle.training.submit import TrainingSubmission


@dataclass(frozen=True, slots=True)
class Training:
    """A recipe and what became of it."""

    source: str
    """The file, or the model, that it comes from."""
    recipe: Recipe
    submission: TrainingSubmission
    job: Job | None
    model: Model | None = None
    manifest: Manifest | None = None
    group: str | None = None

    @classmethod
    def of(cls, source: str, recipe: Recipe, made: TrainingSubmission, *, group: str | None = None) -> Self:
        """What was just submitted."""
        return cls(source, recipe, made, made.job, group=group)

    @property
    def status(self) -> str:
        """Of its job; of a model whose job is gone, completed."""
        return self.job.status if self.job else self.submission.status

    @property
    def label(self) -> str:
        """Name and algorithm."""
        return f"{self.recipe.name} · {self.recipe.algorithm}"

    @property
    def model_id(self) -> str:
        """Of the model, which is there once the training has completed."""
        kept = self.job.result if self.job else None
        return str(kept["model_id"]) if kept else self.submission.model_id

    @property
    def model_name(self) -> str:
        """What the model is called: a known recipe may have been trained under another name."""
        return self.submission.name

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.job is None or self.job.ended

    @property
    def progress(self) -> tuple[float, str]:
        """The share that is done, and what is being done."""
        if self.job is None or self.status == "completed":
            return 1.0, "known already" if self.submission.duplicate else "done"
        return self.job.progress, self.job.message or self.job.status

    async def look(self, session: AsyncSession) -> Self:
        """The same with its job as it stands now."""
        return self if self.job is None else replace(self, job=await queue.get(session, self.job.id))

    async def with_model(self, session: AsyncSession, artifacts: ArtifactStore) -> Self:
        """The same with its model and what that says of itself, if there is one by now."""
        if self.status != "completed":
            return self
        model = await models.get(session, self.model_id)
        return replace(self, model=model, manifest=await asyncio.to_thread(read_manifest, artifacts, model))

    @property
    def facts(self) -> dict[str, Any]:
        """What is printed of it as JSON."""
        model, manifest = self.model, self.manifest
        found = model.verdict if model else None
        return {
            "recipe": self.source,
            "name": self.recipe.name,
            "algorithm": self.recipe.algorithm,
            "status": self.status,
            "duplicate": self.submission.duplicate,
            "job_id": self.job.id if self.job else None,
            "model_id": self.model_id,
            "model_name": self.model_name,
            "group": self.group,
            "fingerprint": self.submission.fingerprint,
            "version": model.version if model else None,
            "trained_rows": manifest.trained_rows if manifest else None,
            "fit_seconds": manifest.fit_seconds if manifest else None,
            "metrics": model.metrics if model else None,
            "baselines": model.baselines if model else None,
            "verdict": found.as_json() if found else None,
            "error": self.job.error if self.job else None,
        }


def show(trainings: Sequence[Training]) -> None:
    """Print a table, what went wrong, and what to do next."""
    emit_table(
        [
            *("recipe", "algorithm", "status", "trained on"),
            *("judged by", "out of sample", "best naive forecast", "verdict"),
        ],
        [
            [each.recipe.name, each.recipe.algorithm, _outcome(each), _effort(each.manifest), *score(each.model)]
            for each in trainings
        ],
    )
    for each in trainings:
        if each.job and each.job.error:
            err.print(f"[red]✗[/] {escape(f'{each.source}: {each.job.error}')}", highlight=False, soft_wrap=True)
    made = next((each.model for each in trainings if each.model), None)
    if made:
        hint(f"forecastle models show {made.id}    forecastle predict {made.name}")
    elif all(each.job and not each.job.ended for each in trainings):
        hint("forecastle jobs list")


def score(model: Model | None) -> tuple[str | None, ...]:
    """The headline measure, its value, the best naive forecast's with its name, and which of them is better."""
    found = model.verdict if model else None
    if found is None:
        return (None,) * 4
    return found.measure, f"{found.value:.5g}", f"{found.baseline:.5g} {found.baseline_name}", str(found)


def _effort(manifest: Manifest | None) -> str | None:
    return f"{manifest.trained_rows:,} rows, {manifest.fit_seconds:.2f} s" if manifest else None


def _outcome(training: Training) -> str:
    if not training.submission.duplicate:
        return training.status
    known = "known already" if training.model_name == training.recipe.name else f"known as {training.model_name}"
    return f"{training.status}, {known}"
