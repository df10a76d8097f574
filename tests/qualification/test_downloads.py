"""Downloads that break, lie, drip or lead elsewhere: resumed where that is right, else refused in words."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.qualification.test_crowds import wait_until
from tests.qualification.worlds import NOTHING, Stage, State, World

VERSION = "0.2.0"
PADDING = 400_000
OFFSETS = [0, 1, 4_095, 65_536, 65_537, 200_000, -1]
"""Bytes of body after which the connection breaks; negative ones count from the end."""


@pytest.fixture
def size(stage: Stage) -> int:
    """The size of the wheel that will be fetched, large enough to break in many paths."""
    return published(stage, PADDING)


def published(stage: Stage, padding: int) -> int:
    """Release a wheel with so many bytes of filler; gives its size."""
    release = stage.sandbox.publish(VERSION, padding=padding)
    (wheel,) = (asset for asset in release.assets if asset.name.endswith(".whl"))
    return wheel.size


def installed(stage: Stage) -> State:
    """What is found after an install."""
    return State(stage.fingerprint("one"), VERSION, stage.fingerprint("one"))


def from_storage(stage: Stage) -> list[tuple[str | None, str | None]]:
    """``Range`` and ``If-Range`` of every request to the storage host."""
    return [
        (exchange.range, exchange.headers.get("if-range"))
        for exchange in stage.sandbox.journal()
        if exchange.endpoint == "storage"
    ]


@pytest.mark.parametrize("reset", [None, "after_head"], ids=["closed", "reset"])
def test_a_broken_line_is_taken_up_where_it_broke(stage: Stage, size: int, reset: str | None) -> None:
    """At whatever byte the line breaks, the same run asks for the rest, and only if the file is the same."""
    for offset in OFFSETS if reset is None else OFFSETS[::3]:
        world = stage.world()
        stage.sandbox.clear_journal()
        stage.sandbox.fault("storage", truncate=offset % size, reset=reset)
        outcome = world.run("install", key=stage.key("one"))
        assert outcome.value == stage.fingerprint("one"), (offset, outcome)
        first, second = from_storage(stage)
        assert first == (None, None)
        arrived = 0 if second[0] is None else int(second[0].removeprefix("bytes=").removesuffix("-"))
        assert arrived == offset % size or (reset and arrived <= offset % size), (offset, second)
        assert bool(second[1]) == bool(second[0])
        assert world.state() == installed(stage)


def test_a_later_process_goes_on_where_an_earlier_one_gave_up(stage: Stage, world: World, size: int) -> None:
    """What arrived is kept and told of; the next run fetches the rest alone."""
    stage.sandbox.fault("storage", truncate=50_000, times=None)
    outcome = world.run("install", key=stage.key("one"), timeout=2)
    assert (outcome.fault, outcome.expected) == ("CoreDownloadError", True)
    assert "are kept" in outcome.message
    assert "does not match" not in outcome.message
    assert world.state() == NOTHING
    kept = sum(50_000 for _ in from_storage(stage))
    stage.sandbox.clear_faults()
    stage.sandbox.clear_journal()
    assert world.run("install", key=stage.key("one")).fault is None
    assert [asked for asked, _ in from_storage(stage)] == [f"bytes={kept}-"]
    assert world.state() == installed(stage)


def test_a_process_goes_on_where_a_killed_one_was(stage: Stage, world: World, size: int) -> None:
    """kill -9 in mid-download costs at most the bytes on the way."""
    stage.sandbox.fault("storage", drip=1_000_000)
    life = world.start("install", key=stage.key("one"))
    parts = world.path / "nimbus" / "cache" / "downloads"
    wait_until(lambda: any(part.stat().st_size > 100_000 for part in parts.glob("*.part")))
    os.kill(life.pid, signal.SIGKILL)
    assert life.outcome().killed
    stage.sandbox.clear_journal()
    assert world.run("install", key=stage.key("one")).fault is None
    ((asked, _),) = from_storage(stage)
    assert int(str(asked).removeprefix("bytes=").removesuffix("-")) > 100_000
    assert world.state() == installed(stage)


def test_a_file_that_changed_meanwhile_is_fetched_anew(stage: Stage, world: World, size: int) -> None:
    """Where the part's ETag is not the file's, the whole is sent, and nothing is patched together."""
    stage.sandbox.fault("storage", truncate=100_000, headers={"ETag": '"another-file"'})
    assert world.run("install", key=stage.key("one")).fault is None
    assert from_storage(stage) == [(None, None), ("bytes=100000-", '"another-file"')]
    whole = [exchange.bytes_sent for exchange in stage.sandbox.journal() if exchange.endpoint == "storage"]
    assert whole == [100_000, size]
    assert world.state() == installed(stage)


def test_a_part_of_another_release_is_never_used(stage: Stage, world: World, size: int) -> None:
    """A release that was replaced under the same version is fetched whole."""
    stage.sandbox.fault("storage", truncate=100_000, times=None)
    assert world.run("install", key=stage.key("one"), timeout=2).fault == "CoreDownloadError"
    stage.sandbox.clear_faults()
    stage.sandbox.publish(VERSION, padding=PADDING + 1)
    stage.sandbox.clear_journal()
    assert world.run("install", key=stage.key("one")).fault is None
    assert from_storage(stage) == [(None, None)]


def test_what_does_not_match_is_told_from_what_is_incomplete(stage: Stage, world: World, size: int) -> None:
    """A wrong byte is an integrity error; nothing of it is kept, and nothing is installed."""
    stage.sandbox.fault("storage", corrupt_digest=True)
    outcome = world.run("install", key=stage.key("one"))
    assert (outcome.fault, outcome.expected) == ("CoreIntegrityError", True)
    assert "does not match what was published" in outcome.message
    assert "incomplete" not in outcome.message
    assert world.state() == NOTHING
    stage.sandbox.clear_journal()
    assert world.run("install", key=stage.key("one")).fault is None
    assert from_storage(stage) == [(None, None)]


def test_wrong_bytes_from_an_earlier_attempt_are_fetched_once_more(
    stage: Stage, world: World, size: int
) -> None:
    """A part that turns out wrong once the rest is there costs a whole new download, and no failure."""
    stage.sandbox.fault("storage", corrupt_digest=True, truncate=size - 10)
    outcome = world.run("install", key=stage.key("one"))
    assert outcome.value == stage.fingerprint("one"), outcome
    assert [asked for asked, _ in from_storage(stage)] == [None, f"bytes={size - 10}-", None]
    assert world.state() == installed(stage)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"wrong_length": True}, "In place of"),
        ({"raw_body": b"x" * 1000}, "In place of"),
        ({"html": True}, "In place of"),
        ({"status": 403, "times": 2}, "refused"),
        ({"redirect": "http://other.example/wheel"}, "is not followed"),
        ({"redirect": "ftp://other.example/wheel"}, "is not followed"),
    ],
    ids=["wrong length", "other content", "captive portal", "refused", "plain http", "no http"],
)
def test_what_is_no_wheel_is_refused_in_words(
    stage: Stage, world: World, size: int, fault: dict[str, object], words: str
) -> None:
    """Something else in place of the file ends the install, names what came, and changes nothing."""
    stage.sandbox.fault("storage", **fault)  # type: ignore[arg-type]
    outcome = world.run("install", key=stage.key("one"), timeout=2)
    assert (outcome.fault, outcome.expected) == ("CoreDownloadError", True)
    assert words in outcome.message
    assert world.state() == NOTHING
    stage.sandbox.clear_faults()
    assert world.run("install", key=stage.key("one")).fault is None


def test_without_any_digest_nothing_is_downloaded(stage: Stage, world: World) -> None:
    """An asset whose SHA-256 nobody tells is refused before a byte of it is fetched."""
    stage.sandbox.publish(VERSION, digest=False, sums=False)
    outcome = world.run("install", key=stage.key("one"))
    assert outcome.fault == "CoreIntegrityError"
    assert "asset" not in [exchange.endpoint for exchange in stage.sandbox.journal()]
    stage.sandbox.publish(VERSION, digest=False, sums=True)
    assert world.run("install", key=stage.key("one")).fault is None


def test_the_token_stays_with_github_and_the_key_with_the_api(stage: Stage, world: World, size: int) -> None:
    """The storage host is given neither, GitHub only the token, and no address holds a secret."""
    assert world.run("install", key=stage.key("one")).fault is None
    shown = {exchange.endpoint: exchange.headers for exchange in stage.sandbox.journal()}
    assert {name for name, headers in shown.items() if "authorization" in headers} == {"release", "asset"}
    assert {name for name, headers in shown.items() if "x-api-key" in headers} == {"github_token"}
    paths = [exchange.path for exchange in stage.sandbox.journal() if exchange.endpoint != "storage"]
    assert all("?" not in path for path in paths)


def test_a_drip_ends_within_the_budget(stage: Stage, world: World) -> None:
    """A server slower than 64 KiB a second cannot hold an install for longer than that rate takes."""
    size = published(stage, PADDING // 20)
    stage.sandbox.fault("storage", drip=10_000, times=None)
    started = time.monotonic()
    outcome = world.run("install", key=stage.key("one"), timeout=1)
    seconds = time.monotonic() - started
    assert (outcome.fault, outcome.expected) == ("CoreDownloadError", True)
    assert "too slowly" in outcome.message
    assert "are kept" in outcome.message
    assert seconds < 1 + size / 65_536 + 1.5
    stage.sandbox.clear_faults()
    stage.sandbox.clear_journal()
    assert world.run("install", key=stage.key("one")).fault is None
    assert from_storage(stage)[0][0] is not None
