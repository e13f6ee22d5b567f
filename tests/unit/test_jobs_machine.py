from itertools import pairwise

import pytest

from forecastle.jobs.machine import ALLOWED, ENDED, RUNNING, STATUSES, Status, sources


def test_a_job_goes_forward_through_its_statuses() -> None:
    path: tuple[Status, ...] = ("pending", "preprocessing", "training", "completed")
    for before, after in pairwise(path):
        assert after in ALLOWED[before]


@pytest.mark.parametrize("status", STATUSES)
def test_no_status_leads_back_or_to_itself(status: Status) -> None:
    assert all(STATUSES.index(after) > STATUSES.index(status) for after in ALLOWED[status])


def test_only_a_job_in_training_completes() -> None:
    assert sources("completed") == ("training",)


def test_what_has_not_ended_can_fail_and_be_cancelled() -> None:
    alive = ("pending", *RUNNING)
    assert sources("failed") == sources("cancelled") == alive
    assert set(alive) | set(ENDED) == set(STATUSES)
