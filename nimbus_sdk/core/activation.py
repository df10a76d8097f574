"""The core's wheel: how it is fetched, and how it comes into use together with its session."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nimbus_sdk.account import renewal
from nimbus_sdk.account.record import SessionRecord
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import requirements, switching, unpack, verify
from nimbus_sdk.display.progress import ProgressEvent, Report
from nimbus_sdk.errors import CoreError, CoreIntegrityError, NimbusError
from nimbus_sdk.storage import fs, os_errors, sealed
from nimbus_sdk.storage.key_lookup import FoundKey
from nimbus_sdk.storage.pointer import read_pointer
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from nimbus_sdk.core.wheel.manifest import InstalledCore

_log = logging.getLogger("nimbus_sdk")


@dataclass(frozen=True, slots=True)
class CoreWheel:
    """A whole wheel of the core on this machine.

    Attributes:
        path: Where it lies.
        name: The file name under which it was published.
        sha256: Its SHA-256, which was compared with what was published.
        discard: Removes it.
    """

    path: str
    name: str
    sha256: str
    discard: Callable[[], None]


def fetched_wheel(settings: Settings, key: ApiKey, version: str | None, report: Report) -> Flow[CoreWheel]:
    """Fetch the wheel that fits this interpreter: three requests (token, release, asset).

    Raises:
        ConfigurationError: The core would come from elsewhere than this service's own GitHub and owner.
        CoreIncompatibleError: None fits, or this environment lacks what it needs (told before the download).
        CoreDownloadError: It did not arrive whole.
        CoreIntegrityError: What arrived is not what was published.
    """
    from nimbus_sdk.core.wheel import github, release, transfer
    from nimbus_sdk.core.wheel.download import Download

    github.require_trusted_source(settings)
    yield from run_blocking(lambda: _own(settings.paths.cache))
    report(ProgressEvent("token", "Asking for access to the release"))
    token = yield from renewal.request_release_token(settings, key)
    report(ProgressEvent("release", "Looking for the release that fits"))
    published = yield from release.find_release(settings, token, version)
    requirements.require_environment(published.requires, published.requires_python)
    asset = release.choose_wheel(published)
    digest = yield from release.expected_digest(settings, published, asset, token)
    title = f"Downloading core {published.version}"
    sink = Download(
        settings.paths.downloads,
        asset.name,
        asset.size,
        digest,
        report=lambda done, total: report(ProgressEvent("download", title, done, total)),
    )
    path = yield from transfer.download(settings, asset, token, sink)
    return CoreWheel(path, asset.name, digest, sink.discard)


def put_in_use(
    settings: Settings, found: FoundKey, session: SessionRecord, wheel: CoreWheel, report: Report
) -> Flow[SessionRecord]:
    """Check, unpack and try out a wheel, then switch to it and keep session and key with it.

    Returns:
        The session, with the place where its key is.

    Raises:
        CoreError: The wheel is not usable; what was in use before still is.
        SessionError: The session cannot be kept; likewise.
        CredentialStoreError: The key cannot be kept; likewise.
    """
    yield from run_blocking(lambda: _own(settings.paths.data))
    report(ProgressEvent("verify", "Checking what arrived"))
    facts = yield from run_blocking(lambda: verify.check_wheel(wheel.path, wheel.name))
    requirements.require_environment(facts.requires, facts.requires_python)
    report(ProgressEvent("unpack", "Unpacking"))
    core = yield from run_blocking(lambda: unpack.stage(wheel.path, settings.paths.core, facts, wheel.sha256))
    try:
        report(ProgressEvent("probe", "Trying it out"))
        yield from run_blocking(lambda: unpack.probe(core))
        report(ProgressEvent("save", "Keeping core, session and key"))
        return (yield from run_blocking(lambda: _committed(settings, found, session, core)))
    except BaseException:
        _drop_unless_in_use(settings.paths, core)
        raise


def _committed(
    settings: Settings, found: FoundKey, session: SessionRecord, core: InstalledCore
) -> SessionRecord:
    """Keep everything. The switch of the core's pointer is the one moment at which the new state counts."""
    with renewal.storing_key(settings, found, session) as session:
        sealed.stage(settings.paths, session.to_dict(), core.install_id)
        switching.switch(settings.paths.core, core)
    try:
        renewal.write_session(settings.paths, session)
        switching.prune(settings.paths.core)
    except NimbusError as error:
        # The new state holds already: the staged session counts, and a later run tidies up.
        _log.warning("The core is installed; what was left to tidy up was not: %s", error)
    return session


def _own(folder: str) -> None:
    # Whoever owns the folder above ours could put another in its place.
    with os_errors.disk_errors(folder):
        fs.make_private_folder(folder)


def _drop_unless_in_use(paths: Paths, core: InstalledCore) -> None:
    try:
        pointer = read_pointer(paths.core)
    except CoreIntegrityError:
        # Whatever a damaged pointer meant, it was not what has only just been unpacked.
        pointer = None
    except CoreError:
        # One that cannot be read may mean this very core; what is not in use is removed some day.
        return
    if pointer is None or pointer.install_id != core.install_id:
        unpack.discard(core)
