"""Says what to install where the sandbox's own dependencies are missing."""

from __future__ import annotations

from nimbus_sdk.errors import ConfigurationError

INSTALL = 'pip install "nimbusbci-sdk[sandbox]"'


class SandboxUnavailableError(ConfigurationError, ImportError):
    """The sandbox needs packages that are not installed."""

    advice = f"Run: {INSTALL}"


def unavailable(fault: ModuleNotFoundError) -> SandboxUnavailableError:
    """The error to raise in place of a bare ``ModuleNotFoundError``.

    Example:
        >>> str(unavailable(ModuleNotFoundError("no", name="uvicorn")))
        'The sandbox needs uvicorn, which is not installed. Run: pip install "nimbusbci-sdk[sandbox]"'
    """
    return SandboxUnavailableError(f"The sandbox needs {fault.name}, which is not installed.")
