"""Errors say in one line what is wrong; the tree drawn in the module is the tree there is."""

import pytest

from forecastle import errors
from forecastle.errors import BadInput, FieldProblem, ForecastleError


def family(root: type[ForecastleError]) -> set[type[ForecastleError]]:
    return {root}.union(*(family(child) for child in root.__subclasses__()))


def test_every_category_is_drawn_and_has_a_message_and_a_code() -> None:
    own = {kind for kind in family(ForecastleError) if kind.__module__ == errors.__name__}
    drawn = errors.__doc__ or ""
    for kind in own:
        assert kind.__name__ in drawn
        assert kind().message.endswith((".", "try again."))
        assert kind.code.isupper()
    assert len({kind.code for kind in own}) == len(own)


def test_a_given_message_replaces_the_default() -> None:
    assert ForecastleError("the disk is full").message == "the disk is full"
    assert errors.Unauthenticated().message == "Sign in first."


def test_bad_input_names_field_expectation_and_finding() -> None:
    error = BadInput.at("horizon", expected="a whole number", found=1.5)
    assert error.message == "horizon: expected a whole number, found 1.5"
    assert error.problems == (FieldProblem("horizon", "a whole number", "1.5"),)


def test_bad_input_of_several_fields_lists_them() -> None:
    error = BadInput(problems=[FieldProblem("a", "x"), FieldProblem("b", "y", "z")])
    assert error.message == "a: expected x; b: expected y, found z"


def test_the_maker_of_bad_input_keeps_the_class() -> None:
    class BadThing(BadInput):
        """It is bad."""

    assert type(BadThing.at("thing", expected="good")) is BadThing


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("short", "short"),
        ("two\n  lines", "two lines"),
        ("x" * 100, "x" * 59 + "…"),
        (3, "3"),
        (None, "None"),
        ("", ""),
    ],
)
def test_a_found_value_is_shown_short_and_on_one_line(value: object, shown: str) -> None:
    assert errors.clip(value) == shown
