"""The audit trail: what an entry says, that none is lost, and that a change shows."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import AuditTrailError, ConfigurationError, NimbusConnectionError, NimbusError
from nimbus_sdk.services.audit.entry import (
    GENESIS,
    AuditEntry,
    AuditOutcome,
    Position,
    encode_entry,
    encode_head,
)
from nimbus_sdk.services.audit.trail import AuditTrail, TrailFiles
from nimbus_sdk.services.audit.verify import latest, verify
from nimbus_sdk.storage import fs, trust
from tests.services.conftest import NIMBUS_OS_KEY, either_kind

FIELDS = {
    "format",
    "number",
    "when",
    "who",
    "host",
    "environment",
    "method",
    "path",
    "request_id",
    "key",
    "previous",
    "mac",
}
OUTCOME_FIELDS = {
    "format",
    "number",
    "call",
    "result",
    "status",
    "request_id",
    "duration_ms",
    "previous",
    "mac",
}
PATIENT = "Jane-Doe-1970-01-01"


def entry(path: str = "/orders") -> AuditEntry:
    """A call of no consequence."""
    return AuditEntry(
        when="2026-01-31T09:00:00.000Z",
        who="ada",
        host="127.0.0.1:1",
        environment="sandbox",
        method="GET",
        path=path,
        request_id="req_1",
        key="0123456789ab",
    )


@pytest.fixture
def folder(paths) -> Path:
    """Where the trail is."""
    return Path(paths.audit)


@pytest.fixture
def trail(paths) -> AuditTrail:
    """A trail whose files have room for about five entries each."""
    return AuditTrail(paths, "nimbus-os", max_bytes=1500)


def lines(folder: Path) -> list[dict]:
    """All that was written, oldest first."""
    files = [*sorted(folder.glob("nimbus-os.0*.jsonl")), folder / "nimbus-os.jsonl"]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def issues(paths) -> list[str]:
    """What verification finds, in words."""
    return [issue.what for issue in verify(paths, "nimbus-os").issues]


@either_kind
def test_an_entry_says_who_did_what_when(open_client, replies, folder, paths):
    """Every field of the duty is there, and nothing of payload, query or key."""
    replies.say("200 OK", {"patient": PATIENT})
    client = open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)
    client(
        "request", "post", "/orders", params={"name": PATIENT}, json={"patient": PATIENT}, request_id="req-9"
    )
    line, outcome = lines(folder)
    assert set(line) == FIELDS
    assert set(outcome) == OUTCOME_FIELDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["when"])
    import pwd

    assert line["who"] == pwd.getpwuid(os.geteuid()).pw_name
    assert line["host"] == replies.url.removeprefix("http://")
    assert (line["environment"], line["method"], line["path"]) == ("sandbox", "POST", "/orders")
    assert line["request_id"] == outcome["request_id"] == "req-9"
    assert (outcome["call"], outcome["result"], outcome["status"]) == (1, "answered", 200)
    assert line["key"] == hashlib.sha256(NIMBUS_OS_KEY.encode()).hexdigest()[:12]
    assert outcome["duration_ms"] > 0
    assert (line["number"], line["previous"]) == (1, GENESIS)
    text = "".join(file.read_text() for file in folder.iterdir())
    assert PATIENT not in text
    assert NIMBUS_OS_KEY not in text
    for file in folder.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert folder.stat().st_mode & 0o777 == 0o700
    assert verify(paths, "nimbus-os")


def test_who_is_not_what_the_environment_says(open_client, replies, folder, monkeypatch):
    """USER and LOGNAME can name anybody, so they are not asked."""
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    replies.say("200 OK", {})
    open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)("request", "GET", "/orders")
    assert lines(folder)[0]["who"] != "somebody-else"


@either_kind
def test_failed_calls_are_recorded_too(open_client, box, folder, paths):
    """A refusal with its status and the service's request id; a lost response with neither."""
    client = open_client(
        "NimbusOS", box.new_nimbus_os_key(permissions=["orders:write"]), base_url=box.nimbus_os_url()
    )
    with pytest.raises(NimbusError) as refused:
        client("request", "GET", "/orders")
    box.fault("nimbus_os", reset="after_work", times=None)
    with pytest.raises(NimbusError):
        client("request", "POST", "/orders", json={"item": "gel"}, request_id="mine")
    first, second = (call.outcome for call in latest(paths, "nimbus-os", 2))
    assert first is not None
    assert (first.result, first.status) == ("answered", 403)
    assert first.request_id == refused.value.request_id  # type: ignore[attr-defined]
    assert second is not None
    assert (second.result, second.status, second.request_id) == ("no response", None, "mine")
    assert verify(paths, "nimbus-os")


