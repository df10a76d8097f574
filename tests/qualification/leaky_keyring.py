"""A keyring that fails, and whose error contains the secret."""

from __future__ import annotations

from keyring.backend import KeyringBackend


class Leaky(KeyringBackend):
    """Fails at every write."""

    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        """Return nothing."""
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        """Fail, with the password in the error."""
        raise RuntimeError(f"could not store {password}")

    def delete_password(self, service: str, username: str) -> None:
        """Fail."""
        raise RuntimeError("nothing to delete")
