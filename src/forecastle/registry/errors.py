"""What can go wrong with models.

NotFound
└── ModelNotFound          no model of that id or name
BadInput
├── BadFeatures            the row does not fit the model
├── BadStage               no such stage
│   └── BadNewStage        none to promote to
├── BadSort                no model has the measure to sort by
├── NotComparable          too few or too many models to lay side by side
└── NotConfirmed           removing many models was not confirmed
Conflict
└── HasChildren            a model that others were made from
Unavailable
└── ModelUnusable          the model cannot be loaded
    ├── ArtifactMissing    a part of it is not in the store
    ├── ArtifactCorrupt    a part of it is not what was stored
    └── GraphInvalid       its graph does not keep the contract
DiskFull
└── ArtifactsFull          no space left where models are kept
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from forecastle.errors import BadInput, Conflict, DiskFull, FieldProblem, NotFound, Unavailable, clip

SHOWN_CHILDREN = 20


class ModelNotFound(NotFound):
    """There is no such model."""

    code = "MODEL_NOT_FOUND"

    def __init__(self, wanted: str | None = None, *, names: Iterable[str] = (), newest: str | None = None) -> None:
        self.wanted = wanted
        near = get_close_matches(wanted or "", sorted(set(names)), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        if newest is not None:
            hint = f": that is a name, and an id is needed; its newest version is {newest}"
        super().__init__("there is no model yet" if wanted is None else f"there is no model {clip(wanted)!r}{hint}")


class BadFeatures(BadInput):
    """The features do not fit the model."""

    code = "INVALID_FEATURES"


class BadStage(BadInput):
    """There is no such stage."""

    code = "INVALID_STAGE"


class BadNewStage(BadStage):
    """There is no such stage to promote to."""


class BadSort(BadInput):
    """There is no such measure to sort by."""

    code = "INVALID_SORT"


class NotComparable(BadInput):
    """These models cannot be laid side by side."""

    code = "NOT_COMPARABLE"


class NotConfirmed(BadInput):
    """Removing many models was not confirmed."""

    code = "NOT_CONFIRMED"

    def __init__(self, count: int, found: str | None) -> None:
        self.count = count
        expected = f"yes, to remove {count:,} model{'s' * (count != 1)} for good"
        super().__init__(problems=[FieldProblem("confirm", expected, clip(found) if found else "nothing")])


class HasChildren(Conflict):
    """Other models were made from this one."""

    code = "MODEL_HAS_CHILDREN"

    def __init__(self, model_id: str, children: Sequence[str]) -> None:
        self.children = tuple(children)
        shown = ", ".join(children[:SHOWN_CHILDREN]) + (", …" if len(children) > SHOWN_CHILDREN else "")
        models = f"{len(children)} models were" if len(children) > 1 else "a model was"
        super().__init__(f"{models} made from {clip(model_id)}: {shown}; remove them with it, or keep them without it")


class ModelUnusable(Unavailable):
    """The model cannot be loaded."""

    code = "MODEL_UNUSABLE"


class ArtifactMissing(ModelUnusable):
    """A part of the model is not in the artifact store."""

    code = "ARTIFACT_MISSING"


class ArtifactCorrupt(ModelUnusable):
    """A part of the model is not what was stored."""

    code = "ARTIFACT_CORRUPT"


class GraphInvalid(ModelUnusable):
    """The model's graph does not keep the contract."""

    code = "GRAPH_INVALID"


class ArtifactsFull(DiskFull):
    """No space is left where models are kept: make room there, then try again."""

    code = "ARTIFACTS_FULL"