def test_a_cancelled_call_is_recorded(box, paths):
    """It may have been carried out; the task ends as cancelled all the same."""
    box.fault("nimbus_os", delay=3.0)

    async def main() -> None:
        async with services.AsyncNimbusOS(box.new_nimbus_os_key(), base_url=box.nimbus_os_url()) as client:
            task = asyncio.create_task(client.request("GET", "/orders"))
            while not box.journal():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    (call,) = latest(paths, "nimbus-os", 2)
    assert call.describe() == "no response"


@either_kind
def test_what_cannot_be_recorded_is_not_done(open_client, replies, folder):
    """A trail that is a link to somewhere else stops the call before it is made."""
    folder.mkdir(parents=True)
    (folder / "nimbus-os.jsonl").symlink_to(folder / "elsewhere")
    with pytest.raises(AuditTrailError, match="no call was made") as caught:
        open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)("request", "GET", "/orders")
    assert caught.value.exit_code == 13
    assert replies.server.connections == 0


def test_nothing_to_record_leaves_no_entry(open_client, replies, folder):
    """No key and no path: no call was made."""
    with pytest.raises(NimbusError):
        open_client("NimbusOS", base_url=replies.url)("request", "GET", "/orders")
    with pytest.raises(NimbusError):
        open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)("request", "GET", "/../orders")
    assert not (folder / "nimbus-os.jsonl").exists()


def test_a_full_disk_leaves_a_whole_trail(trail, folder, paths, monkeypatch):
    """Half a line is removed again, the error says whether the call was made, and the next entry fits."""
    trail.begin(entry())
    real = fs.write_all

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(fs, "write_all", full)
        with pytest.raises(AuditTrailError, match=r"No space left.*no call was made"):
            trail.begin(entry())
        with pytest.raises(AuditTrailError, match=r"request req_1.*outcome.*No space left"):
            trail.end(AuditOutcome(call=1, result="answered", status=200, request_id="req_1"))
    assert fs.write_all is real
    trail.begin(entry())
    assert [line["number"] for line in lines(folder)] == [1, 2]
    assert verify(paths, "nimbus-os")


def test_each_entry_carries_the_mac_of_the_one_before_across_files(trail, folder, paths):
    """The chain goes on in the next file, and full files are never touched again."""
    for number in range(17):
        trail.begin(entry(f"/orders/{number}"))
    written = lines(folder)
    assert [line["number"] for line in written] == list(range(1, 18))
    assert [line["previous"] for line in written[1:]] == [line["mac"] for line in written[:-1]]
    report = verify(paths, "nimbus-os")
    assert report
    assert report.entries == 17
    assert report.files[:2] == ("nimbus-os.000001.jsonl", "nimbus-os.000002.jsonl")
    assert report.digest == written[-1]["mac"]
    assert [call.entry.path for call in latest(paths, "nimbus-os", 2)] == ["/orders/15", "/orders/16"]


def test_an_empty_trail_is_whole(paths):
    """Nothing was called yet, and nothing is made by looking."""
    report = verify(paths, "nimbus-os")
    assert (bool(report), report.entries, report.files) == (True, 0, ())
    assert latest(paths, "nimbus-os", 5) == ()
    assert not Path(paths.audit).exists()


