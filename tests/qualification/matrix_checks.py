"""Checks of a cell of the matrix: its result, its requests, what it left on the disk, and a second run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from nimbus_sdk.account.authentication import authenticate_flow
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.protocol import MODEL_SUFFIX
from nimbus_sdk.errors import KeyNotFoundError, MissingKeyError, NimbusError
from nimbus_sdk.transport.driver import Driver
from nimbus_sdk.transport.rate_limit import Limits
from tests.qualification.faulty_proxy import FaultyProxy
from tests.qualification.matrix_rules import Expected
from tests.qualification.matrix_transport import Cell, FaultInjector
from tests.qualification.matrix_use_cases import MODEL, HomeState, UseCase, read_home_state

SECRET = re.compile(rb"nbci_(?:live|test)_[0-9a-fA-F]{48}|ghp_[A-Za-z0-9]{36}")
CREDENTIALS = "credentials.json"


@dataclass(frozen=True)
class Result:
    """How a use case ended.

    Attributes:
        outcome: ``done``, ``stale`` or the name of an error's class.
        seconds: How long it took.
        text: The returned value, or the error with its traceback.
    """

    outcome: str
    seconds: float
    text: bytes = b""


def problems_of_result(result: Result, rules: Expected, attempts: int) -> Iterator[str]:
    """Yield what is wrong with the result."""
    if result.outcome not in rules.outcomes:
        yield f"it ended as {result.outcome}, not {' or '.join(rules.outcomes)}: {result.text[-400:]!r}"
    fewest, most = rules.attempts
    if not fewest <= attempts <= most:
        yield f"the request was sent {attempts} times, not {fewest} to {most}"
    if SECRET.search(result.text):
        yield "a secret is in its text"


def problems_of_requests(proxy: FaultyProxy, injector: FaultInjector, cell: Cell) -> Iterator[str]:
    """Yield what is wrong with the requests that arrived, and where."""
    if cell.fault.before is None and cell.fault.kind != "redirected away":
        # If the time is short, the last request may have been given up before it was sent.
        missing = injector.sent - proxy.received
        if proxy.received - injector.sent or missing.total() > (cell.use_case.seconds is not None):
            yield f"{dict(injector.sent)} were sent, but {dict(proxy.received)} arrived"
    if any(SECRET.search(request) for request in proxy.third_host_requests):
        yield "a secret was sent to another host"
    if proxy.third_host_requests and cell.step.at_the_api:
        yield "a redirect of the API was followed"


def problems_of_disk(
    cell: Cell, rules: Expected, result: Result, old: HomeState, settings: Settings, key: ApiKey
) -> Iterator[str]:
    """Yield what is wrong with the state it left."""
    now = read_home_state(settings)
    if result.outcome == "stale" or rules.left == "old":
        if now != old:
            yield f"{now} is left instead of the old state, {old}"
    elif rules.left in ("rejected", "gone"):
        # Another account's session stays valid without this key.
        ends = old.session == key.fingerprint
        without = replace(old, session=None, validated_at=None) if ends else old
        without = replace(without, key=None) if rules.left == "gone" else without
        if now != without:
            yield f"{now} is left instead of {without}"
    else:
        yield from _problems_of_new_state(cell.use_case, old, now, key)


def _problems_of_new_state(use_case: UseCase, old: HomeState, now: HomeState, key: ApiKey) -> Iterator[str]:
    if use_case.result_kind in ("core", "session"):
        if now.validated_at is None or now.validated_at == old.validated_at:
            yield "the session was not renewed"
        if use_case.result_kind == "core" and now.core in (None, old.core):
            yield f"core {old.core} became {now.core}"
        wanted = replace(old, session=key.fingerprint, key=key.fingerprint, validated_at=now.validated_at)
        wanted = replace(wanted, core=now.core) if use_case.result_kind == "core" else wanted
    elif use_case.result_kind == "revocation":
        wanted = replace(old, session=None, validated_at=None, key=None)
    elif use_case.result_kind == "model":
        wanted = replace(old, models=(f"{MODEL}{MODEL_SUFFIX}",))
    else:
        wanted = old
    if now != wanted:
        yield f"{now} is left instead of {wanted}"


def problems_of_repeat(cell: Cell, settings: Settings, key: ApiKey) -> Iterator[str]:
    """Yield what is wrong with a second run without the fault."""
    with_long_timeout, revokes = replace(settings, timeout=30.0), cell.use_case.result_kind == "revocation"
    try:
        with closing(Driver(with_long_timeout, limits=Limits())) as driver:
            if cell.use_case.result_kind == "model" and read_home_state(settings).session is None:
                # The key was rejected and its session deleted: a model needs a new one.
                driver.run(authenticate_flow(with_long_timeout, None, offline_mode=False))
            value = driver.run(cell.use_case.flow(with_long_timeout, key))
    except NimbusError as error:
        # A key that is already revoked, or no longer stored, cannot be revoked again.
        if not (revokes and isinstance(error, (KeyNotFoundError, MissingKeyError))):
            yield f"run again, it raises {type(error).__name__}: {error}"
    else:
        if isinstance(value, SessionRecord) and value.stale:
            yield f"run again, it returns {value}"
    left = read_home_state(settings)
    if revokes and (left.session or left.key):
        yield f"run again, it leaves {left} of a revoked key"
    if (
        cell.use_case.result_kind in ("core", "session")
        and (left.session, left.key) != (key.fingerprint,) * 2
    ):
        yield f"run again, it leaves {left}"
    if (cell.use_case.result_kind == "core" and not left.core) or (
        cell.use_case.result_kind == "model" and not left.models
    ):
        yield f"run again, it leaves {left}"


def leaks(home: Path) -> Iterator[str]:
    """Yield files that contain a secret, except the one that may, and temporary files that were left."""
    for path in home.rglob("*"):
        if path.suffix == ".tmp":
            yield f"{path.name} was left"
        if path.is_file() and path.name != CREDENTIALS and SECRET.search(path.read_bytes()):
            yield f"a secret is in {path.relative_to(home)}"
