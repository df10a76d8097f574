"""Downloads that break, are wrong, slow or redirected: resumed if that is right, else refused."""

from __future__ import annotations

import os
import signal

import pytest

from tests.qualification.machines import NOTHING, Machine, Machines, State
from tests.qualification.test_crowds import wait_until

pytestmark = pytest.mark.tiny_core

VERSION = "0.2.0"
PADDING = 400_000
OFFSETS = [0, 1, 4_095, 65_536, 65_537, 200_000, -1]
"""Bytes of the body after which the connection breaks; negative ones count from the end."""


@pytest.fixture
def size(machines: Machines) -> int:
    """The size of the published wheel, which is large enough to be received in several parts."""
    return publish_wheel(machines, PADDING)


def publish_wheel(machines: Machines, padding: int) -> int:
    """Publish a wheel with so many bytes of padding; return its size."""
    release = machines.sandbox.publish(VERSION, padding=padding)
    (wheel,) = (asset for asset in release.assets if asset.name.endswith(".whl"))
    return wheel.size


def installed_state(machines: Machines) -> State:
    """Return what is found after an install."""
    return State(machines.fingerprint("one"), VERSION, machines.fingerprint("one"))


def storage_requests(machines: Machines) -> list[tuple[str | None, str | None]]:
    """Return ``Range`` and ``If-Range`` of every request to the storage host."""
    return [
        (exchange.range, exchange.headers.get("if-range"))
        for exchange in machines.sandbox.journal()
        if exchange.endpoint == "storage"
    ]


@pytest.mark.parametrize("reset", [None, "after_head"], ids=["closed", "reset"])
def test_a_broken_download_resumes_where_it_stopped(machines: Machines, size: int, reset: str | None) -> None:
    """Wherever the connection breaks, the same run requests the rest, if the file is still the same."""
    for offset in OFFSETS if reset is None else OFFSETS[::3]:
        machine = machines.create()
        machines.sandbox.clear_journal()
        machines.sandbox.fault("storage", truncate=offset % size, reset=reset)
        outcome = machine.run("install", key=machines.key("one"))
        assert outcome.value == machines.fingerprint("one"), (offset, outcome)
        first, second = storage_requests(machines)
        assert first == (None, None)
        received = 0 if second[0] is None else int(second[0].removeprefix("bytes=").removesuffix("-"))
        assert received == offset % size or (reset and received <= offset % size), (offset, second)
        assert bool(second[1]) == bool(second[0])
        assert machine.state() == installed_state(machines)


def test_a_later_process_resumes_an_abandoned_download(
    machines: Machines, machine: Machine, size: int
) -> None:
    """The received part stays on the disk, the error says so, and the next run requests only the rest."""
    machines.sandbox.fault("storage", truncate=50_000)
    machines.sandbox.fault("storage", html=True)
    outcome = machine.run("install", key=machines.key("one"))
    assert (outcome.error, outcome.expected) == ("CoreDownloadError", True)
    assert "are stored" in outcome.message
    assert "does not match" not in outcome.message
    assert machine.state() == NOTHING
    machines.sandbox.clear_faults()
    machines.sandbox.clear_journal()
    assert machine.run("install", key=machines.key("one")).error is None
    assert [count_requests for count_requests, _ in storage_requests(machines)] == ["bytes=50000-"]
    assert machine.state() == installed_state(machines)


def test_a_process_resumes_the_download_of_a_killed_one(
    machines: Machines, machine: Machine, size: int
) -> None:
    """kill -9 during a download loses at most the bytes in transit."""
    machines.sandbox.fault("storage", drip=1_000_000)
    child = machine.start("install", key=machines.key("one"))
    parts = machine.path / "nimbus" / "cache" / "downloads"
    wait_until(lambda: any(part.stat().st_size > 100_000 for part in parts.glob("*.part")))
    os.kill(child.pid, signal.SIGKILL)
    assert child.outcome().killed
    machines.sandbox.clear_journal()
    assert machine.run("install", key=machines.key("one")).error is None
    ((count_requests, _),) = storage_requests(machines)
    assert int(str(count_requests).removeprefix("bytes=").removesuffix("-")) > 100_000
    assert machine.state() == installed_state(machines)


def test_a_file_that_changed_meanwhile_is_downloaded_again(
    machines: Machines, machine: Machine, size: int
) -> None:
    """If the ETag of the part is not that of the file, the whole file is sent, and nothing is combined."""
    machines.sandbox.fault("storage", truncate=100_000, headers={"ETag": '"another-file"'})
    assert machine.run("install", key=machines.key("one")).error is None
    assert storage_requests(machines) == [(None, None), ("bytes=100000-", '"another-file"')]
    whole = [exchange.bytes_sent for exchange in machines.sandbox.journal() if exchange.endpoint == "storage"]
    assert whole == [100_000, size]
    assert machine.state() == installed_state(machines)


def test_a_part_of_another_release_is_never_used(machines: Machines, machine: Machine, size: int) -> None:
    """A release that was replaced under the same version is downloaded whole."""
    machines.sandbox.fault("storage", truncate=100_000)
    machines.sandbox.fault("storage", html=True)
    assert machine.run("install", key=machines.key("one")).error == "CoreDownloadError"
    machines.sandbox.clear_faults()
    machines.sandbox.publish(VERSION, padding=PADDING + 1)
    machines.sandbox.clear_journal()
    assert machine.run("install", key=machines.key("one")).error is None
    assert storage_requests(machines) == [(None, None)]


