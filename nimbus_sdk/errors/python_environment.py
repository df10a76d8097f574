"""The Python environment of this process: an interpreter to start, and the command that installs packages.

``sys.executable`` is not enough for either: in QGIS, Blender or uWSGI it is the program that embeds Python,
and a frozen program has no interpreter at all.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec

VERIFY_SECONDS = 10.0
_INTERPRETER = re.compile(r"(python|pypy)[\d.]*(t|d|w|-dbg|-intel64)?(\.exe)?", re.IGNORECASE)


def find_interpreter() -> str | None:
    """Return the path of an interpreter that is like the running one, or None if there is none.

    Only files with the name of an interpreter are started, so never a second copy of the application.
    """
    if getattr(sys, "frozen", False):
        return None
    if _is_interpreter(sys.executable):
        return sys.executable
    return _find_elsewhere(getattr(sys, "_base_executable", ""), sys.prefix, sys.base_prefix)


def install_hint(requirements: Iterable[str]) -> str:
    """Return the advice for missing requirements: the command that installs them here, if there is one."""
    from shlex import quote

    lines, python = list(requirements), find_interpreter()
    if python is None:
        return f"This program embeds Python: add {', '.join(lines)} where it is built, then try again."
    path = f'"{python}"' if " " in python else python
    # An environment that uv has made has no pip.
    start = f"uv pip install --python {path}" if find_spec("pip") is None else f"{path} -m pip install"
    # With double quotes if possible, since Windows knows no others.
    quoted = (quote(line) if set(line) & set('"$`\\') else f'"{line}"' for line in lines)
    return f"Run `{' '.join([start, *quoted])}`, then try again."


def absolute_search_path() -> list[str]:
    """Return ``sys.path`` for another process of this machine, which has another working directory."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]


def _is_interpreter(path: str | None) -> bool:
    name = os.path.basename(path or "")
    return _INTERPRETER.fullmatch(name) is not None and os.access(path or "", os.X_OK)


@functools.cache
def _find_elsewhere(*places: str) -> str | None:
    return next((path for path in _candidates(*places) if _is_interpreter(path) and _is_alike(path)), None)


def _candidates(base_executable: str, *prefixes: str) -> Iterator[str]:
    yield base_executable
    major, minor = sys.version_info[:2]
    suffix = ".exe" if os.name == "nt" else ""
    for prefix in prefixes:
        for folder in ("", "Scripts") if os.name == "nt" else ("bin",):
            for name in (f"python{major}.{minor}", f"python{major}", "python"):
                yield os.path.join(prefix, folder, f"{name}{suffix}")


def _is_alike(path: str) -> bool:
    import subprocess

    code = "import sys; print(sys.implementation.cache_tag, getattr(sys, 'abiflags', ''))"
    try:
        command = [path, "-I", "-c", code]
        done = subprocess.run(command, capture_output=True, timeout=VERIFY_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return False
    wanted = f"{sys.implementation.cache_tag} {getattr(sys, 'abiflags', '')}"
    return done.stdout.decode("ascii", "replace").strip() == wanted.strip()
