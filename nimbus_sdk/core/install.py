"""``install_core``: install the core and store session and key, or change nothing.

The first time it makes exactly four requests (validate, token, release, asset), in that order, and then
stores everything. With the core installed it makes none while the session is younger than an hour, else
one. Source: ``install_core`` in the Nimbus API documentation and in NimbusSDK.jl.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from nimbus_sdk import errors
from nimbus_sdk.account.home_lock import acquire_lock
from nimbus_sdk.account.refresh import BRIEF_WAIT_SECONDS, CACHED_TIMEOUT_SECONDS, refresh_or_use_stale
from nimbus_sdk.account.session import AuthSession, as_session
from nimbus_sdk.account.session_lookup import find_session
from nimbus_sdk.account.session_record import SessionRecord, validity
from nimbus_sdk.account.session_store import store_session
from nimbus_sdk.account.validation import use_stale, validate_key, with_found_key
from nimbus_sdk.config.keys import ApiKey, parse_key, raise_if_invalid
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.core.activation import activate, fetch_wheel, require_installable
from nimbus_sdk.core.wheel import manifest, verify
from nimbus_sdk.core.wheel.requirements import version_of
from nimbus_sdk.display.progress import ProgressEvent, Report
from nimbus_sdk.display.reporting import reporting
from nimbus_sdk.storage.key_lookup import FoundKey, find_key, find_key_without_store, no_prompt
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.deadline import Deadline
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey
    from nimbus_sdk.core.wheel.manifest import InstalledCore

_NEXT_STEP = "nimbus_sdk.list_available_models()"
_WAITING = ProgressEvent("wait", "Waiting for another process to finish installing")


def _install_core(
    api_key: str | None = None,
    *,
    force: bool = False,
    version: str | None = None,
    profile: str | None = None,
    offline: bool | None = None,
    progress: Report | bool | None = None,
    timeout: float | None = None,
) -> Prepared[AuthSession]:
    """Install the core and store the session and the key, so that everything works offline afterwards.

    Args:
        api_key: The key; if omitted, it comes from ``NIMBUS_API_KEY``, ``.env``, a mounted file, the store,
            or a hidden prompt. A key given here is stored once the service has found it valid.
        force: Validate and install again, although everything is installed.
        version: Which version of the core; the newest that fits if omitted.
        profile: Which account; ``NIMBUS_SDK_PROFILE`` or ``default`` if omitted.
        offline: True: make no network call.
        progress: A function that takes events, or True or False for a bar or none; if omitted, a bar in a
            terminal or notebook.
        timeout: Seconds for the requests to the services, retries included. The download itself goes on as
            long as bytes arrive; it may be silent for this long, and has two minutes more to reconnect.

    Returns:
        The session.

    Raises:
        InvalidKeyFormatError: The text is not a key; no request was made.
        InvalidKeyError: The service does not know the key.
        CoreIncompatibleError: NumPy, or what else the core requires, is missing here; the message names the
            command that installs it.
        NotConfiguredError: The service has no token for the core's release.
        CoreError: The core could not be fetched, verified or written; the previous one stays in use.
        NimbusConnectionError: The service cannot be reached.

    Examples:
        >>> from nimbus_sdk import install_core
        >>> session = install_core("nbci_live_…")  # doctest: +SKIP
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, offline=offline, timeout=timeout)
    return settings, _install(settings, given, force, version, progress)


install_core, install_core_async = make_pair(_install_core)


def _install(
    settings: Settings, given: ParsedKey, force: bool, version: str | None, progress: Report | bool | None
) -> Flow[AuthSession]:
    with reporting(progress, settings.no_progress, _NEXT_STEP) as report:
        return as_session((yield from install_flow(settings, given, force, version, report)))


