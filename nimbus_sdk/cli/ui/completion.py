"""Values that a shell offers for options and arguments, read from this machine without network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from nimbus_sdk.errors import NimbusError

Complete: TypeAlias = Callable[[str], list[str]]
"""Returns the values that begin with what was typed so far."""


def one_of(*values: str) -> Complete:
    """Return a function that offers fixed values.

    Examples:
        >>> one_of("sandbox", "production")("pro")
        ['production']
    """
    return _offer(lambda: values)


def _offer(find: Callable[[], Iterable[str]]) -> Complete:
    """Return a function that offers the values that ``find`` returns, or none if it fails."""

    def complete(incomplete: str) -> list[str]:
        try:
            return [value for value in find() if value.startswith(incomplete)]
        except (NimbusError, OSError):
            # A shell would show an error in the middle of the line that is typed.
            return []

    return complete


@_offer
def profiles() -> Iterable[str]:
    """Profiles of this machine."""
    from nimbus_sdk.account.sign_out import find_entries
    from nimbus_sdk.config.settings import Settings

    # The keys of services have the name of their service behind an @.
    return [entry.name for entry in find_entries(Settings.load()) if "@" not in entry.name]


@_offer
def models() -> Iterable[str]:
    """Models of this machine."""
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.core.model_download import find_local_models

    return [model.name for model in find_local_models(Settings.load().paths)]


@_offer
def versions() -> Iterable[str]:
    """Installed versions of the core."""
    from nimbus_sdk.config.settings import Settings
    from nimbus_sdk.core.wheel.switching import installed_versions

    return dict.fromkeys(core.version for core in installed_versions(Settings.load().paths.core))


@_offer
def tiers() -> Iterable[str]:
    """License tiers that the sandbox issues."""
    from nimbus_sdk.sandbox.nimbus_api.license_tiers import TIERS

    return TIERS


@_offer
def sandbox_keys() -> Iterable[str]:
    """Fingerprints of the keys of the running sandbox."""
    from nimbus_sdk.cli.ui.sandbox_record import require_running

    return [str(key["fingerprint"]) for key in require_running().control.list_keys() if not key["revoked_at"]]
