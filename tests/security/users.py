"""Code that runs as another user, or under another umask."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

USER, OTHER_USER = 54_321, 54_322
needs_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can start a process of another user"
)
# First as root, in a temporary home: other users may be unable to read imported modules or the interpreter,
# so no core can be tried out in a process of that user.
_PRELUDE = """
import importlib.metadata, json, os, sys, tempfile
import httpcore, filelock, pydantic
import nimbus_sdk, nimbus_sdk.core.install, nimbus_sdk.core.activation
from nimbus_sdk.core.wheel import zip_checks, requirements, download, github, release, unpack
from nimbus_sdk.transport import driver, http, threads

def run():
    {code}

def result():
    try:
        return ["done", str(run())]
    except nimbus_sdk.NimbusError as error:
        return [type(error).__name__, str(error)]

def as_other(user):
    home = os.environ["NIMBUS_SDK_HOME"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NIMBUS_SDK_HOME"] = folder
        result()
    os.environ["NIMBUS_SDK_HOME"] = home
    nimbus_sdk.account.session_lookup.clear_cache()
    unpack.probe, unpack.find_probe_interpreter = (lambda core: None), (lambda: sys.executable)
    os.setgroups([]), os.setgid(user), os.setuid(user)

{begin}
print(json.dumps(result()))
"""


def run_as(code: str, user: int, home: Path, **environ: str) -> tuple[str, str]:
    """Run code as another user; return ``done`` and its result, or an error's class and text."""
    return _run_prelude(_PRELUDE.format(code=code, begin=f"as_other({user})"), home, environ)


def run_under_umask(umask: int, code: str, home: Path, **environ: str) -> tuple[str, str]:
    """Run code as this user, under a umask."""
    return _run_prelude(_PRELUDE.format(code=code, begin=f"os.umask({umask})"), home, environ)


def modes(home: Path) -> dict[str, int]:
    """Return the permissions of every file and folder below a home, by path."""
    return {
        str(path.relative_to(home)): stat.S_IMODE(path.lstat().st_mode)
        for path in sorted(home.rglob("*"))
        if not path.is_symlink()
    }


def give_to(user: int, folder: Path) -> None:
    """Give a folder and its content to another user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)


def _run_prelude(code: str, home: Path, environ: dict[str, str]) -> tuple[str, str]:
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
