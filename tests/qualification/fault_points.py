"""Hooks on the calls that reach the disk, the network and other processes: they count them and inject faults.

Only the tests' child processes install the hooks. A reaction is called before each call through which Python
changes anything outside of the process.
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

Area = Literal["disk", "network", "process"]

_CHANGES_NAMES = ("replace", "rename", "link", "unlink", "mkdir", "rmdir", "chmod")
_UNAFFECTED = {
    errno.ENOSPC: frozenset({"read", "reopen", "replace", "rename", "unlink", "rmdir", "chmod", "fchmod"}),
    errno.EROFS: frozenset({"read"}),
}
_CHANGES_FILES = ("fsync", "ftruncate", "fchmod")
_NETWORK = ("connect", "send", "sendall", "recv")
HIT_STEP_FILE = Path("../hit_step.txt")
"""Where a child writes the step that was hit, relative to its working directory."""

# shutil compares os.unlink and others by identity when it is imported: it must see the real ones.
_IMPORTED_BEFORE_HOOKS = shutil.rmtree
_REAL_OPEN, _REAL_WRITE = os.open, os.write


@dataclass(frozen=True)
class Step:
    """One call that is about to happen.

    Attributes:
        area: What it changes.
        name: The function.
        target: The path or descriptor that it gets.
        write_half: Does half of a write, or nothing.
    """

    area: Area
    name: str
    target: str
    write_half: Callable[[], None] = field(default=lambda: None, repr=False)


Reaction = Callable[[Step], None]


def install_hooks(react: Reaction) -> None:
    """From now on, call ``react`` before every step of this process; it may raise."""
    for name in _CHANGES_NAMES + _CHANGES_FILES:
        _hook_function(os, name, "disk", react)
    for name in _NETWORK:
        _hook_socket(name, react)
    _hook_open(react)
    _hook_write(react)
    _hook_files(react)
    _hook_spawning(react)


class StepRecorder:
    """Records every step."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        """Record a step."""
        self.steps.append(step)


class AtStep:
    """Acts at the step with a given number.

    Args:
        at: Number of the step, from 0.
        action: What happens there.
        areas: Which steps count.
        lasting: Whether it acts at all later ones as well.
    """

    def __init__(
        self, at: int, action: Reaction, *, areas: tuple[Area, ...] = ("disk",), lasting: bool = False
    ) -> None:
        self._left = at
        self._action = action
        self._areas = areas
        self._lasting = lasting

    def __call__(self, step: Step) -> None:
        """Count a step."""
        if step.area not in self._areas:
            return
        self._left -= 1
        if self._left == -1:
            _write_hit_step(step)
        if self._left == -1 or (self._lasting and self._left < 0):
            self._action(step)


class AtCall:
    """Acts at one step, chosen by its function and target.

    Args:
        action: What happens there.
        name: The function.
        target: Part of the target's name.
        nth: Which of the matching steps, from 0.
        later: So many steps, of any kind, after it.
    """

    def __init__(
        self, action: Reaction, *, name: str, target: str = "", nth: int = 0, later: int = 0
    ) -> None:
        self._action = action
        self._matches = lambda step: step.name == name and target in step.target
        self._left = nth
        self._later = later

    def __call__(self, step: Step) -> None:
        """Compare a step."""
        if self._left >= 0:
            self._left -= self._matches(step)
        if self._left < 0:
            self._later -= 1
        if self._later == -1:
            _write_hit_step(step)
            self._action(step)


def kill(step: Step) -> None:
    """End this process as a power failure does: a write is left half done, and nothing is cleaned up."""
    step.write_half()
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt(step: Step) -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def refuse(code: int) -> Reaction:
    """Return a reaction that raises an errno as a disk in that state does: a full one can still be read."""
    unaffected = _UNAFFECTED.get(code, frozenset())

    def action(step: Step) -> None:
        if step.name in unaffected:
            return
        step.write_half()
        raise OSError(code, os.strerror(code), step.target)

    return action


def _hook_function(module: Any, name: str, area: Area, react: Reaction) -> None:
    real = getattr(module, name)

    def hooked(*arguments: Any, **options: Any) -> Any:
        react(Step(area, name, str(arguments[0])))
        return real(*arguments, **options)

    setattr(module, name, hooked)


def _hook_socket(name: str, react: Reaction) -> None:
    real = getattr(socket.socket, name)

    def hooked(self: socket.socket, *arguments: Any) -> Any:
        if self.family != socket.AF_UNIX:
            react(Step("network", name, str(self.fileno())))
        return real(self, *arguments)

    setattr(socket.socket, name, hooked)


def _hook_open(react: Reaction) -> None:
    real = os.open

    def hooked(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        # Passing through a folder reads nothing from the disk.
        if not flags & getattr(os, "O_PATH", 0):
            react(Step("disk", _open_kind(path, flags), str(path)))
        return real(path, flags, *arguments, **options)

    os.open = hooked


def _open_kind(path: Any, flags: int) -> str:
    if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return "read"
    return "reopen" if os.path.exists(path) else "create"


def _hook_write(react: Reaction) -> None:
    real = os.write

    def hooked(descriptor: int, data: Any) -> int:
        half = bytes(data[: len(data) // 2])
        react(Step("disk", "write", str(descriptor), lambda: _ignore(real(descriptor, half))))
        return real(descriptor, data)

    os.write = hooked


def _hook_files(react: Reaction) -> None:
    real = builtins.open

    class HookedFile(io.FileIO):
        def write(self, data: Any) -> int:
            half = bytes(data[: len(data) // 2])
            react(Step("disk", "write", str(self.name), lambda: _ignore(io.FileIO.write(self, half))))
            return super().write(data)

    def hooked(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode not in ("wb", "xb", "ab") or arguments or options:
            return real(file, mode, *arguments, **options)
        if not isinstance(file, int):
            react(Step("disk", _open_kind(file, os.O_WRONLY | os.O_CREAT), str(file)))
        return io.BufferedWriter(HookedFile(file, mode))

    builtins.open = hooked


def _hook_spawning(react: Reaction) -> None:
    real = subprocess.Popen.__init__

    def hooked(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        react(Step("process", "spawn", str(command)[:80]))
        real(self, command, *arguments, **options)
        react(Step("process", "spawned", str(command)[:80]))

    subprocess.Popen.__init__ = hooked  # type: ignore[assignment, method-assign]


def _write_hit_step(step: Step) -> None:
    descriptor = _REAL_OPEN(HIT_STEP_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    _REAL_WRITE(descriptor, f"{step.area}\t{step.name}\t{step.target}".encode())
    os.close(descriptor)


def _ignore(_: object) -> None:
    """Discard a result."""
