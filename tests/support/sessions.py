"""Sessions that were stored as another process would store them, and a clock to turn."""

import types
from datetime import UTC, datetime, timedelta

import pytest

from nimbus_sdk.account.session import AuthSession
from nimbus_sdk.config.keys import ApiKey
from nimbus_sdk.storage import sealed

KEY = ApiKey.parse("nbci_live_" + "0123456789ab" * 4)
OTHER = ApiKey.parse("nbci_live_" + "ba9876543210" * 4)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def made(**fields):
    """A session, validated just now."""
    whole = {
        "key_fingerprint": KEY.fingerprint,
        "key_masked": KEY.masked,
        "user_id": "usr_1",
        "email": "researcher@university.edu",
        "name": "Dr. Jane Smith",
        "organization": "Neuroscience Lab",
        "license_type": "research",
        "expires_at": datetime.now(UTC) + timedelta(days=30),
        "features_enabled": frozenset({"batch_inference", "streaming"}),
        "usage_quota": 48766,
        "usage_quota_max": 50000,
        "quota_reset_at": datetime(2026, 4, 1, tzinfo=UTC),
        "validated_at": datetime.now(UTC),
        "api_origin": "https://api.nimbusbci.com:443",
    }
    return AuthSession(**{**whole, **fields})


@pytest.fixture
def store_session(paths):
    """Stores a session, as another process would: this one's cache does not know of it."""

    def store_session(**fields):
        session = made(**fields)
        sealed.write_session(paths, session.to_dict())
        return session

    return store_session


class Turned:
    """A clock to turn, in place of the session module's own."""

    def __init__(self, monkeypatch):
        import time

        self.offset = 0.0
        self._time = time.time
        monkeypatch.setattr("nimbus_sdk.account.session_lookup.time", types.SimpleNamespace(time=self.now))

    def now(self):
        """Unix seconds, turned."""
        return self._time() + self.offset


@pytest.fixture
def clock(monkeypatch):
    """A clock to turn."""
    return Turned(monkeypatch)
