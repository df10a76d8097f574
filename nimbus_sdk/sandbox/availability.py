"""The error for a missing ``sandbox`` extra."""

from __future__ import annotations

from nimbus_sdk.errors import ConfigurationError

INSTALL = 'pip install "nimbusbci-sdk[sandbox]"'


class SandboxUnavailableError(ConfigurationError, ImportError):
    """The sandbox needs packages that are not installed."""

    advice = f"Run: {INSTALL}"


def unavailable_error(error: ModuleNotFoundError) -> SandboxUnavailableError:
    """Return the error to raise instead of a bare ``ModuleNotFoundError``.

    Examples:
        >>> str(unavailable_error(ModuleNotFoundError("no", name="uvicorn")))
        'The sandbox needs uvicorn, which is not installed. Run: pip install "nimbusbci-sdk[sandbox]"'
    """
    return SandboxUnavailableError(f"The sandbox needs {error.name}, which is not installed.")
