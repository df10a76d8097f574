"""What waits on the disk is private, bounded, and one process's alone to send."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import pytest

from nimbus_sdk.account.usage import spool
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import fs


@pytest.fixture
def folder():
    """Where events wait."""
    return Settings.load().paths.usage


def events(numbers):
    """An event for each number, which is the model's name."""
    return deque({"event_type": "inference", "model_name": str(number)} for number in numbers)


def taken(folder):
    """The numbers of all that waits, in the order in which it is given."""
    numbers = []
    while some := spool.take(folder):
        numbers += [int(event["model_name"]) for event in some]  # type: ignore[call-overload]
    return numbers


def test_stored_events_are_taken_once_and_in_its_order(folder):
    """The files are this user's alone, and gone when their events are taken."""
    for start in range(0, 450, 150):
        waiting = events(range(start, start + 150))
        spool.put(folder, waiting)
        assert not waiting
    if os.name != "nt":
        modes = {stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) for name in os.listdir(folder)}
        assert modes == {0o600}
    assert taken(folder) == list(range(450))
    assert os.listdir(folder) == []


def test_the_oldest_go_where_there_are_too_many(folder, monkeypatch):
    """However they came: all at once, or one by one."""
    spool.put(folder, events(range(1500)))
    assert taken(folder) == list(range(500, 1500))
    monkeypatch.setattr(spool, "MOST_EVENTS", 20)
    monkeypatch.setattr(spool, "EVENTS_A_FILE", 5)
    for number in range(100):
        spool.put(folder, events([number]))
        assert len(os.listdir(folder)) <= 4
    assert taken(folder) == list(range(80, 100))


def test_many_processes_keep_to_the_bound_together(folder, forked):
    """Four that are offline, each with more than there is room for."""
    code = (
        "from nimbus_sdk.core.usage_reports import with_usage_report\n"
        "predict = with_usage_report(lambda: None, 'batch')\n"
        "for _ in range(1500):\n"
        "    predict()\n"
    )
    environ = {"NIMBUS_SDK_USAGE": "1", "NIMBUS_SDK_OFFLINE": "1"}
    with ThreadPoolExecutor(4) as processes:
        for done in [processes.submit(forked, code, **environ) for _ in range(4)]:
            done.result()
    stored = []
    while some := spool.take(folder):
        stored += some
    assert spool.MOST_EVENTS - spool.EVENTS_A_FILE <= len(stored) <= spool.MOST_EVENTS


def test_each_event_has_one_owner(folder, monkeypatch):
    """Many that take at the same time get all of it, and nothing twice."""
    monkeypatch.setattr(spool, "EVENTS_A_FILE", 1)
    for number in range(60):
        spool.put(folder, events([number]))
    start = threading.Barrier(4)

    def take_all():
        start.wait()
        return taken(folder)

    with ThreadPoolExecutor(4) as takers:
        each = [takers.submit(take_all) for _ in range(4)]
        numbers = [number for one in each for number in one.result()]
    # One that finds a file gone goes on to the next, so nothing is left.
    assert sorted(numbers + taken(folder)) == list(range(60))


def test_a_disk_that_refuses_takes_nothing_away(folder, monkeypatch):
    """What was not written goes on waiting, in its order."""
    spool.put(folder, events(range(50)))
    waiting = events(range(50, 150))

    def refuse(path, content):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fs, "write_private", refuse)
        with pytest.raises(OSError, match="No space"):
            spool.put(folder, waiting)
    assert [event["model_name"] for event in waiting] == [str(number) for number in range(50, 150)]
    assert taken(folder) == list(range(50))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the writer is killed in a fork")
def test_a_writer_that_is_killed_loses_no_event_that_was_stored(folder, monkeypatch):
    """The old file is removed when the one with its events is there; until then it is found again."""
    spool.put(folder, events(range(3)))
    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(fs, "write_private", lambda *given: os.kill(os.getpid(), signal.SIGKILL))
        spool.put(folder, events([3]))
    os.waitpid(pid, 0)
    (held,) = os.listdir(folder)
    assert taken(folder) == []
    two_hours_ago = time.time() - 7200
    os.utime(os.path.join(folder, held), (two_hours_ago, two_hours_ago))
    spool.put(folder, events([4]))
    assert sorted(taken(folder)) == [0, 1, 2, 4]


def test_what_cannot_be_removed_is_not_sent(folder, monkeypatch):
    """Every process would send it again."""
    spool.put(folder, events([1]))

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as read_only:
        read_only.setattr(os, "unlink", refuse)
        read_only.setattr(os, "remove", refuse)
        assert spool.take(folder) == []
    assert taken(folder) == [1]


def test_what_killed_writers_left_is_swept(folder):
    """Once it is too old to be under way."""
    spool.put(folder, events([1]))
    stored = os.listdir(folder)
    old, new = (os.path.join(folder, f"1.jsonl.{name}.tmp") for name in ("old", "new"))
    for path in (old, new):
        with open(path, "wb") as file:
            file.write(b"{")
    os.utime(old, (1, 1))
    spool.put(folder, events([2]))
    assert (os.path.exists(old), os.path.exists(new)) == (False, True)
    assert stored[0] not in os.listdir(folder)
    assert taken(folder) == [1, 2]


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"event_type": "inference", "api_key": "x"}', b"\xff", b"{}", b"[" * 100_000]
)
def test_a_file_that_somebody_edited_gives_nothing_foreign(folder, line):
    """Only fields that the SDK itself writes leave this machine."""
    spool.put(folder, events([1]))
    with open(os.path.join(folder, "0.jsonl"), "wb") as file:
        file.write(line + b"\n")
    assert taken(folder) == [1]
