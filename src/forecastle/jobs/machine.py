"""The life of a job, as data.

    pending → preprocessing → training → completed
       └────────────┴─────────────┴────→ failed | cancelled

No other transition exists, save one: a job whose runner ended goes back to pending (`leases`). The database holds the
same (`triggers`). To retry a job is to submit another like it.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Status = Literal["pending", "preprocessing", "training", "completed", "failed", "cancelled"]

STATUSES: tuple[Status, ...] = get_args(Status)

ALLOWED: Mapping[Status, tuple[Status, ...]] = {
    "pending": ("preprocessing", "failed", "cancelled"),
    "preprocessing": ("training", "failed", "cancelled"),
    "training": ("completed", "failed", "cancelled"),
    "completed": (),
    "failed": (),
    "cancelled": (),
}

RUNNING: tuple[Status, ...] = ("preprocessing", "training")
ENDED: tuple[Status, ...] = tuple(status for status in STATUSES if not ALLOWED[status])

PUT_BACK: Mapping[Status, tuple[Status, ...]] = dict.fromkeys(RUNNING, ("pending",))
"""What a runner that ends, or the successor of one that died, may do besides."""


def sources(target: Status) -> tuple[Status, ...]:
    """The statuses that may become `target`."""
    return tuple(status for status in STATUSES if target in ALLOWED[status])
