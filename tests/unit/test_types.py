"""Identifiers: nobody gets one twice, in threads and forked processes neither."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from forecastle.types import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def drawn(count: int) -> list[str]:
    return [new_id(NOW) for _ in range(count)]


def test_identifiers_of_many_threads_are_all_different() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = [identifier for part in pool.map(drawn, [2_000] * 8) for identifier in part]
    assert len(set(found)) == len(found)
    assert {len(identifier) for identifier in found} == {26}


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system cannot fork")
def test_a_forked_process_does_not_give_what_its_parent_gives() -> None:
    new_id(NOW)  # what is left of what was drawn for it goes with the fork
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=lambda: queue.put(drawn(300)))
    process.start()
    theirs = queue.get()
    process.join()
    assert not set(theirs) & set(drawn(300))


def test_identifiers_sort_by_their_time() -> None:
    found = [new_id(NOW + timedelta(milliseconds=step)) for step in range(2_000)]
    assert found == sorted(found)
