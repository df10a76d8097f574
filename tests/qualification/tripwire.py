"""Steps that a process takes towards the disk, the network and other processes, counted and cut short.

Only the tests' own children lay a tripwire. It stands in front of the calls through which Python changes
anything outside of itself, and is told of each one before it happens.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Room = Literal["disk", "network", "process"]

_CHANGES_NAMES = ("replace", "rename", "link", "unlink", "mkdir", "rmdir", "chmod")
_NEEDS_NO_ROOM = {
    errno.ENOSPC: frozenset({"read", "reopen", "replace", "rename", "unlink", "rmdir", "chmod", "fchmod"}),
    errno.EROFS: frozenset({"read"}),
}
_CHANGES_FILES = ("fsync", "ftruncate", "fchmod")
_NETWORK = ("connect", "send", "sendall", "recv")
STRUCK = Path("../struck.txt")
"""Where a child notes the step at which it was struck, relative to its working directory."""

# shutil decides at its import, by identity, whether os.unlink and its kin may be used with descriptors.
_READY = shutil.rmtree
_REAL_OPEN, _REAL_WRITE = os.open, os.write


@dataclass(frozen=True)
class Step:
    """One call that is about to happen.

    Attributes:
        room: What it changes.
        name: The function.
        target: The path or descriptor that it was given.
        tear: Does half of a write, or nothing.
    """

    room: Room
    name: str
    target: str
    tear: Callable[[], None] = field(default=lambda: None, repr=False)


Reaction = Callable[[Step], None]


def lay(react: Reaction) -> None:
    """From now on, tell ``react`` of every step of this process before it is taken; it may raise."""
    for name in _CHANGES_NAMES + _CHANGES_FILES:
        _guard(os, name, "disk", react)
    for name in _NETWORK:
        _guard_socket(name, react)
    _guard_open(react)
    _guard_write(react)
    _guard_files(react)
    _guard_spawning(react)


class Recorder:
    """Notes every step."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        """Note one."""
        self.steps.append(step)


class Counted:
    """Lets steps of some rooms pass, and acts at one of them.

    Args:
        at: Which step is struck, from 0.
        act: What happens there.
        rooms: Which steps count.
        lasting: Whether it strikes all later ones as well.
    """

    def __init__(
        self, at: int, act: Reaction, *, rooms: tuple[Room, ...] = ("disk",), lasting: bool = False
    ) -> None:
        self._left = at
        self._act = act
        self._rooms = rooms
        self._lasting = lasting

    def __call__(self, step: Step) -> None:
        """Count one."""
        if step.room not in self._rooms:
            return
        self._left -= 1
        if self._left == -1:
            _note(step)
        if self._left == -1 or (self._lasting and self._left < 0):
            self._act(step)


class Aimed:
    """Acts at one step, told by what it is.

    Args:
        act: What happens there.
        name: The function.
        target: Part of the target's name.
        nth: Which of those that fit, from 0.
        later: So many steps, of any kind, after it.
    """

    def __init__(self, act: Reaction, *, name: str, target: str = "", nth: int = 0, later: int = 0) -> None:
        self._act = act
        self._fits = lambda step: step.name == name and target in step.target
        self._left = nth
        self._later = later

    def __call__(self, step: Step) -> None:
        """Look at one."""
        if self._left >= 0:
            self._left -= self._fits(step)
        if self._left < 0:
            self._later -= 1
        if self._later == -1:
            _note(step)
            self._act(step)


def kill(step: Step) -> None:
    """End this process as a power failure does: a write is left half done, and nothing is tidied up."""
    step.tear()
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt(step: Step) -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


def refuse(code: int) -> Reaction:
    """The disk refuses with an errno, where a disk in that state does: a full one can still be read."""
    spared = _NEEDS_NO_ROOM.get(code, frozenset())

    def act(step: Step) -> None:
        if step.name in spared:
            return
        step.tear()
        raise OSError(code, os.strerror(code), step.target)

    return act


def _guard(module: Any, name: str, room: Room, react: Reaction) -> None:
    real = getattr(module, name)

    def guarded(*arguments: Any, **options: Any) -> Any:
        react(Step(room, name, str(arguments[0])))
        return real(*arguments, **options)

    setattr(module, name, guarded)


def _guard_socket(name: str, react: Reaction) -> None:
    real = getattr(socket.socket, name)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        if self.family != socket.AF_UNIX:
            react(Step("network", name, str(self.fileno())))
        return real(self, *arguments)

    setattr(socket.socket, name, guarded)


def _guard_open(react: Reaction) -> None:
    real = os.open

    def guarded(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        react(Step("disk", _kind_of_opening(path, flags), str(path)))
        return real(path, flags, *arguments, **options)

    os.open = guarded


def _kind_of_opening(path: Any, flags: int) -> str:
    if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return "read"
    return "reopen" if os.path.exists(path) else "create"


def _guard_write(react: Reaction) -> None:
    real = os.write

    def guarded(descriptor: int, data: Any) -> int:
        half = bytes(data[: len(data) // 2])
        react(Step("disk", "write", str(descriptor), lambda: _ignore(real(descriptor, half))))
        return real(descriptor, data)

    os.write = guarded


def _guard_files(react: Reaction) -> None:
    real = builtins.open

    class Guarded(io.FileIO):
        def write(self, data: Any) -> int:
            half = bytes(data[: len(data) // 2])
            react(Step("disk", "write", str(self.name), lambda: _ignore(io.FileIO.write(self, half))))
            return super().write(data)

    def guarded(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode not in ("wb", "xb", "ab") or arguments or options:
            return real(file, mode, *arguments, **options)
        if not isinstance(file, int):
            react(Step("disk", _kind_of_opening(file, os.O_WRONLY | os.O_CREAT), str(file)))
        return io.BufferedWriter(Guarded(file, mode))

    builtins.open = guarded


def _guard_spawning(react: Reaction) -> None:
    real = subprocess.Popen.__init__

    def guarded(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        react(Step("process", "spawn", str(command)[:80]))
        real(self, command, *arguments, **options)
        react(Step("process", "spawned", str(command)[:80]))

    subprocess.Popen.__init__ = guarded  # type: ignore[assignment, method-assign]


def _note(step: Step) -> None:
    descriptor = _REAL_OPEN(STRUCK, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    _REAL_WRITE(descriptor, f"{step.room}\t{step.name}\t{step.target}".encode())
    os.close(descriptor)


def _ignore(_: object) -> None:
    """Let a result go."""
