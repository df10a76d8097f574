"""The session as users hold it: what the license includes, and how to renew it or to reach its key."""

from __future__ import annotations

from dataclasses import dataclass, fields

from nimbus_sdk.account import session_cache
from nimbus_sdk.account.record import SessionRecord
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.storage import fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pydantic import SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSession(SessionRecord):
    """A validated license on this machine. It holds no key: ``api_key`` fetches it when asked.

    The fields are those of :class:`~nimbus_sdk.account.record.SessionRecord`.
    """

    @property
    def api_key(self) -> SecretStr:
        """The key of this session, fetched from where keys are kept; asks no one.

        Raises:
            MissingKeyError: No source has the key that this session was made with.
        """
        from pydantic import SecretStr

        from nimbus_sdk.account.renewal import find_session_key

        return SecretStr(find_session_key(self).key.reveal())

    def refresh(self) -> AuthSession:
        """Ask the service for the current quota and features, and keep them.

        Raises:
            MissingKeyError: No source has the key that this session was made with.
            NimbusConnectionError: The service cannot be reached.
            InvalidKeyError: The key is dead; the session is gone.
        """
        from nimbus_sdk.account.flows import refresh_flow
        from nimbus_sdk.account.renewal import find_session_key
        from nimbus_sdk.transport.driver import run

        # Where another account's key is at hand, it is that account's session that would be renewed.
        find_session_key(self)
        settings = Settings.load(profile=self.profile)
        return as_session(run(settings, refresh_flow(settings)))

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
            for name, value in self.to_dict().items()
        )
        return f"<table><caption>Nimbus session</caption>{rows}</table>"


def as_session(record: SessionRecord) -> AuthSession:
    """The session with the fields of a record."""
    return AuthSession(**{field.name: getattr(record, field.name) for field in fields(record)})


def current_session(*, profile: str | None = None) -> AuthSession:
    """The profile's session, from memory or from the disk: no network, no keyring.

    Raises:
        SessionNotFoundError: There is none, or ``NIMBUS_API_KEY`` names another key.
        SessionExpiredError: It is past its expiry.
        SessionTamperedError: Its file was edited; it was set aside.
        ClockRollbackError: The clock was set back by more than 5 minutes.
    """
    cached = session_cache.cached_session(profile)
    if isinstance(cached, AuthSession):
        return cached
    settings = Settings.load(profile=profile)
    paths = settings.paths
    before = fs.file_version(paths.session)
    session = as_session(session_cache.find_session(paths, session_cache.named_key(settings)))
    if before is not None:
        session_cache.cache_session(profile, session, paths.session, before)
    return session
