"""Where sandboxes run that `nimbus-sdk sandbox serve` started, for the commands that use one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TypedDict

from nimbus_sdk.cli.ui.sandbox_control import TOKEN_VARIABLE, SandboxControl
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import ConfigurationError, NimbusError
from nimbus_sdk.storage import fs, trust

# Records of sandboxes that were killed go when there are more.
_MOST_RECORDS = 16


class _Record(TypedDict):
    url: str
    environment: dict[str, str]


class RunningSandbox:
    """A sandbox that runs in another process of this user.

    Attributes:
        url: Where it serves.
        reason: Why it is used, of several that may run.
        environment: The variables that point a program to it, its key and its control token among them.
        control: Its control plane.
    """

    def __init__(self, url: str, environment: Mapping[str, str], reason: str) -> None:
        self.url, self.reason = url, reason
        self.environment = dict(sorted(environment.items()))
        self.control = SandboxControl(url, self.environment[TOKEN_VARIABLE])


@contextmanager
def recorded() -> Iterator[Callable[[str, Mapping[str, str]], None]]:
    """Yield a function that records a sandbox for this user; the record lasts as long as the block."""
    paths = Settings.load().paths
    own: list[_Record] = []

    def record(url: str, environment: Mapping[str, str]) -> None:
        own.append({"url": url, "environment": dict(environment)})
        _write(paths, [*own, *_read(paths)])

    try:
        yield record
    finally:
        _write(paths, [each for each in _read(paths) if each not in own])


def require_running() -> RunningSandbox:
    """Return the sandbox that this shell points to, else the one of this user that was started last.

    Raises:
        ConfigurationError: None runs, as far as the shell and this user's home say.
    """
    for url, environment, reason in _candidates():
        try:
            sandbox = RunningSandbox(url, environment, reason)
            sandbox.control.list_keys()
        except (KeyError, NimbusError):
            continue
        return sandbox
    raise ConfigurationError(
        "No sandbox of yours is running.",
        hint="Start one with `nimbus-sdk sandbox serve`, in a terminal of its own.",
    )


def _candidates() -> Iterator[tuple[str, Mapping[str, str], str]]:
    """Yield where one may run, what points a program to it, and why it would be the one."""
    settings = Settings.load()
    environment = {name: text for name, text in os.environ.items() if name.startswith("NIMBUS_")}
    yield settings.api_url, environment, "which this shell points to"
    for record in _read(settings.paths):
        yield record["url"], record["environment"], "which was started last"


def _read(paths: Paths) -> list[_Record]:
    """Return the records, the newest first."""
    try:
        content: list[_Record] = json.loads(trust.read(paths.sandbox, paths.state_root) or b"[]")
        return [{"url": each["url"], "environment": dict(each["environment"])} for each in content]
    except (OSError, ValueError, KeyError, TypeError, NimbusError):
        return []


def _write(paths: Paths, records: list[_Record]) -> None:
    # A sandbox is of use without its record, for example where the home cannot be written.
    with suppress(OSError):
        if records:
            content = json.dumps(records[:_MOST_RECORDS]).encode()
            fs.write_private(paths.sandbox, content, paths.state_root)
        else:
            fs.remove(paths.sandbox)
