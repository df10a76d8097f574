"""``install_core``: a key becomes an installed core, a session and kept credentials, or nothing changes.

First time: exactly four requests (validate, token, release, asset), in that order, then everything is
kept. Again, with the core whole: none while the session is younger than an hour, else one. Source: the
description of ``install_core`` in the Nimbus API documentation and NimbusSDK.jl.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nimbus_sdk.account import renewal
from nimbus_sdk.account.record import SessionRecord, validity
from nimbus_sdk.account.session import AuthSession, as_session
from nimbus_sdk.account.session_cache import find_session
from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.core.activation import fetched_wheel, put_in_use
from nimbus_sdk.core.wheel import manifest, verify
from nimbus_sdk.display.progress import ProgressEvent, Report, reporting
from nimbus_sdk.errors import (
    CoreError,
    CoreNotInstalledError,
    CredentialStoreError,
    MissingKeyError,
    NimbusTimeoutError,
    SessionError,
)
from nimbus_sdk.storage.key_lookup import FoundKey, find_key, find_key_without_store
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.driver import run, run_async
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey


def install_core(
    api_key: str | None = None,
    *,
    force: bool = False,
    version: str | None = None,
    profile: str | None = None,
    offline: bool | None = None,
    progress: Report | bool | None = None,
    timeout: float | None = None,
) -> AuthSession:
    """Install the core and keep the session and the key, so that everything works offline afterwards.

    Args:
        api_key: The key; where left out it comes from ``NIMBUS_API_KEY``, ``.env``, a mounted file, the
            store, or a hidden prompt. A key given here is stored once the service has called it valid.
        force: Validate and install again, although everything is there.
        version: Which version of the core; the newest that fits where left out.
        profile: Which account; ``NIMBUS_SDK_PROFILE`` or ``default`` where left out.
        offline: True: not one network call.
        progress: A function that takes events, True or False for a bar or none; a bar where someone looks.
        timeout: Seconds for the conversation with the services, retries included; the wheel's own bytes
            have as long as 64 KiB a second take.

    Returns:
        The session.

    Raises:
        InvalidKeyFormatError: The text is no key (no network was touched).
        InvalidKeyError: The service does not know the key.
        NotConfiguredError: The service has no token for the core's release.
        CoreError: The core could not be fetched, verified or written; what was there before is in use.
        NimbusConnectionError: The service cannot be reached.

    Example:
        >>> from nimbus_sdk import install_core
        >>> session = install_core("nbci_live_…")  # doctest: +SKIP
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, offline=offline, timeout=timeout)
    with reporting(progress, settings.no_progress) as report:
        flow = install_flow(settings, given, force=force, version=version, report=report)
        return as_session(run(settings, flow))


async def install_core_async(
    api_key: str | None = None,
    *,
    force: bool = False,
    version: str | None = None,
    profile: str | None = None,
    offline: bool | None = None,
    progress: Report | bool | None = None,
    timeout: float | None = None,
) -> AuthSession:
    """The awaitable twin of :func:`install_core`."""
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, offline=offline, timeout=timeout)
    with reporting(progress, settings.no_progress) as report:
        flow = install_flow(settings, given, force=force, version=version, report=report)
        return as_session(await run_async(settings, flow))


def install_flow(
    settings: Settings, given: ParsedKey, *, force: bool, version: str | None, report: Report
) -> Flow[SessionRecord]:
    """The whole story, as a flow."""
    order = _Order(settings, raise_if_invalid(given), _wanted(version), report)
    named = yield from run_blocking(lambda: find_key_without_store(settings, order.given))
    if settings.offline:
        return (yield from run_blocking(lambda: order.required(named)))
    session = None
    if not force:
        session = yield from run_blocking(lambda: order.present(named))
        if session is not None and order.complete(named, session):
            report(ProgressEvent("done", "The core is installed, and the session is valid"))
            return session
    lock = Lock(order.settings.paths.lock)
    try:
        served = yield from _waited(order, lock, named, session)
        if served is not None:
            return served
        # Whoever held the lock may have done it all by now.
        session = None if force else (yield from run_blocking(lambda: order.present(named)))
        if session is not None and order.complete(named, session):
            return session
        try:
            found = yield from run_blocking(lambda: order.key(session))
        except (MissingKeyError, CredentialStoreError) as error:
            if session is None:
                raise
            return renewal.use_stale(session, error)
        if session is not None and session.key_fingerprint == found.key.fingerprint:
            report(ProgressEvent("validate", "Renewing the session"))
            return (yield from renewal.refresh_or_use_stale(settings, found, session))
        return (yield from _from_the_start(order, found, core_stays=order.core_is_there() and not force))
    finally:
        lock.release()


