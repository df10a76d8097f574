"""An encrypted file that carries core, session and key to a machine without network.

Needs the extra ``bundle`` (the library ``cryptography``).

Examples:
    >>> from nimbus_sdk.core.bundle import create_bundle, install_bundle
    >>> create_bundle("lab.nimbus", passphrase)  # doctest: +SKIP
    >>> install_bundle("lab.nimbus", passphrase)  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from nimbus_sdk import errors
from nimbus_sdk.account.home_lock import acquire_lock
from nimbus_sdk.account.session import AuthSession, as_session
from nimbus_sdk.account.session_lookup import stored_session
from nimbus_sdk.account.session_record import SessionRecord, require_valid
from nimbus_sdk.account.validation import validate_key
from nimbus_sdk.config.keys import parse_key, raise_if_invalid
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.activation import CoreWheel, activate, fetch_wheel
from nimbus_sdk.core.bundle import encryption
from nimbus_sdk.core.bundle.contents import LARGEST_BYTES, Contents
from nimbus_sdk.core.bundle.encryption import Header
from nimbus_sdk.core.wheel import manifest, requirements
from nimbus_sdk.display.progress import ProgressEvent, Report
from nimbus_sdk.display.reporting import reporting
from nimbus_sdk.storage import fs
from nimbus_sdk.storage.key_lookup import FoundKey, find_key
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.driver import run
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from packaging.version import Version

    from nimbus_sdk.config.keys import ParsedKey

__all__ = ["BundleFacts", "create_bundle", "install_bundle", "read_facts"]

_log = logging.getLogger("nimbus_sdk")


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """What can be read from a bundle without its passphrase: the wheel's file name, and times in ISO 8601.

    The session never ends if ``expires_at`` is None.
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
    """Create a bundle for this interpreter: makes four requests, and stores nothing but the file.

    Args:
        path: The file, which must not exist; only this user may read it.
        passphrase: At least 12 characters; transmit it separately from the file.
        api_key: The key; from the usual sources if omitted.
        version: Which version of the core; the newest that fits if omitted.
        profile: Which account's stored key.
        progress, timeout: As for ``nimbus_sdk.install_core``.

    Raises:
        ConfigurationError: The file exists, its folder does not, or the passphrase is too short; no request
            was made.
        NimbusError: What ``nimbus_sdk.install_core`` raises.
    """
    given, api_key = parse_key(api_key), None
    settings = Settings.load(profile=profile, timeout=timeout)
    with reporting(progress, settings.no_progress) as report:
        return run(settings, create_flow(settings, given, os.fspath(path), passphrase, version, report))


def install_bundle(
    path: str | os.PathLike[str],
    passphrase: str,
    *,
    profile: str | None = None,
    progress: Report | bool | None = None,
) -> AuthSession:
    """Install what a bundle contains, with no network; all of it or nothing.

    A session of the same key that was validated later stays. A newer core is replaced, with a warning in
    the log, and stays available for a rollback.

    Args:
        path: The file.
        passphrase: The one that it was created with.
        profile: The account's name on this machine.
        progress: As for ``nimbus_sdk.install_core``.

    Raises:
        CoreIntegrityError: The passphrase is wrong, or the file was changed.
        SessionExpiredError: The session in it has ended.
        CoreIncompatibleError: The core in it is for another Python or platform.
    """
    settings = Settings.load(profile=profile)
    with reporting(progress, settings.no_progress) as report:
        return as_session(run(settings, install_flow(settings, os.fspath(path), passphrase, report)))


def read_facts(path: str | os.PathLike[str]) -> BundleFacts:
    """Read what a bundle says without its passphrase; not to be trusted before the bundle was decrypted.

    Raises:
        CoreIntegrityError: It is not a bundle.
        ConfigurationError: It cannot be read.
    """
    with _open_bundle(os.fspath(path)) as (_, header):
        return _facts(header.fields)


def create_flow(
    settings: Settings, given: ParsedKey, path: str, passphrase: str, version: str | None, report: Report
) -> Flow[BundleFacts]:
    """Validate the key, fetch the wheel, and write both with the session into an encrypted file."""
    encryption.require_usable(passphrase)
    _require_new_file(path)
    found = yield from run_blocking(lambda: find_key(settings, raise_if_invalid(given)))
    report(ProgressEvent("validate", f"Validating {found.key.masked}"))
    session = yield from validate_key(settings, found.key)
    wheel = yield from fetch_wheel(settings, found.key, version, report)
    try:
        report(ProgressEvent("save", "Encrypting"))
        return (yield from run_blocking(lambda: _write(path, passphrase, found, session, wheel)))
    finally:
        wheel.discard()