@pytest.mark.parametrize("victim", range(1, 13))
def test_a_removed_entry_shows_wherever_it_was(trail, folder, paths, victim):
    """First, last, at the seam of two files, in the middle: the report names its number and place."""
    for number in range(12):
        trail.begin(entry(f"/orders/{number}"))
    for file in folder.glob("*.jsonl"):
        rest = [line for line in file.read_text().splitlines() if json.loads(line)["number"] != victim]
        file.write_text("".join(f"{line}\n" for line in rest))
    report = verify(paths, "nimbus-os")
    assert not report
    assert any(f"entry {victim} " in issue.what and "removed" in issue.what for issue in report.issues)
    assert len(report.issues) == 1


@pytest.mark.parametrize("victim", range(1, 13))
def test_a_changed_entry_shows_wherever_it_is(trail, folder, paths, victim):
    """One letter of one line: the report names that line."""
    for number in range(12):
        trail.begin(entry(f"/orders/{number}"))
    for file in folder.glob("*.jsonl"):
        changed = [
            line.replace('"ada"', '"eve"') if json.loads(line)["number"] == victim else line
            for line in file.read_text().splitlines()
        ]
        file.write_text("".join(f"{line}\n" for line in changed))
    (issue,) = verify(paths, "nimbus-os").issues
    assert issue.what.startswith(f"entry {victim}")
    assert "changed" in issue.what
    assert '"eve"' in (folder / issue.file).read_text().splitlines()[issue.line - 1]


def test_a_chain_that_was_written_anew_shows(trail, folder, paths):
    """Whoever changes an entry and links every one after it anew lacks the secret of the MACs."""
    for number in range(3):
        trail.begin(entry(f"/orders/{number}"))
    file = folder / "nimbus-os.jsonl"
    first, second, third = file.read_text().splitlines()
    second = relinked(second, json.loads(first)["mac"], who="eve")
    third = relinked(third, json.loads(second)["mac"])
    file.write_text("".join(f"{text}\n" for text in (first, second, third)))
    assert issues(paths) == [f"entry {number}: changed after it was written" for number in (2, 3)]


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda text, head: (text + text.splitlines()[0] + "\n", head), "entry 1: out of its place"),
        (lambda text, head: ("".join(text.splitlines(True)[::-1]), head), "removed"),
        (lambda text, head: (text, None), "the head record is missing"),
        (lambda text, head: (text, head.replace('"number": 3', '"number": 2')), "the head record is missing"),
        (lambda text, head: ("", head), "entries 1 to 3 at the end: removed"),
        (lambda text, head: (None, head), "entries 1 to 3 at the end: removed"),
        (lambda text, head: (text.replace("{", "[", 1), head), "no entry"),
        (lambda text, head: (text[:-30], head), "no entry"),
        (lambda text, head: (text + "garbage\n", head), "no entry"),
        (lambda text, head: (text.replace('"number":1', '"number":true'), head), "no entry"),
    ],
)
def test_other_damage_shows_too(trail, folder, paths, damage, what):
    """Copied, reversed, emptied, deleted, cut, garbled; and a head record that was lost or forged."""
    for number in range(3):
        trail.begin(entry(f"/orders/{number}"))
    file, head = folder / "nimbus-os.jsonl", folder / "nimbus-os.head"
    text, record = damage(file.read_text(), head.read_text())
    for path, content in ((file, text), (head, record)):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
    found = issues(paths)
    assert any(what in issue for issue in found), found


