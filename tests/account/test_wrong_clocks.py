"""A machine whose clock jumps or is wrong: nothing is lost, nothing expired becomes valid again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import pytest

from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.sandbox import Sandbox
from tests.support.fork_server import ForkServer, run_fork_server
from tests.support.forked import ForkedPython
from tests.support.raw_server import Ender
from tests.support.wrong_clock import by_patch, set_off

LONG = pytest.mark.qualification
DAY = 86_400.0
MINUTE = 60.0
EASTERN = "EST5EDT,M3.2.0,M11.1.0"

SAY = """
def report(call):
    try:
        session = call()
    except nimbus_sdk.NimbusError as error:
        print(json.dumps({"fault": type(error).__name__, "message": str(error)}))
    else:
        print(json.dumps({
            "fault": None,
            "key": session.key_fingerprint,
            "stale": session.stale,
            "offset": session.clock_offset,
            "now": datetime.datetime.now(datetime.UTC).isoformat(),
        }))
"""
START = "import datetime, json, os, nimbus_sdk\n" + SAY
OFFLINE = START + "report(nimbus_sdk.current_session)"
ONLINE = START + "report(nimbus_sdk.refresh_quota)"
INSTALL = START + "report(lambda: nimbus_sdk.authenticate(open('../key').read()))"

Run: TypeAlias = Callable[..., dict[str, object]]


@pytest.fixture(scope="module")
def clock_server(wheel_dir: Path) -> Iterator[ForkServer]:
    """A warm interpreter whose clock can be set off in each child."""
    with run_fork_server("tests.support.patched_clock", "tests.support.programs") as server:
        yield server


@pytest.fixture(params=["forked", pytest.param("fresh", marks=LONG)])
def at(request: pytest.FixtureRequest, isolated_home: Path) -> Run:
    """Runs code in a process whose clock is off by so many seconds."""

    def run(seconds: float, code: str, **environ: str) -> dict[str, object]:
        if request.param == "fresh":
            clock = set_off(seconds, isolated_home / "clock") if seconds else {}
            return json.loads(request.getfixturevalue("fresh")(code, **clock, **environ).stdout)
        python = ForkedPython(request.getfixturevalue("clock_server"), isolated_home / "work")
        return json.loads(python(code, CLOCK_OFFSET=str(seconds), **environ).stdout)

    return run


@pytest.fixture
def stored(isolated_home: Path, key: str, at: Run) -> str:
    """A session that was stored under the right clock; gives the key's fingerprint."""
    (isolated_home / "key").write_text(key)
    assert at(0, INSTALL)["fault"] is None
    return ApiKey.parse(key).fingerprint


@pytest.mark.parametrize(
    ("seconds", "fault"),
    [
        pytest.param(-4 * MINUTE, None, id="4 min back"),
        pytest.param(-6 * MINUTE, "ClockRollbackError", id="6 min back"),
        pytest.param(-DAY, "ClockRollbackError", id="1 day back", marks=LONG),
        pytest.param(-20 * 365 * DAY, "ClockRollbackError", id="20 years back"),
        pytest.param(DAY, None, id="1 day on", marks=LONG),
        pytest.param(40 * 365 * DAY, None, id="40 years on"),
    ],
)
def test_a_clock_that_was_set_is_noticed_offline(
    stored: str, at: Run, seconds: float, fault: str | None
) -> None:
    """Five minutes back are let pass; more is refused with both times; forward does a session no harm."""
    seen = at(seconds, OFFLINE, NIMBUS_SDK_OFFLINE="1")
    assert seen["fault"] == fault
    if fault is None:
        assert seen["key"] == stored
    else:
        then = datetime.now(UTC) + timedelta(seconds=seconds)
        assert f"{then:%Y-%m-%d}" in str(seen["message"])
        assert f"{datetime.now(UTC):%Y-%m-%d}" in str(seen["message"])


