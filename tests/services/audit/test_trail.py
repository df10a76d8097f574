"""The audit trail: what an entry says, that none is lost, and that a change shows."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nimbus_sdk import services
from nimbus_sdk.errors import AuditTrailError, ConfigurationError, NimbusConnectionError, NimbusError
from nimbus_sdk.services.audit import files
from nimbus_sdk.services.audit.entry import GENESIS, AuditEntry, Position, encode_entry, encode_head
from nimbus_sdk.services.audit.trail import AuditTrail
from nimbus_sdk.services.audit.verify import latest, verify
from tests.services.conftest import NIMBUS_OS_KEY, both_kinds

FIELDS = {
    "format",
    "number",
    "when",
    "who",
    "host",
    "environment",
    "method",
    "path",
    "status",
    "request_id",
    "key",
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
        status=200,
        request_id="req_1",
        key="0123456789ab",
        duration_ms=1.5,
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


@both_kinds
def test_an_entry_says_who_did_what_when(open_client, replies, folder, paths):
    """Every field of the duty is there, and nothing of payload, query or key."""
    replies.say("200 OK", {"patient": PATIENT})
    client = open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)
    client(
        "request", "post", "/orders", params={"name": PATIENT}, json={"patient": PATIENT}, request_id="req-9"
    )
    (line,) = lines(folder)
    assert set(line) == FIELDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["when"])
    import pwd

    assert line["who"] == pwd.getpwuid(os.geteuid()).pw_name
    assert line["host"] == replies.url.removeprefix("http://")
    assert (line["environment"], line["method"], line["path"]) == ("sandbox", "POST", "/orders")
    assert (line["status"], line["request_id"]) == (200, "req-9")
    assert line["key"] == hashlib.sha256(NIMBUS_OS_KEY.encode()).hexdigest()[:12]
    assert line["duration_ms"] > 0
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


@both_kinds
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
    first, second = lines(folder)
    assert (first["status"], first["request_id"]) == (403, refused.value.request_id)  # type: ignore[attr-defined]
    assert (second["status"], second["request_id"]) == (None, "mine")
    assert verify(paths, "nimbus-os")


def test_a_cancelled_call_is_recorded(box, folder):
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
    (line,) = lines(folder)
    assert line["status"] is None


@both_kinds
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
    """Half a line is removed again, the error names the call, and the next entry fits."""
    trail.append(entry())
    real = files.fs.write_all  # type: ignore[attr-defined]

    def full(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.fs, "write_all", full)  # type: ignore[attr-defined]
        with pytest.raises(AuditTrailError, match=r"request req_1.*No space left"):
            trail.append(entry())
    assert files.fs.write_all is real  # type: ignore[attr-defined]
    trail.append(entry())
    assert [line["number"] for line in lines(folder)] == [1, 2]
    assert verify(paths, "nimbus-os")


def test_each_entry_carries_the_mac_of_the_one_before_across_files(trail, folder, paths):
    """The chain goes on in the next file, and full files are never touched again."""
    for number in range(17):
        trail.append(entry(f"/orders/{number}"))
    written = lines(folder)
    assert [line["number"] for line in written] == list(range(1, 18))
    assert [line["previous"] for line in written[1:]] == [line["mac"] for line in written[:-1]]
    report = verify(paths, "nimbus-os")
    assert report
    assert report.entries == 17
    assert report.files[:2] == ("nimbus-os.000001.jsonl", "nimbus-os.000002.jsonl")
    assert report.digest == written[-1]["mac"]
    assert [line.entry.path for line in latest(paths, "nimbus-os", 2)] == ["/orders/15", "/orders/16"]


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
        trail.append(entry(f"/orders/{number}"))
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
        trail.append(entry(f"/orders/{number}"))
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
        trail.append(entry(f"/orders/{number}"))
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
        trail.append(entry(f"/orders/{number}"))
    file, head = folder / "nimbus-os.jsonl", folder / "nimbus-os.head"
    text, record = damage(file.read_text(), head.read_text())
    for path, content in ((file, text), (head, record)):
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
    found = issues(paths)
    assert any(what in issue for issue in found), found


@pytest.mark.parametrize("hide", ["cut", "forge", "behead"])
def test_damage_is_not_healed_by_what_is_written_afterwards(trail, folder, paths, hide):
    """The next entry refers to what the head record names, so the break stays for everyone to see."""
    for number in range(3):
        trail.append(entry(f"/orders/{number}"))
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
    trail.append(entry("/afterwards"))
    assert issues(paths)


def test_a_crash_between_entry_and_head_is_no_damage(trail, folder, paths):
    """The head record is one entry behind then; the next is written as if nothing had happened."""
    trail.append(entry())
    head = (folder / "nimbus-os.head").read_bytes()
    trail.append(entry())
    (folder / "nimbus-os.head").write_bytes(head)
    assert verify(paths, "nimbus-os")
    trail.append(entry())
    assert verify(paths, "nimbus-os")
    assert [line["number"] for line in lines(folder)] == [1, 2, 3]


def test_two_crashes_in_a_row_are_no_damage(trail, folder, paths, monkeypatch):
    """A writer that finds the head behind catches up first: never is more than one entry beyond it."""

    class Killed(BaseException):
        pass

    def append_and_die(last: int) -> None:
        def killed(self: files.TrailFiles, end: Position, secret: bytes) -> None:
            if end.number == last:
                raise Killed
            write_head(self, end, secret)

        with monkeypatch.context() as patch:
            patch.setattr(files.TrailFiles, "write_head", killed)
            trail.append(entry())

    write_head = files.TrailFiles.write_head
    trail.append(entry())
    for number in (2, 3):
        with pytest.raises(Killed):
            append_and_die(number)
        assert verify(paths, "nimbus-os")
    trail.append(entry())
    assert verify(paths, "nimbus-os")
    assert [line["number"] for line in lines(folder)] == [1, 2, 3, 4]


def test_a_genuine_entry_of_another_chain_shows(trail, folder, paths):
    """It was written under the same secret, and refers to another entry than the one before it."""
    trail.append(entry())
    secret = Path(paths.seal).read_bytes()
    line, end = encode_entry(entry("/other"), Position(1, "f" * 64), secret)
    with (folder / "nimbus-os.jsonl").open("ab") as stream:
        stream.write(line + b"\n")
    (folder / "nimbus-os.head").write_bytes(encode_head(end, secret))
    assert issues(paths) == ["entry 2: does not follow the one before it"]


def test_a_head_that_was_put_back_shows(trail, folder, paths):
    """Only the last entry can be beyond the head; an older head record was somebody's doing."""
    trail.append(entry())
    head = (folder / "nimbus-os.head").read_bytes()
    for _ in range(2):
        trail.append(entry())
    (folder / "nimbus-os.head").write_bytes(head)
    assert issues(paths) == ["the head record is older than entries 2 to 3"]


