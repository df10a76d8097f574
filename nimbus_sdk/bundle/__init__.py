"""One file that carries core, session and key to a machine without network, under a passphrase.

Needs the extra ``bundle`` (the library ``cryptography``).

Example:
    >>> from nimbus_sdk.bundle import create_bundle, install_bundle
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

from nimbus_sdk import disk, licensing
from nimbus_sdk.bundle import kept
from nimbus_sdk.bundle.contents import Contents
from nimbus_sdk.bundle.vault import damaged, inspect, require_sealable, seal, unseal
from nimbus_sdk.core import environment
from nimbus_sdk.core_wheel import CoreWheel, fetched_wheel, put_in_use
from nimbus_sdk.errors import ConfigurationError, CoreIncompatibleError, SessionExpiredError
from nimbus_sdk.keys import accepted, received
from nimbus_sdk.progress import ProgressEvent, Report, reporting
from nimbus_sdk.session import AuthSession, usable
from nimbus_sdk.settings import Settings
from nimbus_sdk.store.files import Lock
from nimbus_sdk.store.key_sources import Found, find_key
from nimbus_sdk.store.places import Places
from nimbus_sdk.transport.drive import run
from nimbus_sdk.transport.flow import Flow, work

if TYPE_CHECKING:
    from nimbus_sdk.keys import Given

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
    given, api_key = received(api_key), None
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
        return run(settings, _installing(settings, os.fspath(path), passphrase, report))


def read_facts(path: str | os.PathLike[str]) -> BundleFacts:
    """What a bundle tells without its passphrase; it counts only once the bundle was opened.

    Raises:
        CoreIntegrityError: It is no bundle.
        ConfigurationError: It cannot be read.
    """
    return _facts(inspect(_read(os.fspath(path))).header)


def _creating(
    settings: Settings, given: Given, path: str, passphrase: str, version: str | None, report: Report
) -> Flow[BundleFacts]:
    places = Places.of(settings)
    require_sealable(passphrase)
    _require_place(path)
    found = yield from work(lambda: find_key(settings, places, accepted(given)))
    report(ProgressEvent("validate", f"Validating {found.key.masked}"))
    session = yield from licensing.confirmed(settings, places, found.key)
    wheel = yield from fetched_wheel(settings, places, found.key, version, report)
    try:
        report(ProgressEvent("save", "Encrypting"))
        return (yield from work(lambda: _written(path, passphrase, found, session, wheel)))
    finally:
        wheel.discard()


def _written(path: str, passphrase: str, found: Found, session: AuthSession, wheel: CoreWheel) -> BundleFacts:
    contents = Contents(found.key, session, wheel.name, _read(wheel.path))
    end = None if session.expires_at is None else session.expires_at.isoformat()
    facts = BundleFacts(wheel.name, datetime.now(UTC).isoformat(timespec="seconds"), end)
    header = {"wheel": facts.wheel, "created_at": facts.created_at, "expires_at": facts.expires_at}
    sealed = seal(header, contents.pack(), passphrase)
    with _disk(path):
        beside = f"{path}.{disk.unique()}.tmp"
        try:
            disk.write_synced(beside, sealed)
            disk.rename(beside, path)
        finally:
            disk.remove(beside)
    return facts


def _installing(settings: Settings, path: str, passphrase: str, report: Report) -> Flow[AuthSession]:
    places = Places.of(settings)
    report(ProgressEvent("verify", "Opening the bundle"))
    sealed = yield from work(lambda: inspect(_read(path)))
    _require_time_left(_facts(sealed.header).expires_at)
    contents = yield from work(lambda: Contents.unpack(unseal(sealed, passphrase)))
    brought = usable(replace(contents.session, profile=settings.profile), datetime.now(UTC))
    version = _fitting_version(contents.wheel_name)
    lock = Lock(places.lock)
    try:
        yield from licensing.locked(lock)
        before = yield from work(lambda: kept.core_in_use(places))
        session = yield from work(lambda: kept.later(places, brought, datetime.now(UTC)))
        wheel = yield from work(lambda: _laid_down(places, contents))
        try:
            found = Found(contents.key, "bundle", os.path.basename(path))
            session = yield from put_in_use(settings, places, found, session, wheel, report)
        finally:
            wheel.discard()
    finally:
        lock.release()
    kept.tell_of_lower(before, version)
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


def _laid_down(places: Places, contents: Contents) -> CoreWheel:
    path = os.path.join(places.downloads, f"{contents.sha256}.{disk.unique()}.part")
    with _disk(path):
        disk.make_private_folder(places.downloads)
        disk.write_synced(path, contents.wheel)
    return CoreWheel(path, contents.wheel_name, contents.sha256, lambda: disk.remove(path))


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
        here = environment.interpreter("cp-abi-platform")
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
