"""Environment variables as lines that a person can paste into a shell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping


def assignments(environ: Mapping[str, str]) -> list[str]:
    """One line a variable: ``export`` for POSIX shells, ``$env:`` for PowerShell on Windows.

    Example:
        >>> assignments({"NIMBUS_SDK_HOME": "/tmp/a b"}) if os.name == "posix" else None
        ["export NIMBUS_SDK_HOME='/tmp/a b'"]
    """
    if os.name == "nt":
        return [f"$env:{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in environ.items()]
    return [f"export {name}={shlex.quote(value)}" for name, value in environ.items()]
