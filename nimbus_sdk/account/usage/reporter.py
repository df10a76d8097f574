"""Reports of inferences to the service: off unless ``NIMBUS_SDK_USAGE=1``.

An event is one JSON object: type, model name, batch or streaming, duration, success, and the class of an
error. It has no data, no result and no label.

An event is in one place at a time: in memory, on the disk (``usage.spool``), or in transit between these or
to the service (``usage.sender``). An event in transit comes back if the service has certainly not counted it,
and is dropped otherwise, so none is counted twice. A process that ends waits for what is in transit and then
writes what is in memory, so none is lost. One thread does all of this; a prediction waits for nothing.
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

from nimbus_sdk.account.session_lookup import environment_reader
from nimbus_sdk.account.usage import spool
from nimbus_sdk.config.settings import Settings
from nimbus_sdk.errors import NimbusError, RateLimitError

if TYPE_CHECKING:
    from nimbus_sdk.account.usage.sender import Sender
    from nimbus_sdk.account.usage.spool import Event

REST_SECONDS = 60.0
"""Pause after a failed send, before the key and the service are tried again."""

LONGEST_REST_SECONDS = 3600.0
EXIT_SECONDS = 1.0
"""How long a process that ends tries to send the events that wait."""

TRANSIT_SECONDS = 11.0
"""More than one event may take to be sent, so that its result is known when a process ends."""

SETTINGS_SECONDS = 60.0
_read_environment = environment_reader(
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
    """Takes events without waiting, and sends them in the background."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.paths.usage
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Start without events, thread and locks: after a fork, those are the parent's."""
        self._waiting: deque[Event] = deque(maxlen=spool.MOST_EVENTS)
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._in_transit = threading.Lock()
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
        self._wake.set()
        if self._ended.is_set() or not self._is_running():
            # There will be no later moment for it.
            self._spool()

    def flush(self, seconds: float) -> bool:
        """Wait until every event was sent, and return whether that happened within so many seconds.

        False at once if nothing can be sent for now: the events are stored, and sent later.
        """
        end = time.monotonic() + seconds
        while not self._resting and time.monotonic() < end:
            if self._all_sent.wait(0.01):
                return True
        return False

    def close(self) -> None:
        """Send what can be sent within a second, and store the rest; called when the process ends."""
        if self._thread is not None:
            self.flush(EXIT_SECONDS)
        self._ended.set()
        self._wake.set()
        acquired = self._in_transit.acquire(timeout=TRANSIT_SECONDS)
        self._spool()
        if acquired:
            self._in_transit.release()

    def _is_running(self) -> bool:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="nimbus-sdk usage", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # The interpreter is about to end, or the system has no thread left.
                    return False
                self._thread = thread
                _close_with_a_child()
        return True

    def _run(self) -> None:
        # Imported here: what speaks to the service takes long to load, and no prediction waits for it.
        from nimbus_sdk.account.usage.sender import Sender

        sender = Sender(self._settings)
        while not self._ended.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                sender.open()
                self._resting = False
                while self._send_next(sender):
                    pass
            except Exception as error:  # noqa: BLE001 - the thread must outlive whatever stops one event
                sender.log(error)
                self._rest(error)
        sender.close()

    def _send_next(self, sender: Sender) -> bool:
        """Send one event, and return False if none is left."""
        with self._in_transit:
            if self._ended.is_set():
                return False
            event = self._next()
            if event is None:
                return False
            try:
                sender.send(event)
            except NimbusError:
                self._resting = True
                # Behind the others: one event that the service cannot handle must not stop them all.
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
        with self._in_transit:
            self._spool()
        requested = error.retry_after if isinstance(error, RateLimitError) else None
        # What waits is tried again, whether a new event comes or not.
        self._wake.set()
        self._ended.wait(max(REST_SECONDS, min(requested or 0.0, LONGEST_REST_SECONDS)))

    def _spool(self) -> None:
        try:
            spool.put(self._folder, self._waiting)
        except OSError as error:
            _log.debug("Usage events stay in memory, since they cannot be written: %s", error)


_reporters: dict[Settings, Reporter] = {}
_guard = threading.Lock()
_last: tuple[tuple[object, ...], Reporter | None] = ((), None)


def reporter() -> Reporter | None:
    """Return this process's reporter, or None if usage is not to be reported."""
    global _last
    cache_key, last = _cache_key(), _last
    if last[0] != cache_key:
        last = _last = (cache_key, _reporter_for(Settings.load()))
    return last[1]


def _reporter_for(settings: Settings) -> Reporter | None:
    if not settings.usage:
        return None
    with _guard:
        if settings not in _reporters:
            _reporters[settings] = Reporter(settings)
        return _reporters[settings]


def _cache_key() -> tuple[object, ...]:
    # Reading the settings at every prediction would take longer than a small one. A change that the variables
    # do not show, such as a new .env, is noticed within a minute.
    return (time.monotonic() // SETTINGS_SECONDS, *_read_environment())


def _close_all() -> None:
    for each in list(_reporters.values()):
        each.close()


def _close_with_a_child() -> None:
    """Close the reporters of a child process of ``multiprocessing``, which skips ``atexit``."""
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import parent_process, util

        if parent_process() is not None:
            util.Finalize(None, _close_all, exitpriority=0)


def _reset_in_a_child() -> None:
    global _guard
    _guard = threading.Lock()
    for each in _reporters.values():
        each.reset_after_fork()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_a_child)
