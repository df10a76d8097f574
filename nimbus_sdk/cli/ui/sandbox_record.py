"""Where a sandbox runs that `nimbus-sdk sandbox serve` started, for the commands that use it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE, SandboxControl
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, NimbusError
from nimbus_sdk.storage import fs, trust


class RunningSandbox:
    """A sandbox that runs in another process of this user.

    Attributes:
        environment: The variables that point a program to it, its key and its control token among them.
        control: Its control plane.
    """

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.control = SandboxControl(url, self.environment[TOKEN_VARIABLE])


@contextmanager
def recorded() -> Iterator[Callable[[str, Mapping[str, str]], None]]:
    """Yield a function that records a sandbox for this user; the record lasts as long as the block."""
    paths = Settings.load().paths
    path = paths.sandbox
    content = b""

    def record(url: str, environment: Mapping[str, str]) -> None:
        nonlocal content
        content = json.dumps({"url": url, "environment": environment}).encode()
        # A sandbox is of use without its record, for example where the home cannot be written.
        with suppress(OSError):
            fs.write_private(path, content, paths.state_root)

    try:
        yield record
    finally:
        with suppress(OSError):
            # A sandbox that was started later has a record of its own in the same place.
            if content and trust.read(path, paths.state_root) == content:
                fs.remove(path)


def require_running() -> RunningSandbox:
    """Return the sandbox that this shell points to, else the one that this user started last.

    Raises:
        ConfigurationError: None runs, as far as the shell and this user's home say.
    """
    for find in (_in_environment, _in_record):
        try:
            sandbox = find()
            sandbox.control.list_keys()
        except (OSError, ValueError, KeyError, TypeError, NimbusError):
            continue
        return sandbox
    raise ConfigurationError(
        "No sandbox of yours is running.",
        hint="Start one with `nimbus-sdk sandbox serve`, in a terminal of its own.",
    )


def _in_environment() -> RunningSandbox:
    environment = {name: text for name, text in os.environ.items() if name.startswith("NIMBUS_")}
    return RunningSandbox(Settings.load().api_url, environment)


def _in_record() -> RunningSandbox:
    paths = Settings.load().paths
    facts = json.loads(trust.read(paths.sandbox, paths.state_root) or b"")
    return RunningSandbox(facts["url"], facts["environment"])
