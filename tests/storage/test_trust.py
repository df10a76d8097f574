"""Whom to trust: what somebody else could have changed is neither run nor believed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nimbus_sdk.config.ownership import UntrustedError
from nimbus_sdk.storage import fs, trust
from tests.storage.conftest import listed, mode, refuse

WAY = (".", "a", "a/b", "a/b/record.json")


@pytest.fixture
def trusted(tmp_path):
    """A home with a file three levels down; nobody else can change any of it."""
    (tmp_path / "home" / "a" / "b").mkdir(parents=True)
    (tmp_path / "home" / "a" / "b" / "record.json").write_bytes(b"{}")
    for component in WAY:
        (tmp_path / "home" / component).chmod(0o644 if component.endswith(".json") else 0o755)
    return tmp_path / "home"


@pytest.mark.parametrize("component", WAY)
@pytest.mark.parametrize("mode_of_component", [0o770, 0o707, 0o777])
def test_what_others_can_write_is_not_believed(trusted, component, mode_of_component):
    """Whoever can change one component of the path decides what the file says."""
    assert trust.read(str(trusted / "a/b/record.json"), str(trusted)) == b"{}"
    (trusted / component).chmod(mode_of_component)
    with pytest.raises(UntrustedError, match="can be written by others") as caught:
        trust.read(str(trusted / "a/b/record.json"), str(trusted))
    assert str(trusted / component) in str(caught.value)
    assert trust.survey(str(trusted / "a/b"), str(trusted))[1] == [
        f"{trusted / component} can be written by others"
    ]


@pytest.mark.parametrize("component", WAY[1:])
def test_no_link_below_a_home_is_followed(trusted, tmp_path, component):
    """Not even one that leads to a file of the same user; the home itself may be a link."""
    os.rename(trusted / component, tmp_path / "elsewhere")
    (trusted / component).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UntrustedError, match=f"{trusted / component} is a link"):
        trust.read(str(trusted / "a/b/record.json"), str(trusted))
    os.unlink(trusted / component)
    os.rename(tmp_path / "elsewhere", trusted / component)
    (tmp_path / "link").symlink_to(trusted)
    assert trust.read(str(tmp_path / "link/a/b/record.json"), str(tmp_path / "link")) == b"{}"


@pytest.mark.parametrize("component", WAY)
def test_what_another_user_owns_is_not_believed(trusted, component, make_foreign):
    """An owner can change the mode at any time."""
    make_foreign(trusted / component)
    with pytest.raises(UntrustedError, match="belongs to another user"):
        trust.read(str(trusted / "a/b/record.json"), str(trusted))


def test_a_folder_with_the_sticky_bit_may_be_above(trusted):
    """In such a folder as /tmp others can add entries, and not exchange ours."""
    trusted.chmod(0o1777)
    assert trust.read(str(trusted / "a/b/record.json"), str(trusted)) == b"{}"


@pytest.mark.parametrize("path", ["a/b/absent", "a/absent/record.json", "a/b/record.json/absent"])
def test_what_is_absent_is_none_and_no_question_of_trust(trusted, path):
    """Missing, in a missing folder, or below something that is no folder."""
    assert trust.read(str(trusted / path), str(trusted)) is None


def test_writing_takes_writing_from_others_on_the_whole_way(trusted):
    """What is written is believed afterwards; who may read the folders above stays as it was."""
    for component in WAY[:3]:
        (trusted / component).chmod(0o777)
    path = str(trusted / "a/b/record.json")
    fs.write_private(path, b"new", str(trusted))
    assert trust.read(path, str(trusted)) == b"new"
    assert [mode(trusted / component) for component in WAY] == [0o755, 0o755, 0o700, 0o600]


def test_a_secret_that_others_could_write_is_replaced(trusted):
    """It may be theirs: it is set aside, and a new one is made."""
    path = str(trusted / "a/b/record.json")
    os.chmod(path, 0o666)
    assert trust.create_once(path, b"secret", str(trusted)) == b"secret"
    assert trust.create_once(path, b"another", str(trusted)) == b"secret"
    assert [name for name in listed(path) if "damaged" in name]


def test_the_first_content_stays(path):
    """create_once gives what is there, and writes only where nothing is."""
    assert trust.create_once(path, b"first", os.path.dirname(path)) == b"first"
    assert trust.create_once(path, b"second", os.path.dirname(path)) == b"first"
    assert (fs.read(path), mode(path)) == (b"first", 0o600)
    assert listed(path) == ["record.json"]


def test_who_comes_second_gets_the_first_ones_content(path, monkeypatch):
    """Another process wrote between the look and the link."""
    link = os.link

    def overtaken(source, target):
        Path(target).write_bytes(b"theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", overtaken)
    assert trust.create_once(path, b"ours", os.path.dirname(path)) == b"theirs"
    assert listed(path) == ["record.json"]


def test_without_hard_links_the_file_is_whole_all_the_same(path, monkeypatch):
    """Some file systems have none: then a rename does it."""

    def none(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", none)
    assert trust.create_once(path, b"content", os.path.dirname(path)) == b"content"
    assert listed(path) == ["record.json"]


def test_a_creation_that_fails_leaves_nothing(path, monkeypatch):
    """No half file, no temporary one."""
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", refuse)
        patched.setattr(os, "replace", refuse)
        with pytest.raises(OSError, match="No space left"):
            trust.create_once(path, b"content", os.path.dirname(path))
    assert listed(path) == []


CREATOR = """
import os, sys
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.storage import trust
sys.stdin.readline()
print(trust.create_once(sys.argv[1], os.urandom(16).hex().encode(), os.path.dirname(sys.argv[1])).decode())
"""


def test_many_processes_agree_on_one_secret(path):
    """Eight that start at once all get the same bytes."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATOR, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate(timeout=20)[0] for process in processes}
    assert said == {fs.read(path).decode() + "\n"}