@pytest.mark.parametrize("hide", ["cut", "forge", "behead", "empty and behead"])
def test_damage_is_not_healed_by_what_is_written_afterwards(trail, folder, paths, hide):
    """The next entry refers to what the head record names, so the break stays for everyone to see."""
    for number in range(3):
        trail.begin(entry(f"/orders/{number}"))
    file = folder / "nimbus-os.jsonl"
    rest = file.read_text().splitlines(keepends=True)
    if hide == "cut":
        file.write_text("".join(rest[:-1]))
    elif hide == "forge":
        for number in (4, 5, 6):
            rest.append(forged(rest[-1], number) + "\n")
        file.write_text("".join(rest))
    else:
        (folder / "nimbus-os.head").unlink()
    if hide == "empty and behead":
        file.write_bytes(b"")
    for _ in range(2):
        trail.begin(entry("/afterwards"))
        assert issues(paths)


def test_a_crash_between_entry_and_head_is_no_damage(trail, folder, paths):
    """The head record is one entry behind then; the next is written as if nothing had happened."""
    trail.begin(entry())
    head = (folder / "nimbus-os.head").read_bytes()
    trail.begin(entry())
    (folder / "nimbus-os.head").write_bytes(head)
    assert verify(paths, "nimbus-os")
    trail.begin(entry())
    assert verify(paths, "nimbus-os")
    assert [line["number"] for line in lines(folder)] == [1, 2, 3]


def test_two_crashes_in_a_row_are_no_damage(trail, folder, paths, monkeypatch):
    """A writer that finds the head behind catches up first: never is more than one entry beyond it."""

    class Killed(BaseException):
        pass

    def append_and_die(last: int) -> None:
        def killed(self: TrailFiles, end: Position, secret: bytes) -> None:
            if end.number == last:
                raise Killed
            write_head(self, end, secret)

        with monkeypatch.context() as patch:
            patch.setattr(TrailFiles, "write_head", killed)
            trail.begin(entry())

    write_head = TrailFiles.write_head
    trail.begin(entry())
    for number in (2, 3):
        with pytest.raises(Killed):
            append_and_die(number)
        assert verify(paths, "nimbus-os")
    trail.begin(entry())
    assert verify(paths, "nimbus-os")
    assert [line["number"] for line in lines(folder)] == [1, 2, 3, 4]


def test_a_genuine_entry_of_another_chain_shows(trail, folder, paths):
    """It was written under the same secret, and refers to another entry than the one before it."""
    trail.begin(entry())
    secret = Path(paths.seal).read_bytes()
    line, end = encode_entry(entry("/other"), Position(1, "f" * 64), secret)
    with (folder / "nimbus-os.jsonl").open("ab") as stream:
        stream.write(line + b"\n")
    (folder / "nimbus-os.head").write_bytes(encode_head(end, secret))
    assert issues(paths) == ["entry 2: does not follow the one before it"]


def test_a_head_that_was_put_back_shows(trail, folder, paths):
    """Only the last entry can be beyond the head; an older head record was somebody's doing."""
    trail.begin(entry())
    head = (folder / "nimbus-os.head").read_bytes()
    for _ in range(2):
        trail.begin(entry())
    (folder / "nimbus-os.head").write_bytes(head)
    assert issues(paths) == ["the head record is older than entries 2 to 3"]


def test_an_end_that_was_put_back_shows(trail, folder, paths):
    """An entry of the same number that was written here before another one is not the one that counts."""
    file, head = folder / "nimbus-os.jsonl", folder / "nimbus-os.head"
    trail.begin(entry())
    before = file.read_bytes(), head.read_bytes()
    trail.begin(entry("/first"))
    rest = file.read_bytes()
    file.write_bytes(before[0])
    head.write_bytes(before[1])
    trail.begin(entry("/second"))
    file.write_bytes(rest)
    assert issues(paths) == ["entry 2, the last: not the one that was written here"]


def test_an_entry_that_a_kill_cut_short_is_no_damage(trail, folder, paths):
    """Nothing was sent after half an entry: it is removed, and the next follows the last whole one."""
    trail.begin(entry())
    head = (folder / "nimbus-os.head").read_bytes()
    trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    (folder / "nimbus-os.head").write_bytes(head)
    assert verify(paths, "nimbus-os").entries == 1
    assert verify(paths, "nimbus-os")
    trail.begin(entry())
    assert verify(paths, "nimbus-os").entries == 2
    assert verify(paths, "nimbus-os")


