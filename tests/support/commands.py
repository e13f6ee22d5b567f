"""One command of the command line, run in this process."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple


class Done(NamedTuple):
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, of a command that succeeded."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Cli = Callable[..., Done]
"""`cli(*arguments, stdin="")`"""
