"""A circuit breaker for a keyring that did not answer in time: the next call does not wait for it again.

It applies to this machine alone: a home folder may be shared with one whose keyring works. It applies only to
callers who would wait no longer than the one that tripped it: a job at night does not take the keyring away
from the person who can answer its prompt in the morning.

Every path is ``Paths.keyring_breaker``, every ``now`` a Unix time.
"""

from __future__ import annotations

import json
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

from nimbus_sdk.config.paths import Paths
from nimbus_sdk.storage import fs

REST_SECONDS = 600.0
LOOK_SECONDS = 10.0
_REASON_LENGTH = 200
_unwritten: dict[str, Breaker] = {}
"""Breakers that could not be written, for this process alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Why the keyring is skipped, and until when.

    Attributes:
        until: Unix time after which it is asked again.
        reason: What it did, as the end of a sentence that starts with "it"; without any secret.
        patience: Seconds that the caller would have waited.
        host: The machine.
        look_after: Unix time after which it is asked again whether it is unlocked.
    """

    until: float
    reason: str
    patience: float
    host: str
    look_after: float = 0.0

    def wording(self, now: float) -> str:
        """Return the state as text, such as ``skipped: did not answer 8 min ago``."""
        age = int(max(0.0, now - self.until + REST_SECONDS))
        ago = f"{age} s" if age < 60 else f"{age // 60} min"
        return f"skipped: {self.reason} {ago} ago"


def trip(path: str, *, reason: str, patience: float, now: float) -> None:
    """Record for ten minutes that the keyring did not answer; in memory, if the disk refuses."""
    until = now + REST_SECONDS
    _record(path, Breaker(until=until, reason=reason, patience=patience, host=platform.node()))


def delay_next_look(path: str, breaker: Breaker, *, now: float) -> None:
    """Record for some seconds that the keyring did not even answer whether it is unlocked."""
    _record(path, replace(breaker, look_after=now + LOOK_SECONDS))


def _record(path: str, breaker: Breaker) -> None:
    try:
        fs.write_private(path, json.dumps(asdict(breaker)).encode())
    except OSError:
        # It only saves time: a home folder that is read-only must not turn a slow keyring into a failure.
        _unwritten[path] = breaker


def reset(path: str) -> None:
    """Ask the keyring as usual from now on: it has answered, or somebody wants to try again."""
    _unwritten.pop(path, None)
    # A record that cannot be removed ends by itself, after ten minutes.
    with suppress(OSError):
        fs.remove(path)


def read_breaker(path: str, *, now: float) -> Breaker | None:
    """Return the breaker that still applies, or None."""
    for breaker in (_written(path), _unwritten.get(path)):
        # A time more than ten minutes ahead was written under a clock that has been set back since.
        if breaker is not None and 0 < breaker.until - now <= REST_SECONDS:
            return breaker
    return None


def _written(path: str) -> Breaker | None:
    try:
        found = json.loads(fs.read(path) or b"null")
        breaker = Breaker(
            until=float(found["until"]),
            reason=str(found["reason"]),
            patience=float(found["patience"]),
            host=str(found["host"]),
            look_after=float(found.get("look_after", 0.0)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    known = breaker.host == platform.node() and breaker.reason[:_REASON_LENGTH].isprintable()
    return breaker if known else None


def breaker_state(paths: Paths) -> str | None:
    """Return how ``status`` describes a keyring that is skipped, or None if it is asked as usual."""
    now = time.time()
    breaker = read_breaker(paths.keyring_breaker, now=now)
    return None if breaker is None else breaker.wording(now)
