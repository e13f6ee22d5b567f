"""Answers that are kept: the latest used stay."""

import pytest

from forecastle.serving.answers import Answer, Answers


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_the_one_that_was_not_used_for_longest_goes_first(capacity: int) -> None:
    answers = Answers(capacity)
    for place in range(5):
        answers.keep(("m", bytes([place])), Answer(float(place)))
        answers.recall(("m", b"\0"))
    kept = [place for place in range(5) if answers.recall(("m", bytes([place])))]
    assert kept == {0: [], 1: [4], 3: [0, 3, 4]}[capacity]


def test_an_answer_that_is_kept_again_is_the_newer_one() -> None:
    answers = Answers(2)
    for value in (1.0, 2.0):
        answers.keep(("m", b"x"), Answer(value))
    assert answers.recall(("m", b"x")) == Answer(2.0)
    assert answers.recall(("other", b"x")) is None
