"""What a process can become: another user, one with disks of their own, a host, the leader at a terminal."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import pwd
import socket
import subprocess
import sys
import termios
from functools import cache
from pathlib import Path

STRANGER = 54_321
"""A user id without an entry in /etc/passwd."""

# Constants of linux/sched.h, linux/mount.h and linux/capability.h.
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_NEW_PROCESSES, _NEW_NAMES, _NEW_MESSAGES = 0x20000000, 0x04000000, 0x08000000
_RECURSIVELY, _PRIVATE = 0x4000, 0x40000
_CAPABILITY_VERSION = 0x20080522

_AS_STRANGER = ("unshare", "--user", f"--map-user={STRANGER}", "--")
_WITH_MOUNTS = ("unshare", "--user", "--map-root-user", "--mount", "--")
_AS_HOST = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--uts", "--ipc", "--")


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
    return _works(*_AS_HOST, "sh", "-c", "hostname another && mount -t proc none /proc")


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def become_stranger() -> None:
    """Make this process one of an unknown user who owns what we own and is not root."""
    if has_namespaces():
        _enter_namespaces(_NEW_USER, user=STRANGER)
    else:

        def getpwuid(uid: int) -> pwd.struct_passwd:
            raise KeyError(f"getpwuid(): uid not found: {uid}")

        pwd.getpwuid = getpwuid
    _drop_capabilities()


def become_mounter() -> None:
    """Let this process mount; no other process sees its mounts."""
    _enter_namespaces(_NEW_USER | _NEW_MOUNTS, user=0)
    _make_mounts_private()


def become_host(name: str) -> None:
    """Give this process a host of its own: process numbers, host name, mounts and temporary files.

    The process with the new numbers is a child of this one, which ends with its exit code.
    """
    if not has_hosts():
        return
    _enter_namespaces(_NEW_USER | _NEW_MOUNTS | _NEW_PROCESSES | _NEW_NAMES | _NEW_MESSAGES, user=0)
    if (child := os.fork()) != 0:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    socket.sethostname(name)
    platform._uname_cache = None  # type: ignore[attr-defined]
    _make_mounts_private()
    _mount("proc", "/proc")
    _mount("tmpfs", "/var/tmp")


def become_session_leader() -> None:
    """Make the terminal at standard input this process's own, so that Ctrl-C reaches it."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def become_user(uid: int) -> None:
    """Let this process, which is root's, go on as another user's."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def _enter_namespaces(kinds: int, *, user: int) -> None:
    us, ours = os.geteuid(), os.getegid()
    _call("unshare", kinds)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {us} 1")
    Path("/proc/self/gid_map").write_text(f"{user} {ours} 1")


def _drop_capabilities() -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("capset", header, (ctypes.c_uint32 * 6)())


def _make_mounts_private() -> None:
    _call("mount", b"none", b"/", None, _RECURSIVELY | _PRIVATE, None)


def _mount(kind: str, folder: str) -> None:
    _call("mount", b"none", folder.encode(), kind.encode(), 0, None)


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


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
