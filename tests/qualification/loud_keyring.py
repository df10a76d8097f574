"""A keyring that cannot keep a secret: it fails, and its error holds what it was given."""

from __future__ import annotations

from keyring.backend import KeyringBackend


class Loud(KeyringBackend):
    """Fails at every write, loudly."""

    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        """Has nothing."""
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Fails, and tells what it was given."""
        raise RuntimeError(f"could not keep {password}")

    def delete_password(self, service: str, username: str) -> None:
        """Fails."""
        raise RuntimeError("nothing to delete")
