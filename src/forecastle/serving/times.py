"""Times as people write them."""

from datetime import UTC, datetime

from forecastle.serving.errors import BadMoment


def read_time(text: str, *, field: str = "time") -> datetime:
    """The time in an ISO 8601 text, in UTC; naive means UTC, a date its midnight.

    Raises:
        BadMoment: it is none.
    """
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadMoment.at(field, expected="an ISO 8601 date or time", found=text) from error
