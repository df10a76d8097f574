"""What this machine has: core, session, key and settings, looked up without network."""

from __future__ import annotations

import logging
import platform
from dataclasses import dataclass, replace

from nimbus_sdk._version import __version__
from nimbus_sdk.account.session import current_session
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.core.installation_status import InstallationStatus, check_installation
from nimbus_sdk.errors import CredentialStoreError, NimbusError
from nimbus_sdk.storage import key_lookup, sealed
from nimbus_sdk.storage.credentials import choose_store
from nimbus_sdk.storage.key_lookup import KeyResolution, SourceReport
from nimbus_sdk.storage.key_metadata import KeyRemoval, read_metadata
from nimbus_sdk.storage.key_removal import pending_removals
from nimbus_sdk.storage.keyring_breaker import breaker_state

_log = logging.getLogger("nimbus_sdk")


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineStatus:
    """Everything that ``nimbus-sdk status`` shows.

    Attributes:
        session_problem: Why there is no valid session, or None.
        store: Name of the credential store, or None if none works.
        keyring_rest: Why the keyring is not asked for now, or None.
        key_removals: Keys that are still to be removed from the keyring, and why, one text each.
    """

    settings: Settings
    installation: InstallationStatus
    session: SessionRecord | None
    session_problem: str | None
    key: KeyResolution
    store: str | None
    store_reason: str
    keyring_rest: str | None
    key_removals: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the status as plain values, for JSON."""
        settings, core = self.settings, self.installation
        names = ("profile", "offline", "api_url", "github_url", "core_repo", "timeout", "dotenv")
        folders = ("config", "data", "state", "cache")
        python, system = platform.python_version(), platform.platform()
        return {
            "ready": bool(core) and self.session is not None,
            "sdk": {"version": __version__, "python": python, "platform": system},
            "settings": {
                **{name: getattr(settings, name) for name in names},
                **{name: getattr(settings.paths, name) for name in folders},
            },
            "core": {name: getattr(core, name) for name in ("installed", "version", "path", "problems")},
            "session": None if self.session is None else self.session.to_dict(),
            "session_problem": self.session_problem,
            "key": self.key.to_dict(),
            "credential_store": {"name": self.store, "reason": self.store_reason},
            "keyring_rest": self.keyring_rest,
            "key_removals": list(self.key_removals),
        }


def read_status(settings: Settings) -> MachineStatus:
    """Look everything up; what is broken is reported, not raised."""
    session, error = find_session(settings)
    store, reason = _find_store(settings)
    return MachineStatus(
        settings=settings,
        installation=check_installation(profile=settings.profile),
        session=session,
        session_problem=None if error is None else str(error),
        key=explain_key(settings),
        store=store,
        store_reason=reason,
        keyring_rest=breaker_state(settings.paths),
        key_removals=tuple(f"{name}: {removal}" for name, removal in _pending_removals(settings).items()),
    )


def find_session(settings: Settings) -> tuple[SessionRecord | None, NimbusError | None]:
    """Return the valid session, or the error that says why there is none."""
    try:
        return current_session(profile=settings.profile), None
    except NimbusError as error:
        return None, error


def explain_key(settings: Settings) -> KeyResolution:
    """Return every source of the key; the detail of a rejected key says so first."""

    sources = []
    for source in key_lookup.explain(settings).sources:
        details = (rejection(settings, source), source.detail)
        sources.append(replace(source, detail="; ".join(filter(None, details))))
    return KeyResolution(tuple(sources))


def rejection(settings: Settings, source: SourceReport) -> str:
    """Return when and why the service rejected a source's key, or an empty text."""
    if source.fingerprint is None:
        return ""
    record = sealed.read_rejection(settings.paths, source.fingerprint, origin(settings.api_url))
    if record is None:
        return ""
    if not record:
        return "it counts as rejected: the record of the service's answer is damaged or of a newer version"
    return f"the service rejected it on {record.get('at')} ({record.get('code')})"


def _pending_removals(settings: Settings) -> dict[str, KeyRemoval]:
    try:
        return pending_removals(settings.paths)
    except CredentialStoreError as error:
        _log.warning("%s", error)
        return {}


def _find_store(settings: Settings) -> tuple[str | None, str]:
    try:
        metadata = read_metadata(settings.paths)
        if metadata is not None and settings.credential_store is None:
            # Known without asking the keyring, which may prompt for its password.
            return metadata.store, f"{metadata.store}, which has stored a key since {metadata.saved_at}"
        choice = choose_store(settings)
    except CredentialStoreError as error:
        return None, str(error)
    return choice.store.name, choice.reason
