"""Reports of inferences to the service: off unless ``NIMBUS_SDK_USAGE=1``, and never in the way.

An event is one JSON object: type, model name, batch or streaming, duration, success, and the class of an
error. It holds no data, no result and no label. It waits in memory, is sent by a daemon thread, and goes to
a bounded file where the service cannot be reached, from where a later process sends it.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from nimbus_sdk import disk
from nimbus_sdk.errors import NimbusConnectionError, NimbusError, RateLimitError, ServerError
from nimbus_sdk.settings import Settings
from nimbus_sdk.store.places import Places

if TYPE_CHECKING:
    from nimbus_sdk.client import NimbusClient

MOST_WAITING = 1000
"""Events that are kept at most, in memory and again on the disk; the oldest go first."""

LONGEST_LINE = 4096
SEND_SECONDS = 10.0
REST_SECONDS = 60.0
EXIT_SECONDS = 0.5
_log = logging.getLogger("nimbus_sdk.usage")


class Reporter:
    """Takes events without waiting, and sends them in the background.

    Args:
        settings: Where to, under which profile, and whether the network may be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = Places.of(settings)
        self._waiting: deque[Mapping[str, object]] = deque(maxlen=MOST_WAITING)
        self._news = threading.Condition()
        self._busy = False
        self._ended = False
        self._thread: threading.Thread | None = None

    def report(self, event: Mapping[str, object]) -> None:
        """Take an event; costs microseconds and raises nothing."""
        with self._news:
            self._waiting.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="nimbus-sdk usage", daemon=True)
                self._thread.start()
                atexit.register(self.put_by)
            self._news.notify()

    def settle(self, seconds: float) -> bool:
        """Wait until every event was sent or put by; False where that takes longer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self._news:
                if not self._waiting and not self._busy:
                    return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        """Send or put by what is left, and give the connection back."""
        self.put_by()
        with self._news:
            self._ended = True
            self._news.notify_all()
        if self._thread is not None:
            self._thread.join(SEND_SECONDS)

    def put_by(self) -> None:
        """Write to the disk what was not sent; called when the interpreter ends."""
        self.settle(EXIT_SECONDS)
        with self._news:
            left = list(self._waiting)
            self._waiting.clear()
        self._write(left)

    def _work(self) -> None:
        from nimbus_sdk.client import NimbusClient

        with suppress(OSError):
            self._fetch_what_waits()
        with NimbusClient(profile=self._settings.profile, timeout=SEND_SECONDS) as client:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._waiting or self._ended)
                    if not self._waiting:
                        return
                    event = self._waiting.popleft()
                    self._busy = True
                done = self._send(client, event)
                with self._news:
                    left = [] if done else [event, *self._waiting]
                    if not done:
                        self._waiting.clear()
                self._write(left)
                self._busy = False
                if not done:
                    with self._news:
                        self._news.wait_for(lambda: self._ended, REST_SECONDS)

    def _fetch_what_waits(self) -> None:
        for name in os.listdir(self._places.usage):
            path = os.path.join(self._places.usage, name)
            claimed = f"{path}.{disk.unique()}"
            if not name.endswith(".jsonl"):
                continue
            # Whoever renames it first sends it; the others find it gone.
            with suppress(FileNotFoundError):
                os.rename(path, claimed)
                with open(claimed, "rb") as file:
                    lines = file.read(MOST_WAITING * LONGEST_LINE).splitlines()[-MOST_WAITING:]
                os.unlink(claimed)
                with self._news:
                    self._waiting.extendleft(reversed([event for event in map(_event, lines) if event]))

    def _send(self, client: NimbusClient, event: Mapping[str, object]) -> bool:
        """Whether nothing more is to be done for an event: it was sent, or refused for good."""
        if self._settings.offline:
            return False
        try:
            client.log_event(**event)  # type: ignore[arg-type]
        except (NimbusConnectionError, ServerError, RateLimitError) as error:
            _log.debug("Usage is reported later: %s", error)
            return False
        except NimbusError as error:
            _log.warning("Usage was not reported: %s", error)
        return True

    def _write(self, events: list[Mapping[str, object]]) -> None:
        if not events:
            return
        lines = b"".join(
            json.dumps(event).encode()[:LONGEST_LINE] + b"\n" for event in events[-MOST_WAITING:]
        )
        try:
            disk.make_private_folder(self._places.usage)
            disk.write_private(os.path.join(self._places.usage, f"{disk.unique()}.jsonl"), lines)
        except OSError as error:
            _log.debug("Usage that was not reported is lost: %s", error)


_reporters: dict[str, Reporter] = {}
_guard = threading.Lock()


def reporter() -> Reporter | None:
    """This process's reporter, or None where usage is not to be reported."""
    settings = Settings.load()
    if not settings.usage:
        return None
    place = Places.of(settings).usage
    with _guard:
        return _reporters.setdefault(place, Reporter(settings))


def _event(line: bytes) -> dict[str, object] | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and set(event) <= _FIELDS and "event_type" in event else None


_FIELDS = frozenset({"event_type", "model_name", "inference_type", "duration_ms", "success", "error_message"})
