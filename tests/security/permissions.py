"""Processes of another user, and of this one under another umask: what they leave and what they believe."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SOMEBODY, SOMEBODY_ELSE = 54_321, 54_322
needs_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can start a process of another user"
)
# Once as root, in a home that is thrown away: what is imported on the way may lie where others cannot read,
# and so may the interpreter, so that no core can be tried out in a process of that user's own.
_PRELUDE = """
import importlib.metadata, json, os, sys, tempfile
import httpx, filelock, pydantic
import nimbus_sdk, nimbus_sdk.core.install, nimbus_sdk.core.activation
from nimbus_sdk.core.wheel import zip_checks, pep_parsing, download, github, release, transfer, unpack
from nimbus_sdk.transport import driver, http, threads

def story():
    {story}

def told():
    try:
        return ["done", str(story())]
    except nimbus_sdk.NimbusError as error:
        return [type(error).__name__, str(error)]

def as_other(user):
    home = os.environ["NIMBUS_SDK_HOME"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NIMBUS_SDK_HOME"] = folder
        told()
    os.environ["NIMBUS_SDK_HOME"] = home
    nimbus_sdk.account.session_cache.clear_cache()
    unpack.probe = lambda core: None
    os.setgroups([]), os.setgid(user), os.setuid(user)

{begin}
print(json.dumps(told()))
"""


def told_to(story: str, user: int, home: Path, **environ: str) -> tuple[str, str]:
    """What a story told that another user ran: ``done`` and its result, or an error's class and text."""
    return _told(_PRELUDE.format(story=story, begin=f"as_other({user})"), home, environ)


def told_under(umask: int, story: str, home: Path, **environ: str) -> tuple[str, str]:
    """The same for this user, under a umask."""
    return _told(_PRELUDE.format(story=story, begin=f"os.umask({umask})"), home, environ)


def modes(home: Path) -> dict[str, int]:
    """Permissions of every file and folder below a home, by path."""
    return {
        str(path.relative_to(home)): stat.S_IMODE(path.lstat().st_mode)
        for path in sorted(home.rglob("*"))
        if not path.is_symlink()
    }


def given_to(user: int, folder: Path) -> None:
    """Hand a folder and all in it to another user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)


def _told(code: str, home: Path, environ: dict[str, str]) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd="/",
        env={**os.environ, "NIMBUS_SDK_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    kind, text = json.loads(done.stdout)
    return kind, text
