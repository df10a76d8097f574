"""A home on a file system that stores no permissions, as on network shares and memory sticks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nimbus_sdk.sandbox import Sandbox
from tests.support.forked import ForkedPython

pytestmark = [
    pytest.mark.tiny_core,
    pytest.mark.skipif(
        os.name == "nt" or os.geteuid() != 0 or not shutil.which("bindfs") or not os.path.exists("/dev/fuse"),
        reason="a mount without permissions needs root, /dev/fuse and the program bindfs",
    ),
]
SIGN_IN = """
import json, os, pathlib, nimbus_sdk
from nimbus_sdk.doctor import diagnose
try:
    stored = nimbus_sdk.authenticate(pathlib.Path("key").read_text()).key_source
    stored = [stored, nimbus_sdk.current_session().key_source, bool(nimbus_sdk.get_stored_api_key())]
except nimbus_sdk.NimbusError as error:
    stored = [str(error)]
os.environ["NIMBUS_SDK_OFFLINE"] = "1"
folders = [finding for finding in diagnose().findings if finding.check.startswith("folder")]
print(json.dumps([stored, [[finding.check, finding.verdict] for finding in folders]]))
"""
Mount = Callable[[str], None]


@pytest.fixture
def mount(isolated_home: Path) -> Iterator[Mount]:
    """Mounts the home so that everything has one mode, and a change of it is denied."""
    home, disk = isolated_home / "nimbus", isolated_home / "disk"
    disk.mkdir()

    def mount(mode: str) -> None:
        subprocess.run(["bindfs", "--chmod-deny", "-p", mode, disk, home], check=True)

    yield mount
    subprocess.run(["umount", home], check=True)


def test_where_others_can_only_read_everything_works_with_a_warning(
    mount: Mount, forked_python: ForkedPython, isolated_home: Path, key: str
) -> None:
    """Session and key are stored, one warning says what others can do, and the doctor calls no folder ok."""
    (isolated_home / "work" / "key").write_text(key)
    mount("0755")
    done = forked_python(SIGN_IN)
    stored, folders = json.loads(done.stdout)
    assert stored == ["file", "file", True]
    assert done.stderr.count("Others can read") == 1
    assert {check: verdict for check, verdict in folders if verdict != "ok"} == {
        "folder config": "warning",
        "folder state": "warning",
    }


def test_where_others_can_write_the_error_names_the_cause(
    mount: Mount, forked_python: ForkedPython, isolated_home: Path, sandbox: Sandbox, key: str
) -> None:
    """Nothing is stored that somebody else could exchange."""
    (isolated_home / "work" / "key").write_text(key)
    mount("0777")
    stored, _ = json.loads(forked_python(SIGN_IN).stdout)
    assert f"others can write to {isolated_home / 'nimbus' / 'config'}, which cannot be changed" in stored[0]
    assert not any(path.is_file() for path in (isolated_home / "disk").rglob("*") if "lock" not in path.name)