def test_an_end_that_was_put_back_shows(trail, folder, paths):
    """An entry of the same number that was written here before another one is not the one that counts."""
    file, head = folder / "nimbus-os.jsonl", folder / "nimbus-os.head"
    trail.append(entry())
    before = file.read_bytes(), head.read_bytes()
    trail.append(entry("/first"))
    rest = file.read_bytes()
    file.write_bytes(before[0])
    head.write_bytes(before[1])
    trail.append(entry("/second"))
    file.write_bytes(rest)
    assert issues(paths) == ["entry 2, the last: not the one that was written here"]


def test_an_entry_that_a_power_failure_cut_short_is_named_and_nothing_else_is(trail, folder, paths):
    """The next entry begins a line of its own, and carries the MAC of the last whole one."""
    trail.append(entry())
    head = (folder / "nimbus-os.head").read_bytes()
    trail.append(entry())
    file = folder / "nimbus-os.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    (folder / "nimbus-os.head").write_bytes(head)
    trail.append(entry())
    report = verify(paths, "nimbus-os")
    assert [(issue.line, issue.what[:8]) for issue in report.issues] == [(2, "no entry")]
    assert report.entries == 2


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
            trail.append(AuditEntry(when="2026-01-31T09:00:00.000Z", who="ada", host="127.0.0.1:1",
                environment="sandbox", method="GET", path=f"/{number}/{turn}", status=200,
                request_id="req_1", key="0123456789ab", duration_ms=1.5))
        os._exit(0)
    writers.append(writer)