def test_one_online_call_clears_a_clock_that_was_set_back(
    stored: str, at: Run, sandbox: Sandbox, end: Ender
) -> None:
    """After a renewal under the earlier clock all works offline, also once the clock is right again."""
    assert at(-DAY, OFFLINE)["fault"] == "ClockRollbackError"
    renewed = at(-DAY, ONLINE)
    assert renewed["fault"] is None
    assert renewed["offset"] == pytest.approx(DAY, abs=30)
    end(sandbox)
    for seconds in (-DAY, 0):
        assert at(seconds, OFFLINE)["key"] == stored


def test_a_clock_that_ran_ahead_for_a_while_is_cleared_online(stored: str, at: Run) -> None:
    """A session used on a clock ten days ahead is refused on the right one until it is renewed, once."""
    assert at(10 * DAY, OFFLINE)["fault"] is None
    assert at(0, OFFLINE)["fault"] == "ClockRollbackError"
    assert at(0, ONLINE)["key"] == stored
    assert at(0, OFFLINE)["key"] == stored


def test_a_session_ends_at_its_expiry_by_this_machines_clock(
    isolated_home: Path, sandbox: Sandbox, end: Ender, at: Run
) -> None:
    """Past its expiry a session is refused; an earlier time on the clock does not make it valid."""
    key = sandbox.new_key("research", expires_at=datetime.now(UTC) + timedelta(days=2))
    (isolated_home / "key").write_text(key)
    assert at(0, INSTALL)["fault"] is None
    end(sandbox)
    assert at(1.9 * DAY, OFFLINE)["fault"] is None
    assert at(2.1 * DAY, OFFLINE)["fault"] == "SessionExpiredError"
    assert at(-DAY, OFFLINE)["fault"] == "ClockRollbackError"


@pytest.mark.parametrize("hours", [3, pytest.param(-3, marks=LONG)])
def test_a_service_three_hours_away_is_believed_and_its_distance_noted(
    isolated_home: Path, key: str, sandbox: Sandbox, at: Run, hours: int
) -> None:
    """A ``Date`` far from this clock changes no session; the session says how far it was."""
    (isolated_home / "key").write_text(key)
    sandbox.fault("validate", date_offset=hours * 3600.0)
    seen = at(0, INSTALL)
    assert seen["fault"] is None
    assert seen["offset"] == pytest.approx(hours * 3600, abs=30)
    assert at(0, OFFLINE)["fault"] is None


@pytest.mark.parametrize("year", [1970, 2099])
def test_a_clock_that_was_never_set_stops_nobody(isolated_home: Path, key: str, at: Run, year: int) -> None:
    """With the clock at the epoch, or at the end of the century, a key is validated and its session used."""
    (isolated_home / "key").write_text(key)
    there = datetime(year, 1, 2, tzinfo=UTC).timestamp() - datetime.now(UTC).timestamp()
    assert at(there, INSTALL)["fault"] is None
    seen = at(there, OFFLINE)
    assert seen["fault"] is None
    assert str(seen["now"]).startswith(f"{year}-01-02")


def test_the_hour_that_comes_twice_is_no_clock_set_back(isolated_home: Path, key: str, at: Run) -> None:
    """When summer time ends the wall clock goes back an hour, and nothing here looks at the wall clock."""
    (isolated_home / "key").write_text(key)
    switch = datetime(2026, 11, 1, 6, 0, tzinfo=UTC).timestamp() - datetime.now(UTC).timestamp()
    assert at(switch - 5 * MINUTE, INSTALL, TZ=EASTERN)["fault"] is None
    assert at(switch + 5 * MINUTE, OFFLINE, TZ=EASTERN)["fault"] is None
    assert at(switch + 5 * MINUTE, OFFLINE, TZ="XXX-14")["fault"] is None
    assert at(switch + 5 * MINUTE, OFFLINE, TZ="YYY+12")["fault"] is None


def test_the_patched_clock_is_as_good_as_the_library(stored: str, isolated_home: Path, fresh) -> None:
    """Where libfaketime is missing, processes have the clock that these tests mean."""
    both = f"{OFFLINE}\nreport(nimbus_sdk.refresh_quota)"
    seen = fresh(both, **by_patch(-DAY, isolated_home / "patched")).stdout.splitlines()
    offline, online = map(json.loads, seen)
    assert offline["fault"] == "ClockRollbackError"
    assert online["offset"] == pytest.approx(DAY, abs=30)
