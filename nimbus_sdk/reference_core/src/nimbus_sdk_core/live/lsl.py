"""Streams of the Lab Streaming Layer, read by mne-lsl, which is imported when one is opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Protocol, TypeGuard, cast

import numpy as np

from .._types import FloatArray
from ..errors import CoreDataError, MissingLibraryError, StreamError
from .sources import Samples, Source
from .stream_description import StreamDescription

# Seconds of samples that wait for a program that is busy; older ones are lost, which shows as a gap.
_BUFFER = 5.0

# Seconds from one look for new samples to the next.
_POLL = 0.01

# Seconds to look for others: streams of the same name, or for the message about one that is not there.
# Senders are asked every half a second.
_LOOK_AROUND = 1.0

# MNE's code for volts, and how a stream says that its unit is the volt.
_VOLTS = 107
_SAY_VOLTS = ("v", "volt", "volts", "0")


class _StreamInfo(Protocol):
    name: str
    source_id: str

    def get_channel_names(self) -> Sequence[str] | None: ...
    def get_channel_units(self) -> Sequence[str] | None: ...


class LslStream(Protocol):
    """The part of ``mne_lsl.stream.StreamLSL`` that is used."""

    @property
    def info(self) -> Mapping[str, object]:
        """``mne.Info``: sampling rate, names and units of the channels."""
        ...

    @property
    def ch_names(self) -> list[str]:
        """Names of the channels that were picked."""
        ...

    @property
    def connected(self) -> bool:
        """Whether it is connected."""
        ...

    def add_callback(self, callback: Callable[..., object]) -> object:
        """Call a function with each chunk."""
        ...

    def acquire(self) -> None:
        """Read what has arrived, where no thread does so."""
        ...

    def connect(
        self, delay: float | None, /, *, processing_flags: Sequence[str], timeout: float
    ) -> LslStream:
        """Open it; without a delay, samples are read by `acquire`."""
        ...

    def disconnect(self) -> object:
        """Close it."""
        ...


def is_lsl_stream(stream: object) -> TypeGuard[LslStream]:
    """Whether this is a stream of mne-lsl, or behaves like one."""
    # Attributes of one that is not connected raise errors, so its class is asked.
    return hasattr(type(stream), "add_callback")


@contextmanager
def open_lsl_stream(stream: str | LslStream, timeout: float) -> Iterator[Source]:
    """Open an LSL stream by its name, or take one that is connected; the former is closed at the end.

    Raises:
        MissingLibraryError: mne-lsl is not installed.
        StreamError: There is no such stream, or several; it is not connected, or no longer.
        CoreDataError: It is not a stream of regular samples.
    """
    opened = _connect(stream, timeout) if isinstance(stream, str) else stream
    name = f"The stream {stream!r}" if isinstance(stream, str) else f"The stream {_name_of(stream)!r}"
    if not _is_connected(opened):
        raise StreamError(f"{name} is not connected.", "Call stream.connect() first.")
    received: SimpleQueue[Samples] = SimpleQueue()
    is_open = True

    def receive(samples: FloatArray, timestamps: FloatArray, info: object) -> tuple[FloatArray, FloatArray]:
        # A stream has no way to remove a callback.
        if is_open:
            received.put((samples.T.copy(), timestamps.copy()))
        return samples, timestamps

    try:
        described = _describe(name, opened)
        opened.add_callback(receive)
        yield Source(described, _receive(name, opened, received))
    finally:
        is_open = False
        # Of a sender without a source id that has ended, the library disconnects by itself.
        if isinstance(stream, str) and _is_connected(opened):
            opened.disconnect()


def _receive(name: str, stream: LslStream, received: SimpleQueue[Samples]) -> Iterator[Samples]:
    is_manual = True
    while True:
        if not _is_connected(stream):
            raise StreamError(
                f"{name} was closed, by its sender or by this program.",
                "Start it again. A sender whose stream has a source id may come back: it is then waited for.",
            )
        if is_manual:
            try:
                stream.acquire()
            except RuntimeError:
                # It has a thread that reads.
                is_manual = False
        try:
            yield received.get_nowait()
        except Empty:
            time.sleep(_POLL)
            yield np.empty((0, 0)), None


def _connect(name: str, timeout: float) -> LslStream:
    make_stream, resolve_streams = _import_mne_lsl()
    found = resolve_streams(timeout, name=name)
    if found:
        # The first answer ends a search; another stream of that name answers soon after.
        found = resolve_streams(_LOOK_AROUND, name=name, minimum=2)
    else:
        names = ", ".join(sorted({repr(other.name) for other in resolve_streams(_LOOK_AROUND)})) or "none"
        raise StreamError(
            f"No LSL stream is called {name!r}, after {timeout:g} s of looking. Streams here: {names}.",
            "Start the program that streams, and check that both are in one network and no firewall is "
            "between them; on other machines, name them as KnownPeers in lsl_api.cfg.",
        )
    if len(found) > 1:
        ids = ", ".join(sorted(repr(each.source_id) for each in found))
        raise StreamError(
            f"{len(found)} streams are called {name!r}, with the source ids {ids}.",
            "Connect to one and give that: StreamLSL(5, name=…, source_id=…).connect().",
        )
    try:
        stream = make_stream(_BUFFER, name=name)
        return stream.connect(None, processing_flags=["clocksync"], timeout=timeout)
    except (RuntimeError, TimeoutError, ValueError) as error:
        raise StreamError(
            f"The stream {name!r} is there, but cannot be read: {error}", "Start it again."
        ) from error


def _describe(name: str, stream: LslStream) -> StreamDescription:
    rate = float(cast(float, stream.info["sfreq"]))
    if rate <= 0.0:
        raise CoreDataError(
            f"{name} has no regular sampling rate, as streams of markers.", "Give the stream of the signals."
        )
    sinfo = cast("_StreamInfo | None", getattr(stream, "sinfo", None))
    said, of_others = _units_said(sinfo)
    channels = cast(Sequence[Mapping[str, int]], stream.info["chs"])
    powers = tuple(
        _find_power(channel, said.get(channel_name, of_others))
        for channel_name, channel in zip(stream.ch_names, channels, strict=True)
    )
    return StreamDescription(name, tuple(stream.ch_names), powers, rate)


def _units_said(sinfo: _StreamInfo | None) -> tuple[dict[str, str], str]:
    """The units that the sender names, by channel, and that of channels which were renamed here."""
    names = None if sinfo is None else sinfo.get_channel_names()
    units = [] if sinfo is None else [str(unit) for unit in sinfo.get_channel_units() or ()]
    said = {} if names is None else dict(zip(names, units, strict=False))
    return said, units[0] if len(set(units)) == 1 else ""


def _find_power(channel: Mapping[str, int], said: str) -> int | None:
    """The power of ten of a channel's unit; that of one that says none is shown as if it said volts."""
    power = int(channel["unit_mul"])
    is_known = power != 0 or said.lower().strip() in _SAY_VOLTS
    return power if int(channel["unit"]) == _VOLTS and is_known else None


def _is_connected(stream: LslStream) -> bool:
    try:
        return stream.connected
    except AssertionError:
        # Its thread is about to disconnect it.
        return False


def _name_of(stream: LslStream) -> str:
    return str(getattr(stream, "name", None) or type(stream).__name__)


def _import_mne_lsl() -> tuple[Callable[..., LslStream], Callable[..., Sequence[_StreamInfo]]]:
    try:
        streams, lsl = import_module("mne_lsl.stream"), import_module("mne_lsl.lsl")
    except (ImportError, OSError, RuntimeError) as error:
        raise MissingLibraryError(
            f"LSL streams are read by mne-lsl, which cannot be imported ({error}).",
            "Install it in this environment (`pip install mne-lsl`), then try again.",
        ) from error
    return streams.StreamLSL, lsl.resolve_streams