def test_an_entry_that_was_cut_short_after_its_head_was_written_shows(trail, folder, paths):
    """What the head names was whole once, so half of it stays where it is, and is named."""
    for _ in range(2):
        trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    assert issues(paths) == ["no entry: overwritten, or cut short by a power failure"]
    trail.begin(entry())
    assert issues(paths) == ["no entry: overwritten, or cut short by a power failure"]


CROWD = """
import os, random, signal, sys, time
from pathlib import Path
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.services.audit.entry import AuditEntry
from nimbus_sdk.config.settings import Settings

processes, turns, kill = (int(argument) for argument in sys.argv[1:])
paths = Settings.load().paths
begin, ready = os.pipe()
writers = []
for number in range(processes):
    writer = os.fork()
    if not writer:
        os.close(ready)
        os.read(begin, 1)
        trail = AuditTrail(paths, "nimbus-os", max_bytes=4000)
        for turn in range(turns):
            trail.begin(AuditEntry(when="2026-01-31T09:00:00.000Z", who="ada", host="127.0.0.1:1",
                environment="sandbox", method="GET", path=f"/{number}/{turn}",
                request_id="req_1", key="0123456789ab"))
        os._exit(0)
    writers.append(writer)
os.close(ready)
# They are killed once all of them have had time to write something.
while kill and sum(file.read_bytes().count(b"\\n") for file in Path(paths.audit).glob("*.jsonl")) <= 20:
    time.sleep(0.01)
chance = random.Random(7)
for writer in writers if kill else []:
    time.sleep(chance.uniform(0.03, 0.1))
    os.kill(writer, signal.SIGKILL)
ends = {os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) for writer in writers}
assert ends == ({-signal.SIGKILL} if kill else {0}), ends
"""


def crowd(processes: int, turns: int, *, kill: int) -> None:
    """So many processes that begin to write at the same moment; some to be killed while they do."""
    command = [sys.executable, "-c", CROWD, str(processes), str(turns), str(kill)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("processes", "turns"), [(8, 8), pytest.param(40, 3, marks=pytest.mark.qualification)]
)
def test_many_processes_write_one_trail(folder, paths, processes, turns):
    """No line is lost, doubled or torn, the chain holds, over every change of file."""
    crowd(processes, turns, kill=0)
    report = verify(paths, "nimbus-os")
    assert report, report.issues
    assert report.entries == processes * turns
    assert len(report.files) > 5
    paths = [line["path"] for line in lines(folder)]
    assert sorted(paths) == sorted(
        f"/{number}/{turn}" for number in range(processes) for turn in range(turns)
    )


@pytest.mark.parametrize("writers", [3, pytest.param(12, marks=pytest.mark.qualification)])
def test_writers_that_are_killed_break_nothing(paths, writers):
    """Whoever dies in the middle of a line leaves a trail that the others go on with."""
    crowd(writers, 100_000, kill=1)
    before = verify(paths, "nimbus-os")
    assert before, before.issues
    assert before.entries > 20
    AuditTrail(paths, "nimbus-os").begin(entry("/afterwards"))
    after = verify(paths, "nimbus-os")
    assert after, after.issues
    assert after.entries == before.entries + 1


def test_many_threads_write_one_trail(paths):
    """One client in many threads, and several trails of one process."""
    from concurrent.futures import ThreadPoolExecutor

    trails = [AuditTrail(paths, "nimbus-os", max_bytes=4000) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: trails[number % 3].begin(entry(f"/{number}")), range(60)))
    report = verify(paths, "nimbus-os")
    assert report
    assert report.entries == 60