def test_wrong_content_is_not_reported_as_incomplete(machines: Machines, machine: Machine, size: int) -> None:
    """A wrong byte is an integrity error; nothing of it is stored, and nothing is installed."""
    machines.sandbox.fault("storage", corrupt_digest=True)
    outcome = machine.run("install", key=machines.key("one"))
    assert (outcome.error, outcome.expected) == ("CoreIntegrityError", True)
    assert "does not match what was published" in outcome.message
    assert "incomplete" not in outcome.message
    assert machine.state() == NOTHING
    machines.sandbox.clear_journal()
    assert machine.run("install", key=machines.key("one")).error is None
    assert storage_requests(machines) == [(None, None)]


def test_wrong_bytes_of_an_earlier_attempt_are_downloaded_again(
    machines: Machines, machine: Machine, size: int
) -> None:
    """A partial file that proves wrong when the rest arrives is downloaded again, and is no failure."""
    machines.sandbox.fault("storage", corrupt_digest=True, truncate=size - 10)
    outcome = machine.run("install", key=machines.key("one"))
    assert outcome.value == machines.fingerprint("one"), outcome
    assert [count_requests for count_requests, _ in storage_requests(machines)] == [
        None,
        f"bytes={size - 10}-",
        None,
    ]
    assert machine.state() == installed_state(machines)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"wrong_length": True}, "Instead of"),
        ({"raw_body": b"x" * 1000}, "Instead of"),
        ({"html": True}, "Instead of"),
        ({"status": 403, "times": 2}, "refused"),
        ({"redirect": "http://other.example/wheel"}, "is not followed"),
        ({"redirect": "ftp://other.example/wheel"}, "is not followed"),
    ],
    ids=["wrong length", "other content", "captive portal", "refused", "plain http", "no http"],
)
def test_a_response_that_is_not_the_wheel_is_refused(
    machines: Machines, machine: Machine, size: int, fault: dict[str, object], words: str
) -> None:
    """Another response instead of the file ends the install; the error names it, and nothing changes."""
    machines.sandbox.fault("storage", **fault)  # type: ignore[arg-type]
    outcome = machine.run("install", key=machines.key("one"), timeout=2)
    assert (outcome.error, outcome.expected) == ("CoreDownloadError", True)
    assert words in outcome.message
    assert machine.state() == NOTHING
    machines.sandbox.clear_faults()
    assert machine.run("install", key=machines.key("one")).error is None


def test_without_any_digest_nothing_is_downloaded(machines: Machines, machine: Machine) -> None:
    """An asset without a published SHA-256 is refused before a byte of it is downloaded."""
    machines.sandbox.publish(VERSION, digest=False, sums=False)
    outcome = machine.run("install", key=machines.key("one"))
    assert outcome.error == "CoreIntegrityError"
    assert "asset" not in [exchange.endpoint for exchange in machines.sandbox.journal()]
    machines.sandbox.publish(VERSION, digest=False, sums=True)
    assert machine.run("install", key=machines.key("one")).error is None


def test_the_token_stays_with_github_and_the_key_with_the_api(
    machines: Machines, machine: Machine, size: int
) -> None:
    """The storage host gets neither, GitHub only the token, and no URL contains a secret."""
    assert machine.run("install", key=machines.key("one")).error is None
    headers_of = {exchange.endpoint: exchange.headers for exchange in machines.sandbox.journal()}
    assert {name for name, headers in headers_of.items() if "authorization" in headers} == {
        "release",
        "asset",
    }
    assert {name for name, headers in headers_of.items() if "x-api-key" in headers} == {"github_token"}
    paths = [exchange.path for exchange in machines.sandbox.journal() if exchange.endpoint != "storage"]
    assert all("?" not in path for path in paths)


def test_a_slow_download_goes_on_as_long_as_bytes_arrive(machines: Machines, machine: Machine) -> None:
    """A timeout of three seconds is none for a body that takes five."""
    size = publish_wheel(machines, PADDING // 20)
    machines.sandbox.fault("storage", drip=size / 5)
    outcome = machine.run("install", key=machines.key("one"), timeout=3)
    assert outcome.value == machines.fingerprint("one"), outcome
    assert storage_requests(machines) == [(None, None)]


def test_a_download_that_falls_silent_ends(machines: Machines, machine: Machine) -> None:
    """Bytes that drip too slowly to count end it some seconds after the timeout; they are stored."""
    size = publish_wheel(machines, PADDING // 20)
    machines.sandbox.fault("storage", drip=20.0, times=None)
    outcome = machine.run("install", key=machines.key("one"), timeout=1)
    assert (outcome.error, outcome.expected) == ("CoreDownloadError", True)
    assert "are stored" in outcome.message
    sent = [exchange.bytes_sent for exchange in machines.sandbox.journal() if exchange.endpoint == "storage"]
    assert 0 < sum(sent) < size
    machines.sandbox.clear_faults()
    machines.sandbox.clear_journal()
    assert machine.run("install", key=machines.key("one")).error is None
    assert storage_requests(machines)[0][0] is not None
