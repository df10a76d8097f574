"""The door to the disk: private, whole or not at all, and honest about what it could not do."""

import errno
import fcntl
import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nimbus_sdk.errors import CoreInstallError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.lock import Lock
from tests.storage.conftest import listed, mode, refuse
from tests.support.examples import examples


@pytest.fixture
def windows(monkeypatch):
    """Lets a function run as if on Windows."""

    def run(act, *arguments):
        with monkeypatch.context() as patched:
            patched.setattr(os, "name", "nt")
            return act(*arguments)

    return run


# --- reading ---


def test_a_file_that_is_not_there_reads_as_none(path, tmp_path):
    """Missing, in a missing folder, or below something that is no folder."""
    assert fs.read(path) is None
    assert fs.read(str(tmp_path / "record.json")) is None
    (tmp_path / "file").touch()
    assert fs.read(str(tmp_path / "file" / "record.json")) is None


def test_an_empty_file_reads_as_empty(tmp_path):
    """Empty is not the same as missing."""
    (tmp_path / "empty").touch()
    assert fs.read(str(tmp_path / "empty")) == b""


def test_a_file_is_read_up_to_its_limit_and_not_beyond(tmp_path):
    """One byte more than the limit is an error, so nothing is ever read in part."""
    (tmp_path / "file").write_bytes(b"12345")
    assert fs.read(str(tmp_path / "file"), 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        fs.read(str(tmp_path / "file"), 4)


def test_what_is_no_file_cannot_be_read(tmp_path):
    """A folder in its place is an error, not an absence."""
    with pytest.raises(OSError, match="directory"):
        fs.read(str(tmp_path))


# --- writing ---


def test_a_file_is_private_from_birth(path):
    """Mode 0600 in folders of mode 0700, whatever the umask allows."""
    before = os.umask(0)
    try:
        fs.write_private(path, b"content")
    finally:
        os.umask(before)
    assert fs.read(path) == b"content"
    assert mode(path) == 0o600
    assert mode(os.path.dirname(path)) == mode(os.path.dirname(os.path.dirname(path))) == 0o700
    assert listed(path) == ["record.json"]


def test_the_temporary_file_is_never_open_to_others(path, monkeypatch):
    """Before the rename the content is as private as after it."""
    seen = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: seen.append(mode(old)) or replace(old, new))
    fs.write_private(path, b"content")
    assert seen == [0o600]


def test_a_second_write_replaces_the_first_and_its_mode(path):
    """The new file is a new one: a wide mode of the old one does not live on."""
    fs.write_private(path, b"old")
    os.chmod(path, 0o644)
    fs.write_private(path, b"new")
    assert (fs.read(path), mode(path)) == (b"new", 0o600)


def test_a_link_is_replaced_and_not_followed(path, tmp_path):
    """What a link points to stays as it was."""
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    os.makedirs(os.path.dirname(path))
    os.symlink(target, path)
    fs.write_private(path, b"ours")
    assert target.read_bytes() == b"theirs"
    assert not os.path.islink(path)
    assert fs.read(path) == b"ours"


