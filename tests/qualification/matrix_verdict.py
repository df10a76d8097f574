"""What is wrong with what came of a cell of the matrix: said, sent, kept, and done again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from nimbus_sdk.account.flows import authenticate_flow
from nimbus_sdk.account.session import AuthSession
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.protocol import MODEL_SUFFIX
from nimbus_sdk.errors import KeyNotFoundError, MissingKeyError, NimbusError
from nimbus_sdk.transport.driver import Driver
from nimbus_sdk.transport.rate_limit import Limits
from tests.qualification.gate import Gate
from tests.qualification.matrix_road import Cell, Road
from tests.qualification.matrix_rules import Expected
from tests.qualification.matrix_stories import MODEL, Found, Story, found_in

SECRET = re.compile(rb"nbci_(?:live|test)_[0-9a-fA-F]{48}|ghp_[A-Za-z0-9]{36}")
CREDENTIALS = "credentials.json"


@dataclass(frozen=True)
class Ending:
    """How a story ended.

    Attributes:
        outcome: ``done``, ``stale`` or the name of an error's class.
        seconds: How long it took.
        said: All that it said: a value, or an error with its traceback.
    """

    outcome: str
    seconds: float
    said: bytes = b""


def wrong_in_ending(ending: Ending, ruled: Expected, tries: int) -> Iterator[str]:
    """What is wrong with the way it ended."""
    if ending.outcome not in ruled.outcomes:
        yield f"it ended as {ending.outcome}, not {' or '.join(ruled.outcomes)}: {ending.said[-400:]!r}"
    fewest, most = ruled.tries
    if not fewest <= tries <= most:
        yield f"it was sent {tries} times, not {fewest} to {most}"
    if ending.seconds > ruled.seconds:
        yield f"it took {ending.seconds:.1f} s, not {ruled.seconds:.1f} s at most"
    if SECRET.search(ending.said):
        yield "a secret is in what it said"


def wrong_on_the_wire(gate: Gate, road: Road, cell: Cell) -> Iterator[str]:
    """What is wrong with what arrived, and where."""
    if cell.fault.before is None and cell.fault.kind != "led away":
        # Where patience is short, the last request may have been given up before it went out.
        missing = road.sent - gate.arrived
        if gate.arrived - road.sent or missing.total() > (cell.story.seconds is not None):
            yield f"{dict(road.sent)} were sent, but {dict(gate.arrived)} arrived"
    if any(SECRET.search(request) for request in gate.elsewhere):
        yield "a secret went to another host"
    if gate.elsewhere and cell.step.at_the_api:
        yield "a redirect of the API was followed"


def wrong_on_the_disk(
    cell: Cell, ruled: Expected, ending: Ending, old: Found, settings: Settings, key: ApiKey
) -> Iterator[str]:
    """What is wrong with what it left."""
    now = found_in(settings)
    if ending.outcome == "stale" or ruled.left == "old":
        if now != old:
            yield f"{now} is left, and not the old state, {old}"
    elif ruled.left in ("dead", "gone"):
        # Another account's session outlives this key.
        dies = old.session == key.fingerprint
        without = replace(old, session=None, confirmed=None) if dies else old
        without = replace(without, key=None) if ruled.left == "gone" else without
        if now != without:
            yield f"{now} is left, and not {without}"
    else:
        yield from _wrong_in_new_state(cell.story, old, now, key)


def _wrong_in_new_state(story: Story, old: Found, now: Found, key: ApiKey) -> Iterator[str]:
    if story.brings in ("core", "session"):
        if now.confirmed is None or now.confirmed == old.confirmed:
            yield "the session was not renewed"
        if story.brings == "core" and now.core in (None, old.core):
            yield f"core {old.core} became {now.core}"
        wanted = replace(old, session=key.fingerprint, key=key.fingerprint, confirmed=now.confirmed)
        wanted = replace(wanted, core=now.core) if story.brings == "core" else wanted
    elif story.brings == "an end":
        wanted = replace(old, session=None, confirmed=None, key=None)
    elif story.brings == "model":
        wanted = replace(old, models=(f"{MODEL}{MODEL_SUFFIX}",))
    else:
        wanted = old
    if now != wanted:
        yield f"{now} is left, and not {wanted}"


def wrong_again(cell: Cell, settings: Settings, key: ApiKey) -> Iterator[str]:
    """What is wrong with a plain second run, once the fault is gone."""
    patient, ends = replace(settings, timeout=30.0), cell.story.brings == "an end"
    try:
        with Driver(patient, limits=Limits()) as driver:
            if cell.story.brings == "model" and found_in(settings).session is None:
                # The key was called dead, and its session went: a model takes a new one.
                driver.run(authenticate_flow(patient, None, offline_mode=False))
            value = driver.run(cell.story.flow(patient, key))
    except NimbusError as error:
        # What was revoked already, and what is gone from here, cannot be revoked again.
        if not (ends and isinstance(error, (KeyNotFoundError, MissingKeyError))):
            yield f"run again, it raises {type(error).__name__}: {error}"
    else:
        if isinstance(value, AuthSession) and value.stale:
            yield f"run again, it gives {value}"
    left = found_in(settings)
    if ends and (left.session or left.key):
        yield f"run again, it leaves {left} of a revoked key"
    if cell.story.brings in ("core", "session") and (left.session, left.key) != (key.fingerprint,) * 2:
        yield f"run again, it leaves {left}"
    if (cell.story.brings == "core" and not left.core) or (cell.story.brings == "model" and not left.models):
        yield f"run again, it leaves {left}"


def leaks(home: Path) -> Iterator[str]:
    """Files that hold a secret, beside the one that may; and what an end should have tidied away."""
    for path in home.rglob("*"):
        if path.suffix == ".tmp":
            yield f"{path.name} was left"
        if path.is_file() and path.name != CREDENTIALS and SECRET.search(path.read_bytes()):
            yield f"a secret is in {path.relative_to(home)}"