def install_flow(
    settings: Settings, given: ParsedKey, force: bool, version: str | None, report: Report
) -> Flow[SessionRecord]:
    """Do what is still missing for an installed core and a fresh session."""
    given_key = raise_if_invalid(given)
    if version is not None:
        # As the core spells it, so that v1.0 and 1.0 are equal.
        version = str(version_of(version))
    key = yield from run_blocking(lambda: find_key_without_store(settings, given_key))
    if settings.offline:
        return (yield from run_blocking(lambda: _require_session(settings, key, version)))

    def find_usable() -> SessionRecord | None:
        return None if force else _find_session(settings, key, version)

    session = yield from run_blocking(find_usable)
    if session is not None and _is_complete(settings, given_key, session):
        report(ProgressEvent("done", "The core is installed, and the session is valid"))
        return session
    with Lock(settings.paths.lock) as lock:
        timeout = None if session is None else BRIEF_WAIT_SECONDS
        refresh_time = Deadline(CACHED_TIMEOUT_SECONDS)
        try:
            yield from acquire_lock(lock, lambda: report(_WAITING), timeout)
        except errors.NimbusTimeoutError as error:
            if session is None:
                raise
            # The others may be waiting, one after the other, for a service that does not answer.
            session = (yield from run_blocking(find_usable)) or session
            return session if _is_complete(settings, given_key, session) else use_stale(session, error)
        seconds = refresh_time.remaining()
        # Another process may have done everything in the meantime.
        session = yield from run_blocking(find_usable)
        if session is not None and _is_complete(settings, given_key, session):
            return session
        install = partial(_validate_and_install, settings, version, report, force)
        if session is None:
            return (yield from with_found_key(settings, given_key, install))
        # With a session to go on with, nobody is asked for a key.
        try:
            found = yield from run_blocking(lambda: find_key(settings, given_key, prompt=no_prompt))
        except (errors.MissingKeyError, errors.CredentialStoreError) as error:
            return use_stale(session, error)
        if session.key_fingerprint == found.key.fingerprint:
            report(ProgressEvent("validate", "Refreshing the session"))
            return (yield from refresh_or_use_stale(settings, found, session, seconds))
        return (yield from install(found))


def _validate_and_install(
    settings: Settings, version: str | None, report: Report, force: bool, found: FoundKey
) -> Flow[SessionRecord]:
    """Validate a key and store its session; fetch the core as well, unless it is installed."""
    core = None if force else (yield from run_blocking(lambda: _whole_core(settings, version)))
    if core is None:
        yield from run_blocking(lambda: require_installable(settings.paths))
    report(ProgressEvent("validate", f"Validating {found.key.masked}"))
    try:
        session = yield from validate_key(settings, found.key)
    except (errors.InvalidKeyError, errors.KeyExpiredError):
        report(ProgressEvent("validate", f"{found.key.masked} was rejected"))
        raise
    if core is not None:
        number = core.version
        session = yield from run_blocking(lambda: store_session(settings, found, session))
    else:
        wheel = yield from fetch_wheel(settings, found.key, version, report)
        number = wheel.name.split("-")[1]
        session = yield from activate(settings, found, session, wheel, report)
    done = f"Core {number} is installed ({session.license_type} license); everything works offline now"
    report(ProgressEvent("done", done))
    return session


def _whole_core(settings: Settings, version: str | None) -> InstalledCore | None:
    """Return the core in use if it is whole, and of this version if one is given."""
    try:
        core = manifest.find_core(settings.paths.core)
        if core is None or version not in (None, core.version) or verify.changed_files(core):
            return None
        return core
    except errors.CoreIncompatibleError:
        # Written by a newer version: it must not be replaced.
        raise
    except errors.CoreError:
        return None


def _find_session(settings: Settings, key: ApiKey | None, version: str | None) -> SessionRecord | None:
    """Return the session for this key from this service, if the core is installed with it."""
    if _whole_core(settings, version) is None:
        return None
    try:
        session = find_session(settings.paths, key)
    except errors.NewerSessionError:
        raise
    except errors.SessionError:
        return None
    return session if session.api_origin == origin(settings.api_url) else None


def _require_session(settings: Settings, key: ApiKey | None, version: str | None) -> SessionRecord:
    """Return the session for this key, for a start without network, if the core is installed with it."""
    session = find_session(settings.paths, key)
    if _whole_core(settings, version) is None:
        wanted = "The core" if version is None else f"Core {version}"
        raise errors.CoreNotInstalledError(
            f"{wanted} is not completely installed in {settings.paths.core}, and offline mode is on.",
            hint="Run it once, online: unset NIMBUS_SDK_OFFLINE and omit offline=True.",
        )
    return session


def _is_complete(settings: Settings, given: ApiKey | None, session: SessionRecord) -> bool:
    """Return whether nothing is missing: the session is fresh, and a key that was given is stored."""
    if validity(session, datetime.now(UTC)) != "fresh":
        return False
    if given is None or settings.credential_store == "none":
        return True
    metadata = read_metadata(settings.paths)
    if metadata is None or metadata.fingerprint != given.fingerprint:
        return False
    return settings.credential_store in (None, metadata.store)
