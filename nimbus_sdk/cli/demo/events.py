"""The chapters of the demo's story, as facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from nimbus_sdk.cli.demo.offline import Decoding


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


EXPECTED = ("validate", "github_token", "release", "asset")
MARGIN = 0.25
"""By how much the accuracy must beat chance."""

_OK = 200


def checks_of_install(installed: Installed) -> Iterator[Check]:
    """The installation and its four requests."""
    yield Check(
        promise="The installation succeeded",
        held=installed.exit_code == 0 and installed.version is not None,
        seen=f"exit code {installed.exit_code}, core {installed.version}",
    )
    asked = tuple(request.endpoint for request in installed.requests)
    answered = all(request.statuses[-1] == _OK for request in installed.requests)
    yield Check(
        promise="It took four requests, in the documented order",
        held=asked == EXPECTED and answered,
        seen=", ".join(asked) or "none",
    )


def checks_of_decoding(decoded: Decoded, requests: int) -> Iterator[Check]:
    """The offline process.

    Args:
        decoded: What it did.
        requests: How many requests arrived at the sandbox meanwhile.
    """
    found = decoded.found
    if decoded.exit_code != 0 or found is None:
        yield Check(promise="Decoding offline succeeded", held=False, seen=f"exit code {decoded.exit_code}")
        return
    loaded = found["network_libraries"]
    yield Check(
        promise="Decoding asked for nothing over the network",
        held=requests == 0 and not loaded,
        seen=f"{requests} requests, network libraries loaded: {', '.join(loaded) or 'none'}",
    )
    yield Check(
        promise="The session is valid and not a stale one",
        held=not found["stale"],
        seen=f"{found['license_type']}, {'stale' if found['stale'] else 'not stale'}",
    )
    needed = found["chance"] + MARGIN
    yield Check(
        promise=f"Accuracy is above {needed:.0%}, far from the chance of {found['chance']:.0%}",
        held=found["accuracy"] >= needed,
        seen=f"{found['accuracy']:.1%}",
    )
