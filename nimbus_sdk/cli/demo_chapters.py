"""The chapters of the demo's story, as facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nimbus_sdk.cli.demo_offline import Decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What comes next.

    Attributes:
        title: In words.
    """

    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The sandbox serves.

    Attributes:
        api_url: Where.
        key_masked: The key that it was asked for.
        milliseconds: What it took.
    """

    api_url: str
    key_masked: str
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the sandbox's journal has it; a redirect counts with what it leads to.

    Attributes:
        endpoint: Its name.
        statuses: HTTP statuses; two where there was a redirect.
        at_ms: Milliseconds after the first request.
        bytes: Of all bodies sent.
    """

    endpoint: str
    statuses: tuple[int | None, ...]
    at_ms: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """``nimbus-sdk install`` has run in a process of its own.

    Attributes:
        exit_code: Its exit code.
        version: Of the core, or None.
        requests: What it asked for.
        milliseconds: What it took, the start of the process included.
    """

    exit_code: int
    version: str | None
    requests: tuple[Request, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The way to the sandbox is closed, or watched where it was to be kept.

    Attributes:
        stopped: Whether its process has ended.
        milliseconds: What that took.
    """

    stopped: bool
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A process with ``NIMBUS_SDK_OFFLINE=1`` has decoded simulated trials.

    Attributes:
        exit_code: Its exit code.
        found: What it printed, or None where it failed.
        milliseconds: What it took, the start of the process included.
    """

    exit_code: int
    found: Decoding | None
    milliseconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise.

    Attributes:
        promise: In words.
        held: Whether it held.
        seen: What was seen.
    """

    promise: str
    held: bool
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What stays behind because it was asked for.

    Attributes:
        pid: The sandbox's process.
        folder: All files of the demo.
        environment: What leads a shell there, the sandbox's key among it.
    """

    pid: int
    folder: str
    environment: Mapping[str, str]


Chapter: TypeAlias = Begun | Started | Installed | Cut | Decoded | Check | Kept
Tell: TypeAlias = Callable[[Chapter], None]
