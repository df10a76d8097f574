"""Wait for another process that installs, refreshes or changes stored files, as a step of a flow."""

from __future__ import annotations

import logging
from collections.abc import Callable

from nimbus_sdk.errors import NimbusTimeoutError
from nimbus_sdk.storage.lock import Lock
from nimbus_sdk.transport.flow import Flow, sleep_between

LOCK_WAIT_SECONDS = 300.0
_log = logging.getLogger("nimbus_sdk")


def acquire_lock(
    lock: Lock, waiting: Callable[[], None] | None = None, timeout: float | None = None
) -> Flow[None]:
    """Wait for a lock; where locks do not work, continue without one: only work would be done twice.

    Args:
        lock: Released by the caller.
        waiting: Called once if another process holds the lock.
        timeout: Seconds to wait at most; as long as an install may take if omitted.
    """
    longest = LOCK_WAIT_SECONDS if timeout is None else timeout
    try:
        yield from sleep_between(lock.retries(longest), waiting)
    except TimeoutError:
        raise NimbusTimeoutError(
            f"Another process has been doing the same for {longest:.1f} s.",
            hint=f"Wait for it, or end it; it holds {lock.path}.",
        ) from None
    except OSError as error:
        _log.debug("No lock at %s (%s); continuing without it.", lock.path, error)
