"""Code that runs as another user, or under another umask."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.support.fork_server import ForkServer
from tests.support.forked import ForkedPython

USER, OTHER_USER = 54_321, 54_322
needs_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="only root can start a process of another user"
)
_PRELUDE = """
import json, os, sys
import nimbus_sdk
from nimbus_sdk.core.wheel import unpack

def run():
    {code}

def result():
    try:
        return ["done", str(run())]
    except nimbus_sdk.NimbusError as error:
        return [type(error).__name__, str(error)]

{begin}
print(json.dumps(result()))
"""
# Other users may be unable to read the interpreter, so no core can be tried out in a process of theirs.
_WITHOUT_PROBE = "unpack.probe, unpack.find_probe_interpreter = (lambda core: None), (lambda: sys.executable)"


class Users:
    """Runs code in processes of other users, or under another umask."""

    def __init__(self, server: ForkServer) -> None:
        # A folder that everybody may enter.
        self._python = ForkedPython(server, Path("/"))

    def run_as(self, code: str, user: int, home: Path, **environ: str) -> tuple[str, str]:
        """Run code as another user; return ``done`` and its result, or an error's class and text."""
        return self._run(_PRELUDE.format(code=code, begin=_WITHOUT_PROBE), home, environ, "become_user", user)

    def run_under_umask(self, umask: int, code: str, home: Path, **environ: str) -> tuple[str, str]:
        """Run code as this user, under a umask."""
        return self._run(_PRELUDE.format(code=code, begin=f"os.umask({umask})"), home, environ)

    def _run(self, code: str, home: Path, environ: dict[str, str], *become: object) -> tuple[str, str]:
        done = self._python.run(
            ["-W", "error", "-c", code],
            environ={**os.environ, "NIMBUS_SDK_HOME": str(home), **environ},
            become=become,
        )
        kind, text = json.loads(done.stdout)
        return kind, text


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
