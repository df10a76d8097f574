"""Runs Python programs in forked child processes, as ``python`` would: the task of a fork server.

Importing this module imports what the programs of the documentation use, and builds the core's wheel once.
"""

from __future__ import annotations

import asyncio  # noqa: F401
import atexit
import encodings.idna  # noqa: F401
import os
import pkgutil
import runpy
import sys
import threading
import traceback
import warnings
from importlib import import_module
from types import ModuleType

import anyio.to_thread  # noqa: F401
import httpcore  # noqa: F401
import numpy  # noqa: F401
import tenacity  # noqa: F401
import truststore  # noqa: F401

import nimbus_sdk
from nimbus_sdk.sandbox.github.wheel_cache import WheelCache
from nimbus_sdk.sandbox.github.wheel_edit import WheelSpec

for module in pkgutil.walk_packages(nimbus_sdk.__path__, "nimbus_sdk."):
    if not module.name.startswith("nimbus_sdk.reference_core") and not module.name.endswith("__main__"):
        import_module(module.name)
WheelCache().wheel(WheelSpec())


def run_python(arguments: list[str]) -> int:
    """Run what ``python`` runs with these arguments; return the exit code.

    Args:
        arguments: ``-m``, ``-c`` or a script, and its arguments; perhaps ``-W error`` before.
    """
    if arguments[:2] == ["-W", "error"]:
        del arguments[:2]
    else:
        _use_default_warnings()
    kind, *rest = arguments
    code = 0
    try:
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
    except BaseException:
        traceback.print_exc()
        code = 1
    # What the interpreter does when a program ends.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    return code


def _use_default_warnings() -> None:
    # The fork server runs with -W error.
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
