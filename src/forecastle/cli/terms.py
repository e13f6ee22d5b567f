"""Options that say on what terms a job is run."""

from typing import Annotated

import typer

PriorityOption = Annotated[int | None, typer.Option(help="-100 to 100; the higher is run first.", show_default=False)]
TimeoutOption = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Stop it after so long; the settings' limit is the most."),
]
MemoryOption = Annotated[
    int | None,
    typer.Option("--memory", metavar="MB", help="Stop it when it uses more; the settings' limit is the most."),
]