def install_flow(settings: Settings, path: str, passphrase: str, report: Report) -> Flow[SessionRecord]:
    """Decrypt a bundle, and put its core, session and key into use."""
    paths = settings.paths
    report(ProgressEvent("verify", "Opening the bundle"))
    expires_at = (yield from run_blocking(lambda: read_facts(path))).expires_at
    if expires_at is not None and datetime.fromisoformat(expires_at) <= datetime.now(UTC):
        raise errors.SessionExpiredError(
            f"The session in this bundle ended at {expires_at}.",
            hint="Create a new bundle on a machine with network.",
        )
    contents, wheel = yield from run_blocking(lambda: _unpack(paths, path, passphrase))
    lock = Lock(paths.lock)
    try:
        bundled = require_valid(replace(contents.session, profile=settings.profile), datetime.now(UTC))
        version = _compatible_version(contents.wheel_name)
        yield from acquire_lock(lock)
        previous = yield from run_blocking(lambda: _version_in_use(paths))
        session = yield from run_blocking(lambda: _latest_session(paths, bundled, datetime.now(UTC)))
        found = FoundKey(contents.key, "bundle", os.path.basename(path))
        session = yield from activate(settings, found, session, wheel, report)
    finally:
        lock.release()
        wheel.discard()
    if previous is not None and version < previous:
        _log.warning(
            "Core %s from the bundle replaces the newer %s; `nimbus-sdk core rollback` switches back to it.",
            version,
            previous,
        )
    report(ProgressEvent("done", "The core is installed; everything works offline now"))
    return session


def _write(
    path: str, passphrase: str, found: FoundKey, session: SessionRecord, wheel: CoreWheel
) -> BundleFacts:
    contents = Contents(found.key, session, wheel.name, wheel.sha256)
    end = None if session.expires_at is None else session.expires_at.isoformat()
    facts = BundleFacts(wheel.name, datetime.now(UTC).isoformat(timespec="seconds"), end)
    with _file_errors(path), open(wheel.path, "rb") as file:
        size = len(contents.describe()) + os.fstat(file.fileno()).st_size
        content = contents.pack(iter(lambda: file.read(encryption.CHUNK_BYTES), b""))
        fs.replace_file(path, encryption.encrypt(asdict(facts), content, size, passphrase))
    return facts


def _unpack(paths: Paths, path: str, passphrase: str) -> tuple[Contents, CoreWheel]:
    """Decrypt a bundle, its wheel into a file that is removed with ``discard``."""
    target = os.path.join(paths.downloads, f"bundle.{fs.unique_suffix()}.part")
    with fs.disk_errors(paths.downloads):
        fs.make_private_folder(paths.downloads)
        descriptor = fs.create(target)

    def write(chunk: bytes) -> None:
        with fs.disk_errors(paths.downloads):
            fs.write_all(descriptor, chunk)

    try:
        with _open_bundle(path) as (file, header):
            chunks = encryption.decrypt(file, header, passphrase, LARGEST_BYTES)
            contents = Contents.unpack(chunks, write)
    except BaseException:
        fs.remove(target)
        raise
    finally:
        os.close(descriptor)
    return contents, CoreWheel(target, contents.wheel_name, contents.sha256, lambda: fs.remove(target))


def _require_new_file(path: str) -> None:
    if os.path.exists(path):
        raise errors.ConfigurationError(
            f"{path} already exists.", hint="Name a new file, or remove that one."
        )
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise errors.ConfigurationError(
            f"The folder {folder} does not exist.", hint="Create it, or name a file elsewhere."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise errors.ConfigurationError(
            f"The folder {folder} is not writable.", hint="Name a file elsewhere."
        )


def _compatible_version(wheel_name: str) -> Version:
    """Return the version of a wheel that fits this interpreter."""
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    with suppress(InvalidWheelFilename):
        _, version, _, tags = parse_wheel_filename(wheel_name)
        if not tags.isdisjoint(requirements.supported_tags()):
            return version
    here = requirements.interpreter("cp-abi-platform")
    raise errors.CoreIncompatibleError(
        f"The core in this bundle, {wheel_name}, is for another Python or platform than {here}.",
        hint="Create the bundle with the same version of Python, on the same kind of machine.",
    )


def _latest_session(paths: Paths, bundled: SessionRecord, now: datetime) -> SessionRecord:
    """Return the bundle's session, or the stored one of the same key if it is valid and newer."""
    with suppress(errors.SessionError):
        stored = stored_session(paths)
        if (
            stored is not None
            and not stored.is_expired(now)
            and stored.validated_at > bundled.validated_at
            and stored.key_fingerprint == bundled.key_fingerprint
            and stored.api_origin == bundled.api_origin
        ):
            return stored
    return bundled


def _version_in_use(paths: Paths) -> Version | None:
    with suppress(errors.CoreError):
        core = manifest.find_core(paths.core)
        return None if core is None else requirements.parse_version(core.version)
    return None


def _facts(header: Mapping[str, Any]) -> BundleFacts:
    facts = header.get("facts")
    facts = facts if isinstance(facts, dict) else {}
    expires_at = facts.get("expires_at")
    if expires_at is not None:
        try:
            moment = datetime.fromisoformat(str(expires_at))
        except ValueError:
            moment = datetime.min
        if moment.tzinfo is None:
            raise encryption.damaged("its header has no valid time at which its session ends")
        expires_at = moment.isoformat()
    return BundleFacts(str(facts.get("wheel")), str(facts.get("created_at")), expires_at)


@contextmanager
def _open_bundle(path: str) -> Iterator[tuple[BinaryIO, Header]]:
    with _file_errors(path), fs.open_for_reading(path) as file:
        yield file, encryption.read_header(file)


@contextmanager
def _file_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise errors.ConfigurationError(
            f"{path} cannot be read or written ({error.strerror or type(error).__name__}).",
            hint="Check the path, its permissions and the free space.",
        ) from None
