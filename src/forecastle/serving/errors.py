"""What can go wrong with predictions.

NotFound
└── PredictionNotFound     no prediction of that id, or somebody else's
Conflict
└── PredictionRefused      the database does not accept this record, say, because its owner was just removed
BadInput
├── BadMoment              the key or the time does not fit the model
└── BadFeedback            the feedback does not fit the prediction
Unavailable
├── NoModel                no model can answer
└── HistoryUnavailable     predictions cannot be stored now, so none is given
    └── HistoryFull        too many wait for their commit
"""

from forecastle.errors import BadInput, Conflict, NotFound, Unavailable, clip


class PredictionNotFound(NotFound):
    """There is no such prediction."""

    code = "PREDICTION_NOT_FOUND"

    def __init__(self, prediction_id: str) -> None:
        super().__init__(f"there is no prediction {clip(prediction_id)!r}")


class PredictionRefused(Conflict):
    """The database does not accept this prediction's record."""

    code = "PREDICTION_REFUSED"


class BadBatch(BadInput):
    """Too few or too many rows."""

    code = "INVALID_BATCH"


class BadTensors(BadInput):
    """Tensors that are no rows of the model."""

    code = "INVALID_TENSORS"


class BadMoment(BadInput):
    """The key or the time does not fit the model."""

    code = "INVALID_MOMENT"


class BadFeedback(BadInput):
    """The feedback does not fit the prediction."""

    code = "INVALID_FEEDBACK"


class NoModel(Unavailable):
    """There is no model to answer with: train one first."""

    code = "NO_MODEL"


class HistoryUnavailable(Unavailable):
    """Predictions cannot be stored now."""

    code = "HISTORY_UNAVAILABLE"


class HistoryFull(HistoryUnavailable):
    """Too many predictions wait for their commit."""

    code = "HISTORY_FULL"
