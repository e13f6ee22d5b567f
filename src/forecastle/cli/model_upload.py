"""`models upload`: a model that was made elsewhere, checked and published."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from forecastle.bootstrap import Stores
from forecastle.cli.console import JsonFlag, about, emit_json, emit_table, existing, hint, plain, run
from forecastle.errors import BadInput

MAX_DOCUMENT_BYTES = 16_000_000


def upload(
    file: Annotated[Path, typer.Argument(help="ONNX, in one file without external data.", show_default=False)],
    name: Annotated[str, typer.Option(help="What to call it; a known name gets its next version.", show_default=False)],
    schema: Annotated[Path, typer.Option(help="JSON file: inputs, task, classes, output, target.", show_default=False)],
    sample: Annotated[Path, typer.Option(help="JSON file: 1 to 100 rows to try it on.", show_default=False)],
    expected: Annotated[
        Path | None, typer.Option(help="JSON file: what it answers for each of them.", show_default=False)
    ] = None,
    description: Annotated[str, typer.Option(help="For people.", show_default=False)] = "",
    *,
    as_json: JsonFlag = False,
) -> None:
    """Check a model that was made elsewhere, and publish it. The same file and schema again is the model there is."""
    from forecastle.uploads.receiving import Received, keep, receive  # noqa: PLC0415 - the other commands upload nothing

    existing(file)
    document = {"name": name, "schema": _read("schema", schema), "sample": _read("sample", sample)}
    document |= {"description": description} | ({"expected": _read("expected", expected)} if expected else {})

    async def work(stores: Stores) -> Received:
        try:
            with (
                await asyncio.to_thread(file.open, "rb") as opened,
                keep(stores.tables, opened, most_bytes=stores.settings.uploads.max_bytes) as kept,
            ):
                now = stores.clock.now()
                return await receive(
                    stores.database, stores.artifacts, stores.inspector, kept, document, owner=None, now=now
                )
        except (IsADirectoryError, PermissionError) as error:
            raise BadInput.at("FILE", expected="a file that can be read", found=f"{file}: {error.strerror}") from error

    received = run(work)
    model = received.model
    if as_json:
        emit_json({**plain(model), "created": received.created})
        return
    emit_table(["id", "name", "version", "stage"], [[model.id, model.name, model.version, model.stage]])
    if not received.created:
        hint("the same file with the same schema was there already")
    hint(f"forecastle predict {model.name} --features '[…]'    forecastle models show {model.id}")


def _read(field: str, path: Path) -> Any:
    from forecastle.uploads.document import read_json  # noqa: PLC0415 - the other commands upload nothing

    with about(existing(path)):
        try:
            with path.open("rb") as opened:
                data = opened.read(MAX_DOCUMENT_BYTES + 1)
            text = data.decode()
        except OSError as error:
            raise BadInput.at(field, expected="a file that can be read", found=error.strerror) from error
        except UnicodeDecodeError as error:
            raise BadInput.at(field, expected="JSON in UTF-8", found="other bytes") from error
        if len(data) > MAX_DOCUMENT_BYTES:
            raise BadInput.at(field, expected=f"at most {MAX_DOCUMENT_BYTES:,} bytes", found="more")
        return read_json(field, text)
