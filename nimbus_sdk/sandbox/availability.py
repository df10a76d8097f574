"""The error for packages that a sandbox needs and that are not installed."""

from __future__ import annotations

from nimbus_sdk.errors import MissingLibraryError
from nimbus_sdk.errors.python_environment import install_hint

PACKAGES = ("starlette", "uvicorn", "hatchling", "numpy")
"""What the sandbox and its core need; the ``sandbox`` extra installs it."""


class SandboxUnavailableError(MissingLibraryError):
    """The sandbox needs packages that are not installed."""


def unavailable_error(error: ModuleNotFoundError) -> SandboxUnavailableError:
    """Return the error to raise instead of a bare ``ModuleNotFoundError``."""
    return SandboxUnavailableError(
        f"The sandbox needs {error.name}, which is not installed.", hint=install_hint(PACKAGES)
    )
