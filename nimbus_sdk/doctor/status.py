"""What this machine knows of an account: gathered with no network, and whatever is broken."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace

from nimbus_sdk._version import __version__
from nimbus_sdk.account.record import SessionRecord
from nimbus_sdk.account.session import current_session
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.status import InstallationStatus, check_installation
from nimbus_sdk.doctor.local_checks import refusal
from nimbus_sdk.errors import CredentialStoreError, InvalidKeyFormatError, SessionError
from nimbus_sdk.storage import key_lookup
from nimbus_sdk.storage.credentials import choose_store
from nimbus_sdk.storage.key_lookup import KeyResolution, SourceReport
from nimbus_sdk.storage.key_metadata import read_metadata
from nimbus_sdk.storage.keyring_breaker import breaker_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found.

    Attributes:
        settings: The settings that count.
        paths: Where things are kept.
        installation: What :func:`nimbus_sdk.check_installation` says.
        session: The session that may be used now, or None.
        session_problem: Why there is none, or None.
        key: Every source of the key.
        store: Name of the credential store, or None where none works.
        store_reason: Why it is that one.
        keyring_rest: Why the keyring is left alone for now, or None.
    """

    settings: Settings
    paths: Paths
    installation: InstallationStatus
    session: SessionRecord | None
    session_problem: str | None
    key: KeyResolution
    store: str | None
    store_reason: str
    keyring_rest: str | None

    @classmethod
    def look(cls, profile: str | None) -> Machine:
        """Gather everything for a profile.

        Raises:
            ConfigurationError: A setting cannot be used.
        """
        settings = Settings.load(profile=profile)
        paths = settings.paths
        session, problem = _session(settings)
        store, reason = _store(settings)
        return cls(
            settings=settings,
            paths=paths,
            installation=check_installation(profile=settings.profile),
            session=session,
            session_problem=problem,
            key=with_refusals(key_lookup.explain(settings), settings),
            store=store,
            store_reason=reason,
            keyring_rest=breaker_state(paths),
        )

    @property
    def ready(self) -> bool:
        """Whether models can be used offline now."""
        return bool(self.installation) and self.session is not None

    def to_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
        core, session = self.installation, self.session
        return {
            "ready": self.ready,
            "sdk": {
                "version": __version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
            },
            "settings": {
                "profile": self.settings.profile,
                "offline": self.settings.offline,
                "api_url": self.settings.api_url,
                "github_url": self.settings.github_url,
                "core_repo": self.settings.core_repo,
                "timeout": self.settings.timeout,
                "dotenv": self.settings.dotenv,
                "config": self.paths.config,
                "data": self.paths.data,
                "state": self.paths.state,
                "cache": self.paths.cache,
            },
            "core": {
                "installed": core.installed,
                "version": core.version,
                "path": core.path,
                "problems": list(core.problems),
            },
            "session": None if session is None else session.to_dict(),
            "session_problem": self.session_problem,
            "key": self.key.to_dict(),
            "credential_store": {"name": self.store, "reason": self.store_reason},
            "keyring_rest": self.keyring_rest,
        }


def with_refusals(resolution: KeyResolution, settings: Settings) -> KeyResolution:
    """The same sources; of keys that the service has called dead, the details say so."""

    def judged(source: SourceReport) -> SourceReport:
        told = "; ".join(filter(None, (refusal(settings, source), source.detail)))
        return replace(source, detail=told)

    return KeyResolution(tuple(map(judged, resolution.sources)))


def _session(settings: Settings) -> tuple[SessionRecord | None, str | None]:
    try:
        return current_session(profile=settings.profile), None
    except (SessionError, InvalidKeyFormatError) as error:
        return None, str(error)


def _store(settings: Settings) -> tuple[str | None, str]:
    try:
        card = read_metadata(settings.paths)
        if card is not None and settings.credential_store is None:
            # Known without asking the keyring, which may want its password for an answer.
            return card.store, f"{card.store}, which has had a key since {card.saved_at}"
        choice = choose_store(settings)
    except CredentialStoreError as error:
        return None, str(error)
    return choice.store.name, choice.reason