@pytest.mark.parametrize("name", ["nimbus-os.jsonl", "nimbus-os.head"])
def test_a_trail_of_a_newer_version_stays_where_it_is(trail, folder, paths, name):
    """It is not taken for a forgery; no call is made, and nothing is written."""
    trail.begin(entry())
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace('"format":2', '"format":3').replace('"format": 2', '"format": 3'))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    newer = "newer version of the SDK"
    with pytest.raises(AuditTrailError, match=newer):
        trail.begin(entry())
    with pytest.raises(AuditTrailError, match=newer):
        verify(paths, "nimbus-os")
    if name == "nimbus-os.jsonl":
        with pytest.raises(AuditTrailError, match=newer):
            latest(paths, "nimbus-os", 5)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_trail_that_stays_locked_is_reported(trail, paths, folder, monkeypatch):
    """A lock that is never released ends a call with an error, and leaves the trail as it was."""
    from nimbus_sdk.services.audit import trail as writing
    from nimbus_sdk.services.audit import verify as reading
    from nimbus_sdk.storage.lock import Lock

    trail.begin(entry())
    monkeypatch.setattr(writing, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.05)
    with Lock(str(folder / "nimbus-os.lock")) as lock:
        assert lock.try_acquire()
        with pytest.raises(AuditTrailError, match="another process holds"):
            trail.begin(entry())
        with pytest.raises(AuditTrailError, match="cannot be read"):
            verify(paths, "nimbus-os")
    assert verify(paths, "nimbus-os").entries == 1


def test_a_trail_that_cannot_be_written_when_cancelled_is_logged(box, folder, monkeypatch, caplog):
    """The task ends as cancelled; what could not be recorded is at least in the log."""
    box.fault("nimbus_os", delay=3.0)
    url, key = box.nimbus_os_url(), box.new_nimbus_os_key()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    async def main() -> None:
        async with services.AsyncNimbusOS(key, base_url=url) as client:
            task = asyncio.create_task(client.request("GET", "/orders"))
            while not box.journal():
                await asyncio.sleep(0.01)
            monkeypatch.setattr(fs, "write_all", full)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert "No space left" in caplog.text
    assert key not in caplog.text


def test_a_readable_trail_is_made_private_and_a_shared_one_is_refused(trail, folder):
    """Other users see nothing of it; a hard link to another file is no trail."""
    trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    file.chmod(0o644)
    trail.begin(entry())
    assert file.stat().st_mode & 0o777 == 0o600
    os.link(file, folder / "other")
    with pytest.raises(AuditTrailError, match="is a link"):
        trail.begin(entry())


def test_a_user_without_a_name_is_known_by_number(open_client, replies, folder, monkeypatch):
    """A container may run under a number that no user database has."""
    import pwd

    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    replies.say("200 OK", {})
    open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)("request", "GET", "/orders")
    assert lines(folder)[0]["who"] == f"uid {os.geteuid()}"


def test_a_beginning_that_was_replaced_shows(trail, folder, paths):
    """A first entry that refers to another one was not written as the first, and the rest is missed."""
    for number in range(5):
        trail.begin(entry(f"/orders/{number}"))
    file = folder / "nimbus-os.jsonl"
    first = file.read_text().splitlines()[0]
    file.write_text(relinked(first, "f" * 64) + "\n")
    assert issues(paths) == ["entry 1: changed after it was written", "entries 2 to 5 at the end: removed"]


def relinked(line: str, previous: str, **changes: object) -> str:
    """An entry that refers to another one, with a MAC as good as it can be without the secret."""
    content = {**json.loads(line), "previous": previous, "mac": "", **changes}
    content["mac"] = content["mac"] or hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return json.dumps(content, separators=(",", ":"))


def forged(line: str, number: int, **changes: object) -> str:
    """An entry that follows another as well as it can be made to without the secret."""
    return relinked(line, json.loads(line)["mac"], number=number, **changes)


