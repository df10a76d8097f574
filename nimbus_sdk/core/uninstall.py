"""Remove the installed core, or change it in another way while no other process does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nimbus_sdk.account.home_lock import acquire_lock
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel import versions
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, run_blocking
from nimbus_sdk.transport.sync_async import Prepared, make_pair

T = TypeVar("T")


def _uninstall_core(*, profile: str | None = None) -> Prepared[tuple[str, ...]]:
    """Remove every version of the core from this machine; session and key stay.

    Returns:
        The versions that were removed.

    Raises:
        CoreInstallError: A file cannot be read or written.
    """
    settings = Settings.load(profile=profile)
    return settings, change_installed_flow(settings, versions.uninstall)


uninstall_core, uninstall_core_async = make_pair(_uninstall_core)


def change_installed_flow(settings: Settings, change: Callable[[str], T]) -> Flow[T]:
    """Call a function with the folder of all versions while no other process changes them."""
    with Lock(settings.paths.lock) as lock:
        yield from acquire_lock(lock)
        return (yield from run_blocking(lambda: change(settings.paths.core)))