os.close(ready)
# They are killed once all of them have had time to write something.
while kill and sum(file.read_bytes().count(b"\\n") for file in Path(paths.audit).glob("*.jsonl")) <= 20:
    time.sleep(0.01)
chance = random.Random(7)
for writer in writers if kill else []:
    time.sleep(chance.uniform(0.05, 0.2))
    os.kill(writer, signal.SIGKILL)
ends = {os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) for writer in writers}
assert ends == ({-signal.SIGKILL} if kill else {0}), ends
"""


def crowd(processes: int, turns: int, *, kill: int) -> None:
    """So many processes that begin to write at the same moment; some to be killed while they do."""
    command = [sys.executable, "-c", CROWD, str(processes), str(turns), str(kill)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_forty_processes_write_one_trail(folder, paths):
    """No line is lost, doubled or torn, the chain holds, over every change of file."""
    crowd(40, 3, kill=0)
    report = verify(paths, "nimbus-os")
    assert report, report.issues
    assert report.entries == 120
    assert len(report.files) > 5
    paths = [line["path"] for line in lines(folder)]
    assert sorted(paths) == sorted(f"/{number}/{turn}" for number in range(40) for turn in range(3))


def test_writers_that_are_killed_break_nothing(paths):
    """Whoever dies in the middle of a line leaves a trail that the others go on with."""
    crowd(6, 100_000, kill=1)
    before = verify(paths, "nimbus-os")
    assert before, before.issues
    assert before.entries > 20
    AuditTrail(paths, "nimbus-os").append(entry("/afterwards"))
    after = verify(paths, "nimbus-os")
    assert after, after.issues
    assert after.entries == before.entries + 1


def test_many_threads_write_one_trail(paths):
    """One client in many threads, and several trails of one process."""
    from concurrent.futures import ThreadPoolExecutor

    trails = [AuditTrail(paths, "nimbus-os", max_bytes=4000) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: trails[number % 3].append(entry(f"/{number}")), range(60)))
    report = verify(paths, "nimbus-os")
    assert report
    assert report.entries == 60


@pytest.mark.parametrize("name", ["nimbus-os.jsonl", "nimbus-os.head"])
def test_a_trail_of_a_newer_version_stays_where_it_is(trail, folder, paths, name):
    """It is not taken for a forgery; no call is made, and nothing is written."""
    trail.append(entry())
    text = (folder / name).read_text()
    (folder / name).write_text(text.replace('"format":1', '"format":2').replace('"format": 1', '"format": 2'))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    newer = "newer version of the SDK"
    with pytest.raises(AuditTrailError, match=newer):
        trail.append(entry())
    with pytest.raises(AuditTrailError, match=newer):
        verify(paths, "nimbus-os")
    if name == "nimbus-os.head":
        with pytest.raises(AuditTrailError, match=newer):
            trail.check_writable()
    else:
        with pytest.raises(AuditTrailError, match=newer):
            latest(paths, "nimbus-os", 5)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_trail_that_stays_locked_is_reported(trail, paths, folder, monkeypatch):
    """A lock that is never released ends a call with an error, and leaves the trail as it was."""
    from nimbus_sdk.services.audit import trail as writing
    from nimbus_sdk.services.audit import verify as reading
    from nimbus_sdk.storage.lock import Lock

    trail.append(entry())
    monkeypatch.setattr(writing, "_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(reading, "_WAIT_SECONDS", 0.05)
    with Lock(str(folder / "nimbus-os.lock")) as lock:
        assert lock.try_acquire()
        with pytest.raises(AuditTrailError, match="another process holds"):
            trail.append(entry())
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
            monkeypatch.setattr(files.fs, "write_all", full)  # type: ignore[attr-defined]
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert "No space left" in caplog.text
    assert key not in caplog.text


def test_a_readable_trail_is_made_private_and_a_shared_one_is_refused(trail, folder):
    """Other users see nothing of it; a hard link to another file is no trail."""
    trail.append(entry())
    file = folder / "nimbus-os.jsonl"
    file.chmod(0o644)
    trail.append(entry())
    assert file.stat().st_mode & 0o777 == 0o600
    os.link(file, folder / "other")
    with pytest.raises(AuditTrailError, match="is a link"):
        trail.append(entry())


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
        trail.append(entry(f"/orders/{number}"))
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
    trail.append(entry())
    trail.append(entry())
    file = folder / "nimbus-os.jsonl"
    last = file.read_text().splitlines()[-1]
    with file.open("a") as stream:
        stream.write(forged(last, 3, who="mallory", **mac) + "\n")
    assert issues(paths) == ["entry 3: not written by the SDK"]
    trail.append(entry("/afterwards"))
    assert issues(paths)


def test_a_changed_last_entry_is_not_covered_by_one_more(trail, folder, paths):
    """The links fit, the head's number fits, and still somebody has rewritten the end."""
    trail.append(entry())
    trail.append(entry())
    file = folder / "nimbus-os.jsonl"
    first, last = file.read_text().splitlines()
    changed = last.replace('"ada"', '"eve"')
    file.write_text(f"{first}\n{changed}\n{forged(changed, 3)}\n")
    assert issues(paths) == ["entry 2: changed after it was written", "entry 3: not written by the SDK"]


