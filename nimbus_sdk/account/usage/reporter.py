"""Reports of inferences to the service: off unless ``NIMBUS_SDK_USAGE=1``, and never in the way.

An event is one JSON object: type, model name, batch or streaming, duration, success, and the class of an
error. It holds no data, no result and no label.

An event is in one place at a time: in memory, on the disk (``usage.queue``), or in hand, which means on its
way between these or to the service (``usage.line``). What is in hand comes back if the service certainly has
not counted it, and is given up otherwise; so none is counted twice. A process that ends waits for what is in
hand and then writes what is in memory; so none is lost. A thread does all of it, and a prediction nothing.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from nimbus_sdk.account.usage import spool
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusError, RateLimitError

if TYPE_CHECKING:
    from nimbus_sdk.account.usage.sender import Sender
    from nimbus_sdk.account.usage.spool import Event

__all__ = ["Reporter", "reporter"]

REST_SECONDS = 60.0
"""After it could not be sent, and until the key and the service are looked at again."""

LONGEST_REST_SECONDS = 3600.0
EXIT_SECONDS = 1.0
"""What a process that ends gives to events that wait, where nothing speaks against sending them."""

IN_HAND_SECONDS = 11.0
"""More than one event may take to be sent, so that its end is known when a process ends."""

LOOK_AGAIN_SECONDS = 60.0
_DECIDING = (
    "NIMBUS_SDK_USAGE",
    "NIMBUS_SDK_HOME",
    "NIMBUS_SDK_PROFILE",
    "NIMBUS_SDK_OFFLINE",
    "NIMBUS_SDK_API_URL",
    "NIMBUS_SDK_API_KEY_FILE",
    "NIMBUS_SDK_CREDENTIAL_STORE",
)
_log = logging.getLogger("nimbus_sdk.usage")


class Reporter:
    """Takes events without waiting, and sends them in the background.

    Args:
        settings: Where to, under which profile, and whether the network may be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.paths.usage
        self.start_anew()

    def start_anew(self) -> None:
        """Know of no event, thread or lock: after a fork, those are the parent's."""
        self._waiting: deque[Event] = deque(maxlen=spool.MOST_EVENTS)
        self._news = threading.Event()
        self._ended = threading.Event()
        self._in_hand = threading.Lock()
        self._all_sent = threading.Event()
        self._all_sent.set()
        self._resting = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def report(self, event: Event) -> None:
        """Take an event; costs microseconds and raises nothing."""
        with self._lock:
            self._waiting.append(event)
            self._all_sent.clear()
        self._news.set()
        if self._ended.is_set() or not self._at_work():
            # There will be no later moment for it.
            self._put_by()

    def settle(self, seconds: float) -> bool:
        """Wait until every event was sent; False where that takes longer than so many seconds.

        False at once where nothing can be sent for now: what is left is kept, and sent later.
        """
        end = time.monotonic() + seconds
        while not self._resting and time.monotonic() < end:
            if self._all_sent.wait(0.01):
                return True
        return False

    def close(self) -> None:
        """Send what can be sent within a second, and put the rest by; done when the process ends."""
        if self._thread is not None:
            self.settle(EXIT_SECONDS)
        self._ended.set()
        self._news.set()
        held = self._in_hand.acquire(timeout=IN_HAND_SECONDS)
        self._put_by()
        if held:
            self._in_hand.release()

    def _at_work(self) -> bool:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="nimbus-sdk usage", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter is about to end, or the system has no thread left.
                    return False
                self._thread = thread
                _close_with_a_child()
        return True

    def _work(self) -> None:
        # Here and not above: what speaks to the service takes long to load, and no prediction waits for it.
        from nimbus_sdk.account.usage.sender import Sender

        line = Sender(self._settings)
        while not self._ended.is_set():
            self._news.wait()
            self._news.clear()
            try:
                line.open()
                self._resting = False
                while self._send_next(line):
                    pass
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever hinders one event
                line.tell(error)
                self._rest(error)
        line.close()

    def _send_next(self, line: Sender) -> bool:
        """Send one event; False where none is left."""
        with self._in_hand:
            if self._ended.is_set():
                return False
            event = self._next()
            if event is None:
                return False
            try:
                line.send(event)
            except NimbusError:
                self._resting = True
                # Behind the others: one that the service stumbles over must not stop them all.
                self._waiting.append(event)
                raise
        return True

    def _next(self) -> Event | None:
        if not self._waiting:
            self._waiting.extend(spool.take(self._folder))
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._all_sent.set()
            return None

    def _rest(self, error: Exception) -> None:
        self._resting = True
        with self._in_hand:
            self._put_by()
        asked = error.retry_after if isinstance(error, RateLimitError) else None
        # What waits is tried again, whether something new comes or not.
        self._news.set()
        self._ended.wait(max(REST_SECONDS, min(asked or 0.0, LONGEST_REST_SECONDS)))

    def _put_by(self) -> None:
        try:
            spool.put(self._folder, self._waiting)
        except OSError as error:
            _log.debug("Usage waits in memory, since the disk refuses: %s", error)


_reporters: dict[Settings, Reporter] = {}
_guard = threading.Lock()
_last: tuple[tuple[object, ...], Reporter | None] = ((), None)


def reporter() -> Reporter | None:
    """This process's reporter, or None where usage is not to be reported.

    Raises:
        ConfigurationError: A setting cannot be used.
    """
    global _last
    situation, known = _situation(), _last
    if known[0] != situation:
        known = _last = (situation, _reporter_for(Settings.load()))
    return known[1]


def _reporter_for(settings: Settings) -> Reporter | None:
    if not settings.usage:
        return None
    with _guard:
        if settings not in _reporters:
            _reporters[settings] = Reporter(settings)
        return _reporters[settings]


def _situation() -> tuple[object, ...]:
    """What the settings depend on; to read them at every prediction would take longer than a small one."""
    try:
        folder = os.getcwd()
    except OSError:
        folder = ""
    # By the minute is seen what this does not show, such as a new .env.
    return (time.monotonic() // LOOK_AGAIN_SECONDS, folder, *map(os.environ.get, _DECIDING))


def _close_all() -> None:
    for each in list(_reporters.values()):
        each.close()


def _close_with_a_child() -> None:
    """Have reporters closed where this process is one of ``multiprocessing``, which skips ``atexit``."""
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            util.Finalize(None, _close_all, exitpriority=0)


def _start_anew_in_a_child() -> None:
    global _guard
    _guard = threading.Lock()
    for each in _reporters.values():
        each.start_anew()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew_in_a_child)
