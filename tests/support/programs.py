"""Runs Python programs in forked child processes, as ``python`` would: the task of a fork server."""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import tests.support.preloaded  # noqa: F401
from nimbus_sdk.sandbox.github import wheel_cache
from tests.support import other_users

if WHEELS := os.environ.get("WHEELS_OF_TESTS"):
    # Sandboxes of programs find the core's wheel if another process has built it.
    wheel_cache._process_folder = lambda: Path(WHEELS)  # type: ignore[assignment]


def run_python(arguments: list[str], become: Sequence[object] = ()) -> int:
    """Run what ``python`` runs with these arguments; return the exit code.

    Args:
        arguments: ``-m``, ``-c`` or a script, and its arguments; perhaps ``-W error`` before.
        become: A function of ``tests.support.other_users`` to call first, by name, and its arguments.
    """
    if arguments[:2] == ["-W", "error"]:
        del arguments[:2]
    else:
        _use_default_warnings()
    kind, *rest = arguments
    code, interrupted = 0, False
    try:
        if become:
            name, *others = become
            getattr(other_users, str(name))(*others)
        if kind == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif kind == "-c":
            sys.argv = ["-c", *rest[1:]]
            sys.path.insert(0, os.getcwd())
            sys.modules["__main__"] = ModuleType("__main__")
            exec(rest[0], vars(sys.modules["__main__"]))
        else:
            sys.argv = arguments
            sys.path.insert(0, os.path.dirname(kind))
            runpy.run_path(kind, run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        traceback.print_exc()
        code = 1
        interrupted = isinstance(error, KeyboardInterrupt)
    # What the interpreter does when a program ends.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if interrupted:
        sys.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code


def _use_default_warnings() -> None:
    # The fork server runs with -W error.
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
