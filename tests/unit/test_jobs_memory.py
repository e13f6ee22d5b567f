import os
import signal
import time

import psutil

from forecastle.jobs import memory
from forecastle.jobs.memory import MB, Meter


def test_what_a_process_uses_grows_with_what_it_writes_and_not_with_what_it_maps() -> None:
    before = memory.used_bytes(os.getpid())
    held = bytearray(b"x") * (64 * MB)
    assert memory.used_bytes(os.getpid()) - before >= 60 * MB
    assert len(held) == 64 * MB


def test_children_are_found_within_half_a_second() -> None:
    meter = Meter(os.getpid())
    meter.used_bytes(now_s=0.0)
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 60 & wait"], {"PATH": os.environ["PATH"]})
    family = _family_of(child)
    meter.used_bytes(now_s=0.4)
    assert not set(family) & set(meter._family)
    with_children = meter.used_bytes(now_s=0.6)
    assert set(family) <= set(meter._family)
    for pid in family:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(child, 0)
    assert with_children > 0


def _family_of(pid: int) -> list[int]:
    while not (children := psutil.Process(pid).children(recursive=True)):
        time.sleep(0.01)
    return [pid, *(child.pid for child in children)]


def test_a_process_that_is_gone_uses_nothing() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(child, 0)
    assert memory.used_bytes(child) == 0


def test_no_limit_is_above_four_fifths_of_the_machine() -> None:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    most = memory.limit_here(None)
    assert 0 < most <= machine * 0.8
    assert memory.limit_here(most - 1) == most - 1
    assert memory.limit_here(10 * machine) == most
    assert memory.virtual_bytes() > 0
