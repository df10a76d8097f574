"""One file that carries core, session and key to a machine without network, under a passphrase.

Needs the extra ``bundle`` (the library ``cryptography``).

Example:
    >>> from nimbus_sdk.core.bundle import create_bundle, install_bundle
    >>> create_bundle("lab.nimbus", passphrase)  # doctest: +SKIP
    >>> install_bundle("lab.nimbus", passphrase)  # doctest: +SKIP
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nimbus_sdk.account import renewal
from nimbus_sdk.account.record import SessionRecord, require_valid
from nimbus_sdk.account.session import AuthSession, as_session
from nimbus_sdk.config.keys import parse_key, raise_if_invalid
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core import bundle
from nimbus_sdk.core.activation import CoreWheel, fetched_wheel, put_in_use
from nimbus_sdk.core.bundle.contents import Contents
from nimbus_sdk.core.bundle.encryption import damaged, inspect, require_sealable, seal, unseal
from nimbus_sdk.core.wheel import requirements
from nimbus_sdk.display.progress import ProgressEvent, Report, reporting
from nimbus_sdk.errors import ConfigurationError, CoreIncompatibleError, SessionExpiredError
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.key_lookup import FoundKey, find_key
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.driver import run
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.config.keys import ParsedKey


import logging

from nimbus_sdk.account.session_cache import stored_session
from nimbus_sdk.core.wheel import manifest, pep_parsing
from nimbus_sdk.core.wheel.manifest import InstalledCore
from nimbus_sdk.errors import CoreError, SessionError

__all__ = ["BundleFacts", "create_bundle", "install_bundle", "read_facts"]

LARGEST_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What a bundle tells without its passphrase.

    Attributes:
        wheel: File name of the core's wheel.
        created_at: When it was made (UTC, ISO 8601).
        expires_at: When its session ends, or None.
    """

    wheel: str
    created_at: str
    expires_at: str | None


