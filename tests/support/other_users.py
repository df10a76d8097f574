"""Processes of an unprivileged user, or with disks of their own: by user namespaces."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

STRANGER = "54321"
"""A user id without an entry in /etc/passwd."""

_AS_STRANGER = ("unshare", "--user", f"--map-user={STRANGER}", f"--map-group={STRANGER}", "--")
_WITHOUT_CAPABILITIES = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--")
_WITH_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount", "--")
# Process numbers, host name, mounts and temporary files of its own.
_AS_HOST = (
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc"),
    *("sh", "-c", 'hostname "$0" && mount -t proc none /proc && mount -t tmpfs none /var/tmp && exec "$@"'),
)
# Used instead if the system has no user namespaces.
_WITHOUT_PASSWD = """
import os, pwd
def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")
pwd.getpwuid = getpwuid
"""


@cache
def has_namespaces() -> bool:
    """Whether this system allows processes of another user."""
    return _works(*_AS_STRANGER, "true")


@cache
def has_mounts() -> bool:
    """Whether a process can have mounts of its own."""
    return _works(*_WITH_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt")


@cache
def has_hosts() -> bool:
    """Whether a process can be given a host of its own."""
    return _works(*_AS_HOST, "another", "true")


def as_host(name: str) -> tuple[str, ...]:
    """What to put before a command so that it runs on a host of its own; nothing where that cannot be."""
    return (*_AS_HOST, name) if has_hosts() else ()


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def as_stranger(code: str, environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code as an unknown user who owns what we own and is not root.

    Args:
        code: What to run.
        environ: The whole environment.
        folder: The working directory, with everything that the code needs.
    """
    command: Sequence[str] = _AS_STRANGER
    patched = dict(environ)
    if not has_namespaces():
        command = _WITHOUT_CAPABILITIES if os.geteuid() == 0 else ()
        (folder / "sitecustomize.py").write_text(_WITHOUT_PASSWD)
        patched["PYTHONPATH"] = str(folder)
    return _run([*command, sys.executable, "-W", "error", "-c", code], patched, folder)


def with_mounts(code: str, environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code that may mount; no other process sees its mounts."""
    return _run([*_WITH_MOUNTS, sys.executable, "-W", "error", "-c", code], environ, folder)


def take_away_writing(folder: Path) -> None:
    """Let nobody who is not root write anything at or below a folder."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            path.chmod(0o500 if path.is_dir() else 0o400)
    folder.chmod(0o500)


def give_back_writing(folder: Path) -> None:
    """Undo it, so that the folder can be removed."""
    folder.chmod(0o700)
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def _run(command: list[str], environ: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
