"""The history of predictions: writing it before the answer, reading it, and what really happened."""

from forecastle.serving.history.opening import history_writer
from forecastle.serving.history.record import Record
from forecastle.serving.history.writer import HistoryWriter

__all__ = ["HistoryWriter", "Record", "history_writer"]