@pytest.mark.parametrize("step", ["open", "write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, step):
    """Whichever step the disk refuses."""
    fs.write_private(path, b"old")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, refuse)
        with pytest.raises(OSError, match="No space left"):
            fs.write_private(path, b"new")
    assert fs.read(path) == b"old"
    assert listed(path) == ["record.json"]


def test_a_folder_that_cannot_be_synced_is_no_failure(path, monkeypatch):
    """Some network file systems cannot sync a folder; the file is there all the same."""
    fsync = os.fsync

    def no_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", no_folders)
    fs.write_private(path, b"content")
    assert fs.read(path) == b"content"


def test_windows_is_tried_again_while_somebody_reads(path, monkeypatch, windows):
    """There a reader or a virus scanner blocks the rename for a moment."""
    replace, refusals = os.replace, iter([PermissionError()] * 4)

    def busy(old, new):
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        replace(old, new)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    os.makedirs(os.path.dirname(path))
    windows(fs.write_private, path, b"content")
    assert fs.read(path) == b"content"


def test_windows_is_not_tried_for_ever(path, monkeypatch, windows):
    """A file that stays blocked is an error, and nothing is left behind."""

    def blocked(*_):
        raise PermissionError("blocked")

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    os.makedirs(os.path.dirname(path))
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", blocked)
        with pytest.raises(PermissionError, match="blocked"):
            windows(fs.write_private, path, b"content")
    assert listed(path) == []


def test_elsewhere_a_refusal_is_a_refusal(path, monkeypatch):
    """On other systems a rename that is not permitted is an error at once."""
    attempts = []

    def refused(*_):
        attempts.append(1)
        raise PermissionError("read-only")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        fs.write_private(path, b"content")
    assert len(attempts) == 1


@examples(30)
@given(contents=st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_the_last_content_is_read_back_byte_by_byte(tmp_path_factory, contents):
    """Any bytes, any number of writes."""
    path = str(tmp_path_factory.getbasetemp() / "any" / "file")
    for content in contents:
        fs.write_private(path, content)
        assert fs.read(path) == content


WRITER = """
import sys
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.storage import fs
print("ready", flush=True)
while True:
    for letter in b"ab":
        disk.write_private(sys.argv[1], bytes([letter]) * 200_000)
"""


def test_a_writer_that_is_killed_leaves_a_whole_file(path):
    """kill -9 in the middle of writing: readers see one content or the other, before and after."""
    fs.write_private(path, b"a" * 200_000)
    whole = {b"a" * 200_000, b"b" * 200_000}
    for delay in (0.01, 0.02, 0.035):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        process.stdout.readline()
        until = time.monotonic() + delay
        while time.monotonic() < until:
            assert fs.read(path) in whole
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        assert fs.read(path) in whole


# --- folders ---


def test_folders_are_made_for_this_user_alone(tmp_path):
    """Every folder that was missing, and none that was there."""
    os.chmod(tmp_path, 0o755)
    fs.make_private_folder(str(tmp_path / "a" / "b"))
    fs.make_private_folder(str(tmp_path / "a" / "b"))
    assert [mode(tmp_path / name) for name in ("a/b", "a", ".")] == [0o700, 0o700, 0o755]


def test_another_users_folder_is_refused(tmp_path, make_foreign):
    """Who owns the folder can put anything in the place of our files."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    make_foreign(folder)
    with pytest.raises(PermissionError, match="belongs to another user"):
        fs.write_private(str(folder / "record"), b"secret")
    assert os.listdir(folder) == []


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path):
    """Nothing is removed to make room."""
    (tmp_path / "file").write_bytes(b"theirs")
    with pytest.raises(OSError, match="file"):
        fs.write_private(str(tmp_path / "file" / "record"), b"ours")
    assert (tmp_path / "file").read_bytes() == b"theirs"


# --- removing and setting aside ---


def test_removing_is_done_when_it_is_gone(path, tmp_path):
    """A file goes; none there is as good, also below something that is no folder."""
    fs.write_private(path, b"content")
    fs.remove(path)
    fs.remove(path)
    (tmp_path / "file").touch()
    fs.remove(str(tmp_path / "file" / "record"))
    assert listed(path) == []


def test_what_cannot_be_removed_is_an_error(tmp_path):
    """A folder in its place is an error."""
    with pytest.raises(OSError):
        fs.remove(str(tmp_path))


def test_a_damaged_file_is_set_aside_whole(path):
    """It keeps its content under a new name, a new one each time; none there is no failure."""
    names = set()
    for content in (b"first", b"second"):
        fs.write_private(path, content)
        aside = fs.quarantine(path)
        assert fs.read(aside) == content
        assert aside.startswith(f"{path}.damaged-")
        names.add(aside)
    names.add(fs.quarantine(path))
    assert len(names) == 3
    assert fs.read(path) is None


# --- permissions ---


@pytest.mark.parametrize("before", [0o644, 0o640, 0o666, 0o601])
def test_wide_permissions_are_taken_back(tmp_path, before):
    """Everyone else loses theirs."""
    (tmp_path / "file").touch()
    os.chmod(tmp_path / "file", before)
    fs.make_file_private(str(tmp_path / "file"))
    assert mode(tmp_path / "file") == 0o600


@pytest.mark.parametrize("before", [0o600, 0o400])
def test_private_permissions_stay(tmp_path, before):
    """A file that is read-only on purpose stays so."""
    (tmp_path / "file").touch()
    os.chmod(tmp_path / "file", before)
    fs.make_file_private(str(tmp_path / "file"))
    assert mode(tmp_path / "file") == before


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "folder"])
def test_what_leads_elsewhere_is_refused(tmp_path, kind):
    """A link's target keeps its mode."""
    target, path = tmp_path / "target", tmp_path / "file"
    target.touch()
    os.chmod(target, 0o644)
    {
        "symbolic link": lambda: os.symlink(target, path),
        "hard link": lambda: os.link(target, path),
        "pipe": lambda: os.mkfifo(path),
        "folder": lambda: path.mkdir(),
    }[kind]()
    with pytest.raises(PermissionError, match="link to somewhere else"):
        fs.make_file_private(str(path))
    assert mode(target) == 0o644


def test_another_users_file_is_refused(tmp_path, make_foreign):
    """Its owner could open it again at any time."""
    (tmp_path / "file").touch()
    make_foreign(tmp_path / "file")
    with pytest.raises(PermissionError, match="belongs to another user"):
        fs.make_file_private(str(tmp_path / "file"))


def test_a_missing_file_is_an_error(path):
    """There is nothing to make private."""
    with pytest.raises(FileNotFoundError):
        fs.make_file_private(path)


@pytest.mark.parametrize("is_refused", [True, False], ids=["refused", "ignored"])
@pytest.mark.parametrize("close", [fs.make_file_private, fs.make_private_folder], ids=["file", "folder"])
def test_a_mode_that_cannot_be_had_is_a_warning_unless_others_can_write(
    tmp_path, monkeypatch, caplog, close, is_refused
):
    """If a file system refuses or ignores a change of mode, others may read at most, and a log says so."""

    def chmod(path, mode):
        if is_refused:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    path = tmp_path / "shared"
    path.touch() if close is fs.make_file_private else path.mkdir()
    path.chmod(0o755)
    change = os.chmod
    monkeypatch.setattr(fs, "_devices_without_modes", set())
    monkeypatch.setattr(os, "chmod", chmod)
    for _ in range(2):
        close(str(path))
    assert caplog.text.count(f"Others can read {path}, which cannot be changed") == 1
    for wide in (0o757, 0o775):
        change(path, wide)
        with pytest.raises(PermissionError, match=f"others can write to {path}"):
            close(str(path))


def test_windows_has_no_modes(tmp_path, windows):
    """There the folder's own rights count, and nothing is changed."""
    (tmp_path / "file").touch()
    os.chmod(tmp_path / "file", 0o644)
    windows(fs.make_file_private, str(tmp_path / "file"))
    assert mode(tmp_path / "file") == 0o644


# --- locks ---


def test_a_lock_is_held_by_one(path):
    """The second does not wait; after the release it gets it."""
    with Lock(path) as first, Lock(path) as second:
        assert first.try_acquire() is True
        assert second.try_acquire() is False
        first.release()
        assert second.try_acquire() is True
    assert mode(path) == 0o600
    with Lock(path) as third:
        assert third.try_acquire() is True


def test_a_lock_that_is_not_held_is_released_quietly(path):
    """Releasing twice, or without having it, is as good."""
    lock = Lock(path)
    lock.release()
    lock.try_acquire()
    lock.release()
    lock.release()
    assert not Lock(path)._acquired


def test_an_error_inside_releases_the_lock(path):
    """Whatever happens in between."""

    def fail():
        with Lock(path) as lock:
            lock.try_acquire()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with Lock(path) as lock:
        assert lock.try_acquire()


HOLDER = """
import sys, time
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.storage import fs
lock = Lock(sys.argv[1])
print(lock.try_acquire(), flush=True)
time.sleep(60)
"""


def test_a_dead_holders_lock_is_free(path):
    """While another process has it, it is held; once that one was killed, it is free."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    with Lock(path) as lock:
        assert lock.try_acquire() is False
        process.kill()
        process.wait(10)
        process.stdout.close()
        assert lock.try_acquire() is True


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK])
def test_where_there_are_no_locks_everyone_goes_on(path, monkeypatch, error):
    """On a file system without locks work is done twice, and nobody waits for ever."""

    def missing(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", missing)
    with Lock(path) as first, Lock(path) as second:
        assert first.try_acquire()
        assert second.try_acquire()


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    """A folder that is none is an error, not taken for a lock of another process."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        Lock(str(tmp_path / "file" / "lock")).try_acquire()


class Windows:
    """The operating system's module as it looks on Windows, where a reader blocks a rename for a while."""

    name = "nt"

    def __init__(self, blocked: int) -> None:
        self.blocked = blocked

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def replace(self, source: str, target: str) -> None:
        """Rename, once nobody blocks it."""
        if self.blocked:
            self.blocked -= 1
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        os.replace(source, target)


def test_a_rename_waits_for_a_reader_on_windows(tmp_path, monkeypatch):
    """A virus scanner that holds the file for a moment does not fail the installation."""
    monkeypatch.setattr(fs, "os", Windows(blocked=3))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    path = str(tmp_path / "folder" / "current.json")
    fs.write_private(path, b"{}")
    assert os.listdir(tmp_path / "folder") == ["current.json"]


@pytest.mark.parametrize(("is_folder", "at_least", "at_most"), [(False, 1, 3), (True, 10, 12)])
def test_a_new_folder_is_waited_for_longer_than_a_file(tmp_path, monkeypatch, is_folder, at_least, at_most):
    """A scanner looks through a whole folder, and a reader has a small file open for a moment."""
    waits = []
    monkeypatch.setattr(fs, "os", Windows(blocked=1000))
    monkeypatch.setattr(time, "sleep", waits.append)
    path = tmp_path / "source"
    path.mkdir() if is_folder else path.touch()
    with pytest.raises(PermissionError):
        fs.rename(str(path), str(tmp_path / "target"))
    assert at_least <= sum(waits) <= at_most
    assert max(waits) <= 1


@pytest.mark.parametrize(("version", "is_set"), [((3, 11, 9), True), ((3, 12, 3), True), ((3, 12, 4), False)])
def test_a_new_folder_on_windows_gets_an_access_list(tmp_path, monkeypatch, windows, version, is_set):
    """Where Python does not set one itself, the owner, the system and administrators alone get in."""
    commands = []
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: commands.append(command))
    windows(fs.make_private_folder, str(tmp_path / "a" / "b"))
    assert [command[1] for command in commands] == [str(tmp_path / "a"), str(tmp_path / "a" / "b")] * is_set
    assert all("/inheritance:r" in command for command in commands)


def test_an_access_list_that_cannot_be_set_is_a_warning(tmp_path, monkeypatch, windows, caplog):
    """The folder is used, and a log says that others may be able to read it."""
    monkeypatch.setattr(sys, "version_info", (3, 11, 0))
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    windows(fs.make_private_folder, str(tmp_path / "a"))
    assert f"Others may be able to read {tmp_path / 'a'}" in caplog.text


@pytest.mark.parametrize("is_known", [True, False])
def test_on_macos_data_go_through_the_drives_cache(path, monkeypatch, is_known):
    """A file system that cannot do that is synced as elsewhere."""
    import fcntl

    done = []

    def control(descriptor, command):
        if not is_known:
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        done.append(command)

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("fsync"))
    os.makedirs(os.path.dirname(path))
    fs.write_synced(path, [b"content"])
    assert done == ([51] if is_known else ["fsync"])


