"""``AuthSession``: a session with the methods for refreshing it and for reaching its key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from nimbus_sdk import api
from nimbus_sdk.account import session_lookup
from nimbus_sdk.account.session_record import SessionRecord
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors.printable import printable_texts
from nimbus_sdk.storage import fs, sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nimbus_sdk.transport.flow import Flow


@printable_texts
class AuthSession(SessionRecord):
    """A validated license on this machine. It has no key in it: ``api_key`` looks it up when asked.

    The fields are those of ``nimbus_sdk.account.session_record.SessionRecord``.
    """

    @property
    def api_key(self) -> api.SecretStr:
        """The key of this session, from where keys are stored, without a prompt.

        Raises:
            MissingKeyError: No source has the key that this session was made with.
        """
        from pydantic import SecretStr

        from nimbus_sdk.account.refresh import find_session_key

        return SecretStr(find_session_key(self).key.reveal())

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> AuthSession:
        """Build a session from the result of ``to_dict``.

        Raises:
            SessionError: A field is missing or has another type.
        """
        return as_session(SessionRecord.from_dict(values))

    def refresh(self) -> AuthSession:
        """Ask the service for the current quota and features, and store them.

        Raises:
            MissingKeyError: No source has the key that this session was made with.
            NimbusConnectionError: The service cannot be reached.
            InvalidKeyError: The service rejected the key; the session is removed.
        """
        from nimbus_sdk.account.refresh import find_session_key, refresh_flow
        from nimbus_sdk.transport.driver import run

        # With another account's key, that account's session would be refreshed.
        find_session_key(self)
        settings = Settings.load(profile=self.profile)
        return as_session(run(settings, refresh_flow(settings)))

    def _repr_html_(self) -> str:
        from nimbus_sdk.account.session_record import session_rows
        from nimbus_sdk.display.tables import fields_html

        return fields_html("Nimbus session", session_rows(self), self.to_dict().items())


def as_session(record: SessionRecord) -> AuthSession:
    """Return a session with the fields of a record."""
    return AuthSession(**{field.name: getattr(record, field.name) for field in fields(record)})


def as_session_flow(flow: Flow[SessionRecord]) -> Flow[AuthSession]:
    """Run a flow, and return its record as a session."""
    return as_session((yield from flow))


def current_session(*, profile: str | None = None) -> AuthSession:
    """Return the profile's session, from memory or from the disk: no network, no keyring.

    Raises:
        SessionNotFoundError: There is none, or ``NIMBUS_API_KEY`` names another key.
        SessionExpiredError: It is past its expiry.
        SessionTamperedError: Its file was edited; it was set aside.
        ClockRollbackError: The clock was set back by more than 5 minutes.
    """
    cached = session_lookup.cached_session(profile)
    if isinstance(cached, AuthSession):
        return cached
    settings = Settings.load(profile=profile)
    paths = settings.paths
    key = session_lookup.key_from_environment(settings)
    files = [paths.session] if key is None else [paths.dotenv_session(key.fingerprint), paths.session]
    before = [(path, version) for path in files if (version := fs.file_version(path)) is not None]
    session = as_session(session_lookup.find_session(paths, key))
    if before:
        session_lookup.cache_session(profile, session, *before[0])
    return session


def invalidate_session(*, profile: str | None = None) -> None:
    """Remove the stored session; the key and the core stay.

    Raises:
        SessionError: The file exists and cannot be removed.
    """
    try:
        sealed.remove_all_sessions(Settings.load(profile=profile).paths)
    finally:
        session_lookup.clear_cache()
