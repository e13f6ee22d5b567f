"""The inner validation stretch: the last of a window's training rows, on which choices are made before the fit."""

from forecastle.training.arrays import Integers
from forecastle.training.errors import TooFewRows
from forecastle.training.samples import Clockwork, Samples
from forecastle.training.schemes import Chronological, Random
from forecastle.training.splits import Window, split

SHARE = 0.2
MIN_ROWS = 10


def hold_out(samples: Samples, positions: Integers, *, seed: int, purpose: str) -> Window:
    """Split the samples at `positions`, a window's training rows, once more; the test rows of that take no part.

    With time, the held-out rows are the last fifth, later than every row before them, and no label of those was open
    when the stretch began. Without, they are a seeded draw, class by class.

    Args:
        samples: all of them.
        positions: of the training rows, ascending.
        seed: of the draw.
        purpose: the recipe's field that asks for it, for messages.

    Raises:
        TooFewRows: too few are left on one side.
    """
    classes = samples.codes[positions] if samples.classes else None
    clockwork = samples.clockwork and Clockwork(samples.clockwork.times[positions], samples.clockwork.known[positions])
    how = Random(kind="random", test=SHARE) if clockwork is None else Chronological(kind="chronological", test=SHARE)
    try:
        (inner,) = split(how, rows=len(positions), clockwork=clockwork, classes=classes, seed=seed)
    except TooFewRows as error:
        what = "training rows before the inner validation stretch of a window"
        raise TooFewRows(purpose, found=error.found, needed=error.needed, what=what) from error
    if len(inner.test) < MIN_ROWS:
        what = "rows in the inner validation stretch of a window"
        raise TooFewRows(purpose, found=len(inner.test), needed=MIN_ROWS, what=what)
    return Window(positions[inner.train], positions[inner.test], inner.dropped)
