"""`jobs`: what waits, runs and has ended."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from forecastle.bootstrap import Stores, known_kind
from forecastle.cli.console import Exit, JsonFlag, emit_json, emit_table, err, hint, out, plain, progress_bar, run
from forecastle.cli.terms import MemoryOption, PriorityOption, TimeoutOption
from forecastle.jobs import queue
from forecastle.jobs.job import Job, LogLine
from forecastle.types import Page

app = typer.Typer(help="What waits, runs and has ended.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="As `jobs list` shows it.", show_default=False)]

PAGE_LINES = 1000
DOCUMENT = "document"
"""Where the payload of a training has its recipe."""


@app.command("list")
def list_jobs(
    status: Annotated[
        str | None, typer.Option(help="pending, preprocessing, training, completed, failed or cancelled.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="train.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where an earlier list ended.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Jobs, the newest first."""

    async def work(stores: Stores) -> Page[Job]:
        async with stores.database.read() as session:
            return await queue.list_jobs(session, status, kind=known_kind(kind), limit=limit, cursor=cursor)

    page = run(work)
    if as_json:
        emit_json(page)
        return
    emit_table(["id", "kind", "status", "priority", "progress", "created", "what"], [_row(job) for job in page.items])
    if page.next is not None:
        hint(f"forecastle jobs list --cursor {page.next}")


@app.command("show")
def show(
    job_id: JobId,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Wait until it has ended.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """One job: status, progress, result or error."""
    job = run(lambda stores: _watch(stores, job_id) if watch else _get(stores, job_id))
    _show(job, as_json=as_json)
    if watch and job.status != "completed":
        raise typer.Exit(Exit.PARTIAL)


@app.command("logs")
def logs(
    job_id: JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until it has ended.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """What a job logged, the oldest line first."""

    async def work(stores: Stores) -> None:
        lines = _logged(stores, job_id, follow=follow)
        if as_json and not follow:
            emit_json([line async for line in lines])
            return
        async for line in lines:
            _print(line, as_json=as_json)

    run(work)


@app.command("retry")
def retry(
    job_id: JobId,
    *,
    priority: PriorityOption = None,
    timeout: TimeoutOption = None,
    memory: MemoryOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Submit a job that failed or was cancelled once more, on the same terms or on others."""

    async def work(stores: Stores) -> Job:
        async with stores.database.write() as session:
            old = await queue.get(session, job_id)
            terms = old.terms.but(priority=priority, timeout_s=timeout, memory_mb=memory)
            return (await queue.retry(session, job_id, now=stores.clock.now(), terms=terms)).job

    _show(run(work), as_json=as_json)


@app.command("cancel")
def cancel(job_id: JobId, *, as_json: JsonFlag = False) -> None:
    """Cancel a job that has not ended. If it runs, its process is killed."""

    async def work(stores: Stores) -> Job:
        async with stores.database.write() as session:
            return await queue.cancel(session, job_id, now=stores.clock.now())

    _show(run(work), as_json=as_json)


async def _logged(stores: Stores, job_id: str, *, follow: bool) -> AsyncIterator[LogLine]:
    """The job's lines so far or, to follow it, until it has ended."""
    after = 0
    while True:
        async with stores.database.read() as session:
            complete = (await queue.get(session, job_id)).ended or not follow
            lines = await queue.logs(session, job_id, after=after, limit=PAGE_LINES)
        for line in lines:
            yield line
            after = line.number
        if complete and len(lines) < PAGE_LINES:
            return
        if not lines:
            await asyncio.sleep(queue.WATCH_S)


def _print(line: LogLine, *, as_json: bool) -> None:
    if as_json:  # an object a line, for whoever reads along
        out.file.write(json.dumps(plain(line)) + "\n")
    else:
        out.print(f"{line.at:%H:%M:%S}  {line.text}", markup=False, highlight=False, soft_wrap=True)
    out.file.flush()


async def _get(stores: Stores, job_id: str) -> Job:
    async with stores.database.read() as session:
        return await queue.get(session, job_id)


async def _watch(stores: Stores, job_id: str) -> Job:
    with progress_bar(f"job {job_id}") as report:
        async for job in queue.watch(stores.database, job_id):
            report(job.progress, job.message or job.status)
    return job


def _show(job: Job, *, as_json: bool) -> None:
    if as_json:
        emit_json(job)
        return
    facts: dict[str, Any] = {**plain(job), "progress": f"{job.progress:.0%}"}
    payload = facts.pop("payload")
    facts["recipe" if DOCUMENT in payload else "payload"] = payload.get(DOCUMENT, payload)
    emit_table(["field", "value"], [row for name, value in facts.items() for row in _lines(name, value)])
    if job.error:
        err.print(f"[red]✗[/] {escape(str(job.error))}", highlight=False, soft_wrap=True)
    if job.status in queue.RETRIABLE:
        hint(f"forecastle jobs logs {job.id}    forecastle jobs retry {job.id}")
    else:
        hint(f"forecastle jobs logs {job.id}" if job.ended else f"forecastle jobs show {job.id} --watch")


def _lines(name: str, value: object) -> Iterator[tuple[str, str]]:
    """A line for each value that there is, with the dotted name of its field; a list has a line for each entry."""
    if isinstance(value, dict):
        for field, inner in value.items():
            yield from _lines(f"{name}.{field}", inner)
    elif isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _lines(name if number == 0 or isinstance(entry, dict | list) else "", entry)
    elif value is not None and value != "":
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(job: Job) -> Sequence[object]:
    recipe = job.payload.get(DOCUMENT, job.payload)
    what = job.error or job.message or recipe.get("name")
    created = f"{job.created_at:%Y-%m-%d %H:%M:%S}"
    return [job.id, job.kind, job.status, job.priority, f"{job.progress:.0%}", created, what]
