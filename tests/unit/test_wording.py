"""Wrong fields are told in the same words everywhere."""

from datetime import date
from typing import Any

import pytest

from forecastle.wording import EXPECTED, expectation, is_of_another_type, spelled, suggest


def nested(depth: int) -> object:
    value: object = None
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ("a", '"a"'),
        ("", '""'),
        ("3", '"3"'),
        (3, "3"),
        (1.5, "1.5"),
        (float("nan"), "NaN"),
        (["é", {"a": None}], '["é", {"a": null}]'),
        (date(2024, 1, 2), '"2024-01-02"'),
        ("line\nbreak", '"line\\nbreak"'),
        ("x" * 100, '"' + "x" * 58 + "…"),
        (nested(100_000), "list"),
    ],
)
def test_a_value_is_spelled_as_json_in_one_short_line(value: object, text: str) -> None:
    assert spelled(value) == text


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        ("string_too_short", {"min_length": 1}, "at least 1 character"),
        ("string_too_short", {"min_length": 8}, "at least 8 characters"),
        ("too_long", {"max_length": 1}, "at most 1 entry"),
        ("too_long", {"max_length": 2}, "at most 2 entries"),
        ("less_than", {"lt": 1.0}, "less than 1.0"),
        ("value_error", {"error": ValueError("a prime")}, "a prime"),
        ("url_scheme", {}, "what the library says"),
    ],
)
def test_what_would_have_done_is_said_with_its_numbers(kind: str, facts: dict[str, Any], words: str) -> None:
    assert expectation({"type": kind, "msg": "what the library says", "ctx": facts}) == words


def test_own_words_come_before_the_common_ones() -> None:
    assert expectation({"type": "dict_type", "msg": ""}) == "an object"
    assert expectation({"type": "dict_type", "msg": ""}, EXPECTED | {"dict_type": "a table"}) == "a table"


def test_a_value_of_the_wrong_type_is_told_from_one_of_the_wrong_size() -> None:
    assert [is_of_another_type({"type": kind}) for kind in ("int_type", "bool_parsing", "too_long")] == [
        True,
        True,
        False,
    ]


def test_the_nearest_name_is_suggested_whatever_its_case() -> None:
    assert suggest("KEYS", ["key", "time"]) == " (did you mean key?)"
    assert suggest("elephant", ["key", "time"]) == ""