def _waited(
    order: _Order, lock: Lock, named: FoundKey | None, session: SessionRecord | None
) -> Flow[SessionRecord | None]:
    """Wait for others that install; where a kept session can stand in, only briefly, and then it does."""
    waiting = ProgressEvent("wait", "Waiting for another process that installs")
    timeout = None if session is None else renewal.BRIEF_WAIT_SECONDS
    try:
        yield from renewal.acquire_lock(lock, lambda: order.report(waiting), timeout)
    except NimbusTimeoutError as error:
        if session is None:
            raise
        # The others may be held up by a service that does not answer, one after the other.
        latest = (yield from run_blocking(lambda: order.present(named))) or session
        return latest if order.complete(named, latest) else renewal.use_stale(latest, error)
    return None


def _wanted(version: str | None) -> str | None:
    """A version as a core tells its own, so that ``v1.0`` and ``1.0`` are the same wish."""
    if version is None:
        return None
    from nimbus_sdk.core.wheel.release import version_of

    return str(version_of(version))


@dataclass(frozen=True, slots=True)
class _Order:
    """What was asked for, and where it goes."""

    settings: Settings
    given: ApiKey | None
    version: str | None
    report: Report

    def key(self, session: SessionRecord | None) -> FoundKey:
        """The key that counts; a person is asked for one only where there is no session to go on with."""
        prompt = None if session is None else str
        return find_key(self.settings, self.given, prompt=prompt)

    def core_is_there(self) -> bool:
        """Whether the core that was asked for is the current one, and whole."""
        try:
            core = manifest.current(self.settings.paths.core)
            return (
                core is not None and self.version in (None, core.version) and not verify.changed_files(core)
            )
        except CoreError:
            return False

    def present(self, named: FoundKey | None) -> SessionRecord | None:
        """The session, if the core is there and the session counts for the key that was named."""
        if not self.core_is_there():
            return None
        try:
            session = find_session(self.settings.paths, None if named is None else named.key)
        except SessionError:
            return None
        # What another service said of the key is no word of this one.
        return session if session.api_origin == origin(self.settings.api_url) else None

    def required(self, named: FoundKey | None) -> SessionRecord:
        """The same, for a start without network.

        Raises:
            SessionError: There is no session that may be used.
            CoreNotInstalledError: The core that was asked for is not there, or not whole.
        """
        session = find_session(self.settings.paths, None if named is None else named.key)
        if not self.core_is_there():
            wanted = "The core" if self.version is None else f"Core {self.version}"
            raise CoreNotInstalledError(
                f"{wanted} is not installed whole in {self.settings.paths.core}, and offline mode is on.",
                hint="Run it once with network: unset NIMBUS_SDK_OFFLINE, and leave offline=True out.",
            )
        return session

    def complete(self, named: FoundKey | None, session: SessionRecord) -> bool:
        """Whether nothing is left to do: the session is fresh, and a key that was given is stored."""
        if validity(session, datetime.now(UTC)) != "fresh":
            return False
        if named is None or named.source not in renewal.STORED_SOURCES:
            return True
        card = read_metadata(self.settings.paths)
        stored = card is not None and card.fingerprint == named.key.fingerprint
        return stored or self.settings.credential_store == "none"


def _from_the_start(order: _Order, found: FoundKey, *, core_stays: bool) -> Flow[SessionRecord]:
    order.report(ProgressEvent("validate", f"Validating {found.key.masked}"))
    session = yield from renewal.validate_key(order.settings, found.key)
    if core_stays:
        session = yield from run_blocking(lambda: renewal.store_session(order.settings, found, session))
    else:
        wheel = yield from fetched_wheel(order.settings, found.key, order.version, order.report)
        try:
            session = yield from put_in_use(order.settings, found, session, wheel, order.report)
        finally:
            wheel.discard()
    order.report(ProgressEvent("done", "Done"))
    return session