@pytest.mark.parametrize("mac", [{}, {"mac": "0" * 64}, {"mac": "ä"}])
def test_one_forged_entry_is_not_taken_for_what_a_crash_leaves(trail, folder, paths, mac):
    """A fitting number and link are not enough, and the next call does not build on it."""
    trail.begin(entry())
    trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    last = file.read_text().splitlines()[-1]
    with file.open("a") as stream:
        stream.write(forged(last, 3, who="mallory", **mac) + "\n")
    assert issues(paths) == ["entry 3: not written by the SDK"]
    trail.begin(entry("/afterwards"))
    assert issues(paths)


def test_a_changed_last_entry_is_not_covered_by_one_more(trail, folder, paths):
    """The links fit, the head's number fits, and still somebody has rewritten the end."""
    trail.begin(entry())
    trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    first, last = file.read_text().splitlines()
    changed = last.replace('"ada"', '"eve"')
    file.write_text(f"{first}\n{changed}\n{forged(changed, 3)}\n")
    assert issues(paths) == ["entry 2: changed after it was written", "entry 3: not written by the SDK"]


@pytest.mark.parametrize("end", ['"}', '","who":"eve"}', '", "who": "eve"}'])
def test_an_entry_without_its_mac_or_with_more_behind_it_shows(trail, folder, paths, end):
    """The MAC is over the whole line, so nothing can be added where it does not reach."""
    trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    line = file.read_text().rstrip("\n")
    body, _, mac = line.removesuffix('"}').rpartition(',"mac":"')
    file.write_text(f'{body},"mac":"{mac}{end}\n' if "who" in end else f"{body}}}\n")
    (issue,) = issues(paths)
    assert issue.startswith("entry 1: changed" if "who" in end else "no entry")


def test_another_installations_trail_is_none(trail, folder, paths):
    """Entries and head record under another secret are whole where they were written, and nowhere else."""
    for _ in range(2):
        trail.begin(entry())
    Path(paths.seal).write_text("0" * 64)
    assert any("the head record is missing or was not made here" in issue for issue in issues(paths))
    assert sum("changed after it was written" in issue for issue in issues(paths)) == 2


def test_entries_beyond_the_head_were_not_written_by_the_sdk(trail, folder, paths):
    """Of a chain that somebody else has continued, each added entry is named."""
    trail.begin(entry())
    file = folder / "nimbus-os.jsonl"
    line = file.read_text().rstrip("\n")
    for number in (2, 3):
        line = forged(line, number)
        with file.open("a") as stream:
            stream.write(f"{line}\n")
    assert issues(paths) == ["entry 2: not written by the SDK", "entry 3: not written by the SDK"]


def test_ctrl_c_in_the_middle_of_a_call_is_recorded(folder):
    """The request may have been sent; the interrupt is passed on."""

    class Pressed:
        def send(self, call, deadline):
            raise KeyboardInterrupt

        def close(self):
            pass

    with services.NimbusOS(NIMBUS_OS_KEY, transport=Pressed()) as client, pytest.raises(KeyboardInterrupt):
        client.request("GET", "/orders")
    line, outcome = lines(folder)
    assert (line["path"], outcome["result"], outcome["status"]) == ("/orders", "no response", None)


@either_kind
def test_what_was_certainly_never_sent_says_so(open_client, replies, folder, paths, monkeypatch):
    """What JSON cannot express; in offline mode there is no call at all, and no entry."""
    client = open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        client("request", "POST", "/orders", json={"amount": float("nan")})
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    with pytest.raises(NimbusConnectionError, match="Offline mode"):
        client("request", "DELETE", "/orders/1")
    (call,) = latest(paths, "nimbus-os", 5)
    assert (call.entry.method, call.describe()) == ("POST", "not sent")
    assert replies.server.requests == []