@pytest.mark.parametrize("end", ['"}', '","who":"eve"}', '", "who": "eve"}'])
def test_an_entry_without_its_mac_or_with_more_behind_it_shows(trail, folder, paths, end):
    """The MAC is over the whole line, so nothing can be added where it does not reach."""
    trail.append(entry())
    file = folder / "nimbus-os.jsonl"
    line = file.read_text().rstrip("\n")
    body, _, mac = line.removesuffix('"}').rpartition(',"mac":"')
    file.write_text(f'{body},"mac":"{mac}{end}\n' if "who" in end else f"{body}}}\n")
    (issue,) = issues(paths)
    assert issue.startswith("entry 1: changed" if "who" in end else "no entry")


def test_another_installations_trail_is_none(trail, folder, paths):
    """Entries and head record under another secret are whole where they were written, and nowhere else."""
    for _ in range(2):
        trail.append(entry())
    Path(paths.seal).write_text("0" * 64)
    assert any("the head record is missing or was not made here" in issue for issue in issues(paths))
    assert sum("changed after it was written" in issue for issue in issues(paths)) == 2


def test_entries_beyond_the_head_were_not_written_by_the_sdk(trail, folder, paths):
    """Of a chain that somebody else has continued, each added entry is named."""
    trail.append(entry())
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
    (line,) = lines(folder)
    assert (line["path"], line["status"]) == ("/orders", None)


@both_kinds
def test_what_was_certainly_never_sent_leaves_no_entry(open_client, replies, folder, monkeypatch):
    """Offline mode, and what JSON cannot express: an entry without a status would look like a call."""
    client = open_client("NimbusOS", NIMBUS_OS_KEY, base_url=replies.url)
    with pytest.raises(ConfigurationError, match="cannot be sent"):
        client("request", "POST", "/orders", json={"amount": float("nan")})
    monkeypatch.setenv("NIMBUS_SDK_OFFLINE", "1")
    with pytest.raises(NimbusConnectionError, match="Offline mode"):
        client("request", "DELETE", "/orders/1")
    assert not (folder / "nimbus-os.jsonl").exists() or lines(folder) == []
    assert replies.server.requests == []