def test_a_rename_that_stays_blocked_is_reported(tmp_path, monkeypatch):
    """After some attempts, the refusal passes on, and nothing is left beside the file."""
    monkeypatch.setattr(fs, "os", Windows(blocked=100))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(PermissionError):
        fs.write_private(str(tmp_path / "folder" / "current.json"), b"{}")
    assert os.listdir(tmp_path / "folder") == []


def test_a_write_in_parts_is_whole(tmp_path, monkeypatch):
    """The system may take fewer bytes than it is given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:3])))
    fs.write_synced(str(tmp_path / "file"), [b"0123456789"])
    assert (tmp_path / "file").read_bytes() == b"0123456789"


def test_a_regular_file_has_a_size_and_nothing_else_has(tmp_path):
    """Links, folders, absent files and names that cannot exist have none."""
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert fs.regular_file_size(str(tmp_path / "file")) == 4
    for name in ("link", ".", "absent", "nul\0"):
        assert fs.regular_file_size(str(tmp_path / name)) is None


def test_a_pipe_is_no_file(tmp_path):
    """It is reported at once, though nobody writes into it; a folder is none either, nor too large a file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"12345")
    for name, reason in (("pipe", "it is a pipe"), ("large", "larger than 4 bytes")):
        with pytest.raises(fs.NoFileError, match=reason):
            fs.read(str(tmp_path / name), 4)
    with pytest.raises(IsADirectoryError):
        fs.read(str(tmp_path), 4)
    assert fs.read(str(tmp_path / "absent"), 4) is None


def test_a_refusal_is_reported_even_where_the_space_is_unknown(tmp_path, monkeypatch):
    """A disk that answers nothing at all is still reported in our words."""

    def broken(folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", broken)
    with pytest.raises(CoreInstallError, match=r"in /no/such/folder .*: ENOENT \(free space unknown\)"):  # noqa: SIM117
        with fs.disk_errors("/no/such/folder"):
            raise OSError(errno.ENOENT, "ENOENT")


def test_an_error_without_words_is_named(tmp_path):
    """Not every OSError carries a text."""
    with pytest.raises(CoreInstallError, match="UnsupportedOperation"), fs.disk_errors(str(tmp_path)):
        raise io.UnsupportedOperation


def test_our_own_errors_pass_untouched(tmp_path):
    """Only what the disk refuses is turned into words about the disk."""
    with pytest.raises(ValueError, match="ours"), fs.disk_errors(str(tmp_path)):
        raise ValueError("ours")
