"""Fetch the wheel of the core, and put its core into use together with the session and the key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.account.rejected_keys import record_rejection
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.account.session_store import STORED_SOURCES, is_stored_beside_own, storing_key, write_session
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import requirements, unpack, verify, versions
from nimbus_sdk.core.wheel.protocol import REQUIRES
from nimbus_sdk.display.progress import ProgressEvent, Report, download_report
from nimbus_sdk.errors import CoreError, CoreIntegrityError, NewerSessionError, NimbusError, SessionError
from nimbus_sdk.storage import fs, sealed
from nimbus_sdk.storage.key_lookup import FoundKey
from nimbus_sdk.storage.pointer import read_pointer
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.core.wheel.manifest import InstalledCore

_log = logging.getLogger("nimbus_sdk")


@dataclass(frozen=True, slots=True)
class CoreWheel:
    """A complete wheel of the core on this machine, with the name and SHA-256 that were published."""

    path: str
    name: str
    sha256: str
    discard: Callable[[], None]


def require_installable(paths: Paths) -> None:
    """Raise before the first request if no core, whatever its version, could be installed here."""
    # What is damaged, or could be somebody else's, is replaced.
    with suppress(CoreIntegrityError):
        read_pointer(paths.core)
    try:
        sealed.read_session(paths)
    except NewerSessionError:
        raise
    except SessionError as error:
        _log.debug("The stored session is replaced: %s", error)
    requirements.require_environment(REQUIRES)
    unpack.find_probe_interpreter()


def fetch_wheel(settings: Settings, key: ApiKey, version: str | None, report: Report) -> Flow[CoreWheel]:
    """Fetch the wheel that fits this interpreter and environment: three requests (token, release, asset)."""
    from nimbus_sdk.api import endpoints
    from nimbus_sdk.core.wheel import download, github, release

    github.require_trusted_source(settings)
    yield from run_blocking(lambda: _make_folder(settings.paths.cache))
    report(ProgressEvent("token", "Requesting access to the release"))
    asked = endpoints.github_token(settings.api_url, key)
    token = (yield from record_rejection(settings, key, asked)).github_token
    report(ProgressEvent("release", "Looking for the release that fits"))
    published = yield from release.find_release(settings, token, version)
    requirements.require_environment(published.requires, published.requires_python)
    asset = release.choose_wheel(published)
    digest = yield from release.expected_digest(settings, published, asset, token)
    show = download_report(report, f"Downloading core {published.version}")
    sink = download.FileSink(settings.paths.downloads, asset.name, asset.size, digest, show)
    path = yield from download.download_asset(settings, asset, token, sink)
    return CoreWheel(path, asset.name, digest, sink.discard)


def activate(
    settings: Settings, found: FoundKey, session: SessionRecord, wheel: CoreWheel, report: Report
) -> Flow[SessionRecord]:
    """Check, unpack and test a wheel, then switch to its core and store session and key with it.

    The wheel is removed in any case; after an error, the previous core stays in use.
    """
    try:
        yield from run_blocking(lambda: _make_folder(settings.paths.data))
        report(ProgressEvent("verify", "Checking the wheel"))
        facts = yield from run_blocking(lambda: verify.check_wheel(wheel.path, wheel.name))
        requirements.require_environment(facts.requires, facts.requires_python)
        report(ProgressEvent("unpack", "Unpacking"))
        core_folder = settings.paths.core
        core = yield from run_blocking(lambda: unpack.stage(wheel.path, core_folder, facts, wheel.sha256))
        try:
            report(ProgressEvent("probe", "Testing whether the core loads"))
            yield from run_blocking(lambda: unpack.probe(core))
            stored = "core, session and key" if stores_key(settings, found) else "core and session"
            report(ProgressEvent("save", f"Storing {stored}"))
            return (yield from run_blocking(lambda: _commit(settings, found, session, core)))
        except BaseException:
            _discard_unless_in_use(settings.paths, core)
            raise
    finally:
        wheel.discard()


def stores_key(settings: Settings, found: FoundKey) -> bool:
    """Return whether a key is stored once it was validated: a person gave it, and there is a store."""
    return found.source in STORED_SOURCES and settings.credential_store != "none"


def _commit(
    settings: Settings, found: FoundKey, session: SessionRecord, core: InstalledCore
) -> SessionRecord:
    """Store everything; the new state takes effect with the switch of the core's pointer."""
    with storing_key(settings, found, session) as session:
        if is_stored_beside_own(settings.paths, session):
            write_session(settings.paths, session)
        else:
            sealed.stage_session(settings.paths, session.to_dict(), core.install_id)
        versions.switch(settings.paths.core, core)
    try:
        write_session(settings.paths, session)
        versions.prune(settings.paths.core)
    except NimbusError as error:
        # The new state is in effect: the staged session counts, and a later run cleans up.
        _log.warning("The core is installed, but the clean-up failed: %s", error)
    return session


def _make_folder(folder: str) -> None:
    # Whoever owns the folder above ours could replace it.
    with fs.disk_errors(folder):
        fs.make_private_folder(folder)


def _discard_unless_in_use(paths: Paths, core: InstalledCore) -> None:
    try:
        pointer = read_pointer(paths.core)
    except CoreIntegrityError:
        # A damaged pointer cannot mean the core that was unpacked a moment ago.
        pointer = None
    except CoreError:
        # A pointer that cannot be read may mean this core; an unused one is removed by a later run.
        return
    if pointer is None or pointer.install_id != core.install_id:
        unpack.discard(core)
