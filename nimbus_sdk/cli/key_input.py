"""The key that a program pipes in."""

from __future__ import annotations

import sys

from nimbus_sdk.errors import ConfigurationError

_LONGEST = 4096


def key_from_stdin() -> str:
    """The first line of stdin, unchecked. Keep it out of names that outlive the call it is for.

    Raises:
        ConfigurationError: Stdin is a terminal, which would show the key while it is typed.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigurationError(
            "--key-stdin reads a key that another program pipes in, and stdin is a terminal.",
            hint="Leave the option out to be asked for the key, hidden.",
        )
    return sys.stdin.buffer.readline(_LONGEST).decode("utf-8", "replace")