KILLED_AT = """
import os, signal
from nimbus_sdk.services import NimbusOS
from nimbus_sdk.transport.flow import Response

class Answering:
    def send(self, call, deadline):
        return Response(status=200, headers={}, body=b"{}")
    def close(self):
        pass

def die(real):
    # Before a step, in the middle of a write, and after it.
    def step(*arguments, **options):
        global left
        left -= 1
        # The head is 256 bytes within one page of the system's cache, which are written as a whole.
        if left == 0 and real is write and len(arguments[1]) != 256:
            write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return step

write = os.write
names = ("open", "write", "fsync", "replace", "link", "unlink", "mkdir", "ftruncate")
real = {name: getattr(os, name) for name in names}
point = 0
while True:
    point += 1
    child = os.fork()
    if not child:
        os.environ["NIMBUS_SDK_HOME"] = f"{os.getcwd()}/{point}"
        with NimbusOS("sk_test_abc123xyz789def456ghi", transport=Answering()) as client:
            left = 10**9
            for _ in range(BEFORE):
                client.request("GET", "/before")
            left = point
            for name, function in real.items():
                setattr(os, name, die(function))
            client.request("GET", "/patients/1")
        os._exit(0)
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if end != -signal.SIGKILL:
        break
assert end == 0, end
print(point)
"""


@pytest.mark.parametrize("before", [0, 1])
def test_a_kill_at_any_step_of_a_call_raises_no_alarm(forked, tmp_path, before):
    """Of the first call of all, and of the second; the next call goes on as if nothing had happened."""
    done = forked(f"import os; os.chdir({str(tmp_path)!r}); BEFORE = {before}\n{KILLED_AT}")
    points = int(done.stdout)
    assert points > 15
    for point in range(1, points):
        paths = Settings(home=str(tmp_path / str(point))).paths
        report = verify(paths, "nimbus-os")
        assert report, (point, report.issues)
        trail = AuditTrail(paths, "nimbus-os")
        trail.end(AuditOutcome(call=trail.begin(entry("/after")), result="answered", status=200))
        after = verify(paths, "nimbus-os")
        assert after, (point, after.issues)
        assert after.calls == report.calls + 1
        assert after.without_outcome == report.without_outcome


def test_a_trail_of_format_1_goes_on(trail, folder, paths):
    """There, a call and its outcome were one entry."""
    secret = trust.create_once(paths.seal, b"0" * 64, paths.state_root)
    content = {"format": 1, "number": 1, **asdict(entry()), "status": 404, "duration_ms": 1.5}
    body = json.dumps({**content, "previous": GENESIS}, separators=(",", ":"))[:-1]
    mac = hmac.digest(secret, b"nimbus-sdk audit entry " + body.encode(), "sha256").hex()
    folder.mkdir(parents=True)
    (folder / "nimbus-os.jsonl").write_text(f'{body},"mac":"{mac}"}}\n')
    (folder / "nimbus-os.head").write_bytes(encode_head(Position(1, mac), secret))
    trail.begin(entry())
    report = verify(paths, "nimbus-os")
    assert report, report.issues
    assert (report.entries, report.calls, report.without_outcome) == (2, 2, 1)
    old, _ = latest(paths, "nimbus-os", 5)
    assert old.outcome == AuditOutcome(
        call=1, result="answered", status=404, request_id="req_1", duration_ms=1.5
    )


@pytest.mark.parametrize("name", ["nimbus-os.jsonl", "nimbus-os.head"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_in_place_of_the_trail_is_refused(trail, folder, paths, name):
    """Neither a call nor a reader waits for somebody to write into it."""
    trail.begin(entry())
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(AuditTrailError):
        trail.begin(entry())
    with pytest.raises(AuditTrailError):
        verify(paths, "nimbus-os")


def test_a_folder_that_others_can_write_is_closed_before_anything_is_written(trail, folder):
    """Nobody else could exchange the folder of the trail for another."""
    folder.parent.mkdir(parents=True)
    folder.parent.chmod(0o777)
    trail.begin(entry())
    assert folder.parent.stat().st_mode & 0o022 == 0
