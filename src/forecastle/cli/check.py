"""`check`: prove of a recipe that nothing in its training looks ahead."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from forecastle.bootstrap import Stores
from forecastle.cli.console import (
    Exit,
    JsonFlag,
    about,
    emit_json,
    emit_table,
    err,
    existing,
    hint,
    out,
    plain,
    progress_bar,
    run,
)
from forecastle.data.storage import TableStore
from forecastle.training.order import Order
from forecastle.training.recipe import load_recipe
from forecastle.training.submit import look_up, place

if TYPE_CHECKING:
    from forecastle.training.leakage.findings import Proof
    from forecastle.training.leakage.specimens import Verdict

SHOWN = 20

app = typer.Typer(help="Proofs that can be repeated at any time.", no_args_is_help=True)


@app.callback()
def check() -> None:
    """Proofs that can be repeated at any time."""


@app.command("leakage")
def leakage(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A TOML or JSON file.", show_default=False)
    ] = None,
    *,
    cuts: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Cut at so many moments at least; every window is cut.")
    ] = 8,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Show that trainings which leak on purpose are caught.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Prove that nothing in a training looks ahead.

    The table is cut at many moments. What comes after each is changed, and the whole training is repeated: features,
    labels, the choice of rows, everything fitted, predictions. Whatever changes before the cut is a leak. Exit code 11
    when there is one.
    """
    if self_test == (recipe is not None):
        raise typer.BadParameter("expected a RECIPE, or --self-test alone")
    if recipe is None:
        _show_verdicts(_self_test(), as_json=as_json)
    else:
        _show_proof(recipe, _prove(recipe, cuts), as_json=as_json)


def _prove(path: Path, cuts: int) -> "Proof":
    from forecastle.training.leakage.proof import prove  # noqa: PLC0415 - loads what training needs
    from forecastle.training.worker import read_tables  # noqa: PLC0415

    order, tables = run(lambda stores: _order(stores, path))
    with progress_bar("proving") as progress:
        return prove(order.recipe, read_tables(order, tables), cuts=cuts, progress=progress)


async def _order(stores: Stores, path: Path) -> tuple[Order, TableStore]:
    recipe = load_recipe(existing(path))
    async with stores.database.read() as session:
        with about(path):
            order = place(recipe, await look_up(session, [recipe]), now=stores.clock.now())
    return order, stores.tables


def _show_proof(path: Path, proof: "Proof", *, as_json: bool) -> None:
    if as_json:
        emit_json({"recipe": str(path), "status": proof.status, **plain(proof)})
    elif proof.findings:
        _show_findings(proof)
    else:
        out.print(f"[bold green]PROVEN[/] {_extent(proof)}", highlight=False, soft_wrap=True)
        hint(f"forecastle train {path}    or with prove_leakage = true in it")
    if proof.findings:
        raise typer.Exit(Exit.PROOF_FAILED)


def _extent(proof: "Proof") -> str:
    counts = ((proof.cuts, "cut"), (proof.rows, "row"), (proof.features, "feature"), (proof.values, "value"))
    told = [f"{count:,} {what}{'' if count == 1 else 's'}" for count, what in counts]
    return f"{', '.join(told)} compared in {proof.seconds:.1f} s"


def _show_findings(proof: "Proof") -> None:
    first = proof.findings[0]
    out.print(f"[bold red]LEAKS[/] {escape(str(first))}", highlight=False, soft_wrap=True)
    emit_table(
        ["step", "what", "first row", "was", "became", "when this changed"],
        [
            [found.step, found.name, found.place, found.before, found.after, found.cut]
            for found in proof.findings[:SHOWN]
        ],
    )
    if len(proof.findings) > SHOWN:
        hint(f"{len(proof.findings) - SHOWN:,} more with --json")


def _self_test() -> "Sequence[Verdict]":
    from forecastle.training.leakage.specimens import examine_all  # noqa: PLC0415 - loads what training needs

    with progress_bar("examining") as progress:
        return examine_all(progress)


def _show_verdicts(verdicts: "Sequence[Verdict]", *, as_json: bool) -> None:
    if as_json:
        emit_json([_facts(verdict) for verdict in verdicts])
    else:
        emit_table(
            ["training", "fault", "caught", "first row", "without the fault"],
            [
                [
                    verdict.specimen.name,
                    verdict.specimen.fault,
                    f"{found.step}: {found.name}" if (found := verdict.caught) else "NO",
                    found and found.place,
                    verdict.honest.status,
                ]
                for verdict in verdicts
            ],
        )
        caught = sum(verdict.passed for verdict in verdicts)
        err.print(f"{caught} of {len(verdicts)} caught and named", highlight=False)
    if not all(verdict.passed for verdict in verdicts):
        raise typer.Exit(Exit.PROOF_FAILED)


def _facts(verdict: "Verdict") -> dict[str, Any]:
    found = verdict.caught
    return {
        "training": verdict.specimen.name,
        "fault": verdict.specimen.fault,
        "caught": verdict.passed,
        "finding": None if found is None else {"text": str(found), **plain(found)},
        "without_the_fault": verdict.honest.status,
    }