def create_bundle(
    path: str | os.PathLike[str],
    passphrase: str,
    api_key: str | None = None,
    *,
    version: str | None = None,
    profile: str | None = None,
    progress: Report | bool | None = None,
    timeout: float | None = None,
) -> BundleFacts:
    """Make a bundle for this interpreter: four requests, and nothing is kept but the file.

    Args:
        path: The file, made new; only this user may read it.
        passphrase: At least 12 characters; it travels by another way than the file.
        api_key: The key; from the usual sources where left out.
        version: Which version of the core; the newest that fits where left out.
        profile: Which account's stored key.
        progress: As for :func:`nimbus_sdk.install_core`.
        timeout: Likewise.

    Raises:
        ConfigurationError: The file is there already, its folder is not, or the passphrase is too short:
            told before anything is asked for.
        NimbusError: What :func:`nimbus_sdk.install_core` raises.
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    with reporting(progress, settings.no_progress) as report:
        return run(settings, _creating(settings, given, os.fspath(path), passphrase, version, report))


def install_bundle(
    path: str | os.PathLike[str],
    passphrase: str,
    *,
    profile: str | None = None,
    progress: Report | bool | None = None,
) -> AuthSession:
    """Install what a bundle carries, with no network; everything of it or nothing.

    A session of the same key that was confirmed later stays; a core that is newer makes way, with a warning
    in the log, and is kept for a rollback.

    Args:
        path: The file.
        passphrase: The one that it was made with.
        profile: The account's name on this machine.
        progress: As for :func:`nimbus_sdk.install_core`.

    Raises:
        CoreIntegrityError: The passphrase is another, or the file was changed.
        SessionExpiredError: The session in it has ended.
        CoreIncompatibleError: The core in it is for another Python or platform.
    """
    settings = Settings.load(profile=profile)
    with reporting(progress, settings.no_progress) as report:
        return as_session(run(settings, _installing(settings, os.fspath(path), passphrase, report)))


def read_facts(path: str | os.PathLike[str]) -> BundleFacts:
    """What a bundle tells without its passphrase; it counts only once the bundle was opened.

    Raises:
        CoreIntegrityError: It is no bundle.
        ConfigurationError: It cannot be read.
    """
    return _facts(inspect(_read(os.fspath(path))).header)


def _creating(
    settings: Settings, given: ParsedKey, path: str, passphrase: str, version: str | None, report: Report
) -> Flow[BundleFacts]:
    require_sealable(passphrase)
    _require_place(path)
    found = yield from run_blocking(lambda: find_key(settings, raise_if_invalid(given)))
    report(ProgressEvent("validate", f"Validating {found.key.masked}"))
    session = yield from renewal.validate_key(settings, found.key)
    wheel = yield from fetched_wheel(settings, found.key, version, report)
    try:
        report(ProgressEvent("save", "Encrypting"))
        return (yield from run_blocking(lambda: _written(path, passphrase, found, session, wheel)))
    finally:
        wheel.discard()


def _written(
    path: str, passphrase: str, found: FoundKey, session: SessionRecord, wheel: CoreWheel
) -> BundleFacts:
    contents = Contents(found.key, session, wheel.name, _read(wheel.path))
    end = None if session.expires_at is None else session.expires_at.isoformat()
    facts = BundleFacts(wheel.name, datetime.now(UTC).isoformat(timespec="seconds"), end)
    header = {"wheel": facts.wheel, "created_at": facts.created_at, "expires_at": facts.expires_at}
    sealed = seal(header, contents.pack(), passphrase)
    with _disk(path):
        beside = f"{path}.{fs.unique()}.tmp"
        try:
            fs.write_synced(beside, sealed)
            fs.rename(beside, path)
        finally:
            fs.remove(beside)
    return facts


def _installing(settings: Settings, path: str, passphrase: str, report: Report) -> Flow[SessionRecord]:
    paths = settings.paths
    report(ProgressEvent("verify", "Opening the bundle"))
    sealed = yield from run_blocking(lambda: inspect(_read(path)))
    _require_time_left(_facts(sealed.header).expires_at)
    contents = yield from run_blocking(lambda: Contents.unpack(unseal(sealed, passphrase)))
    brought = require_valid(replace(contents.session, profile=settings.profile), datetime.now(UTC))
    version = _fitting_version(contents.wheel_name)
    lock = Lock(paths.lock)
    try:
        yield from renewal.acquire_lock(lock)
        before = yield from run_blocking(lambda: bundle.core_in_use(paths))
        session = yield from run_blocking(lambda: bundle.later(paths, brought, datetime.now(UTC)))
        wheel = yield from run_blocking(lambda: _laid_down(paths, contents))
        try:
            found = FoundKey(contents.key, "bundle", os.path.basename(path))
            session = yield from put_in_use(settings, found, session, wheel, report)
        finally:
            wheel.discard()
    finally:
        lock.release()
    bundle.tell_of_lower(before, version)
    report(ProgressEvent("done", "Done"))
    return session


def _require_place(path: str) -> None:
    if os.path.exists(path):
        raise ConfigurationError(f"{path} is there already.", hint="Name a new file, or remove that one.")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise ConfigurationError(f"There is no folder {folder}.", hint="Make it, or name a file elsewhere.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"Nothing can be written in {folder}.", hint="Name a file elsewhere.")


def _laid_down(paths: Paths, contents: Contents) -> CoreWheel:
    path = os.path.join(paths.downloads, f"{contents.sha256}.{fs.unique()}.part")
    with _disk(path):
        fs.make_private_folder(paths.downloads)
        fs.write_synced(path, contents.wheel)
    return CoreWheel(path, contents.wheel_name, contents.sha256, lambda: fs.remove(path))


def _require_time_left(expires_at: str | None) -> None:
    if expires_at is not None and datetime.fromisoformat(expires_at) <= datetime.now(UTC):
        raise SessionExpiredError(
            f"The session in this bundle ended at {expires_at}.",
            hint="Make a new bundle on a machine with network.",
        )


def _fitting_version(wheel_name: str) -> str:
    """The version of a core that fits this interpreter."""
    from packaging.tags import sys_tags
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        _, version, _, tags = parse_wheel_filename(wheel_name)
    except InvalidWheelFilename:
        version, tags = None, frozenset()
    if tags.isdisjoint(sys_tags()):
        here = requirements.interpreter("cp-abi-platform")
        raise CoreIncompatibleError(
            f"The core in this bundle, {wheel_name}, is for another Python or platform than {here}.",
            hint="Make the bundle with the same version of Python, on the same kind of machine.",
        )
    return str(version)


def _facts(header: object) -> BundleFacts:
    told = header.get("facts") if isinstance(header, dict) else None
    told = told if isinstance(told, dict) else {}
    return BundleFacts(str(told.get("wheel")), str(told.get("created_at")), _moment(told.get("expires_at")))


def _moment(told: object) -> str | None:
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(str(told))
    except ValueError:
        moment = datetime.min
    if moment.tzinfo is None:
        raise damaged("its header tells no time at which its session ends")
    return moment.isoformat()


def _read(path: str) -> bytes:
    with _disk(path), open(path, "rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ConfigurationError(f"{path} is larger than {LARGEST_BYTES} bytes.")
    return data


@contextmanager
def _disk(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read or written ({error.strerror or type(error).__name__}).",
            hint="Check the path, its permissions and the free space.",
        ) from None


_log = logging.getLogger("nimbus_sdk")


def later(paths: Paths, brought: SessionRecord, now: datetime) -> SessionRecord:
    """Of the session that a bundle brings and the kept one of the same key, what the service said last.

    A kept session that has ended counts no more, whenever it was confirmed: it would leave nothing to use.
    """
    try:
        kept = stored_session(paths)
    except SessionError:
        # One that cannot be read is no reason to go without.
        return brought
    if kept is None or kept.is_expired(now) or kept.validated_at <= brought.validated_at:
        return brought
    same = (kept.key_fingerprint, kept.api_origin) == (brought.key_fingerprint, brought.api_origin)
    return kept if same else brought


def core_in_use(paths: Paths) -> InstalledCore | None:
    """The core in use, or None where there is none that is whole enough to be told."""
    try:
        return manifest.current(paths.core)
    except CoreError:
        return None


def tell_of_lower(before: InstalledCore | None, version: str) -> None:
    """Say in the log that a bundle has brought a lower version than what was in use, and the way back."""
    if before is None:
        return
    was, now = pep_parsing.version(before.version), pep_parsing.version(version)
    if was is not None and now is not None and now < was:
        _log.warning(
            "The bundle's core %s is in use now, in place of the newer %s, which is kept: "
            "`nimbus-sdk core rollback` goes back to it.",
            version,
            before.version,
        )
