"""A process of its own that submits one recipe many times at once: `submitter.py DATABASE_URL HOME TIMES RECIPE`.

It prints a list of [duplicate, model id, job id], once it has read a line: so that several begin together.
"""

import asyncio
import json
import sys
from pathlib import Path

from forecastle.clock import SystemClock
from forecastle.db import Database, open_database
from forecastle.settings import DatabaseSettings
from forecastle.training.recipe import Recipe
from forecastle.training.submit import submit_training


async def submit(database: Database, recipe: Recipe) -> tuple[bool, str, str | None]:
    async with database.write() as session:
        made = await submit_training(session, recipe, owner=None, now=SystemClock().now())
    return made.duplicate, made.model_id, made.job.id if made.job else None


async def main(url: str, home: Path, times: int, recipe: Recipe) -> None:
    async with open_database(DatabaseSettings(url=url), home=home) as database:
        await database.ping()
        print("ready", flush=True)  # noqa: T201
        sys.stdin.readline()
        made = await asyncio.gather(*(submit(database, recipe) for _ in range(times)))
    print(json.dumps(made))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), Recipe.parse(json.loads(sys.argv[4]))))
