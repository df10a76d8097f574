"""A library like mne-lsl with one stream, for tests that need no network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest


class Amplifier:
    """Like ``mne_lsl.stream.StreamLSL``; it has ten chunks of 100 samples.

    `samples`, `channels` and `rate` are those of all streams that are made afterwards.
    """

    samples = np.zeros((1, 1000))
    channels: tuple[str, ...] = ("Cz",)
    rate = 250.0
    opened: list[Amplifier] = []

    def __init__(self, bufsize: float = 5.0, *, name: str = "amplifier") -> None:
        self.name, self.ch_names = name, list(self.channels)
        self.connected, self.is_automatic = True, False
        self.info: dict[str, object] = {"sfreq": self.rate}
        self.set_units(-6)
        self.callbacks: list[Callable[..., tuple[np.ndarray, np.ndarray]]] = []
        self.n_chunks = 0

    def set_units(self, power: int, said: str | None = None, unit: int = 107) -> None:
        """Unit of all channels, and how the sender called it."""
        self.info["chs"] = [{"unit": unit, "unit_mul": power} for _ in self.ch_names]
        names = self.ch_names
        units = None if said is None else [said] * len(self.ch_names)
        self.sinfo = SimpleNamespace(get_channel_names=lambda: names, get_channel_units=lambda: units)

    def connect(self, delay: None, *, processing_flags: list[str], timeout: float) -> Amplifier:
        """Open it."""
        self.opened.append(self)
        return self

    def add_callback(self, callback: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
        """A function that is called with each chunk; a thread does so at once."""
        self.callbacks.append(callback)
        while self.is_automatic and self.n_chunks < 10:
            self._send()

    def acquire(self) -> None:
        """Not where a thread does so."""
        if self.is_automatic:
            raise RuntimeError("Acquisition is done automatically in a background thread.")
        if self.n_chunks < 10:
            self._send()

    def _send(self) -> None:
        chunk = self.samples[:, 100 * self.n_chunks : 100 * self.n_chunks + 100].T
        stamps = 50.0 + (self.n_chunks * 100 + np.arange(100)) / self.rate
        self.n_chunks += 1
        for callback in self.callbacks:
            callback(chunk.copy(), stamps, self.info)

    def disconnect(self) -> None:
        """Close it, once."""
        if not self.connected:
            raise RuntimeError("The Stream is not connected.")
        self.connected = False


def install(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[SimpleNamespace]:
    """Let the library be imported, and return what it finds when it looks for streams."""
    found = [SimpleNamespace(name=name, source_id=f"id {k}") for k, name in enumerate(names)]

    def resolve(timeout: float, *, name: str | None = None, minimum: int = 1) -> list[SimpleNamespace]:
        same = [each for each in found if name in (None, each.name)]
        return same if name is None else same[:minimum]

    lsl = SimpleNamespace(resolve_streams=resolve)
    monkeypatch.setitem(sys.modules, "mne_lsl", SimpleNamespace(lsl=lsl))
    monkeypatch.setitem(sys.modules, "mne_lsl.lsl", lsl)
    monkeypatch.setitem(sys.modules, "mne_lsl.stream", SimpleNamespace(StreamLSL=Amplifier))
    return found


def refuse(*arguments: object, **named: object) -> None:
    """As the real one connects to a sender that ends at that moment."""
    raise RuntimeError("The stream has been lost.")
