"""The samples of a live stream, as they come from its library or program."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .._types import FloatArray
from ..data.argument_checks import describe_kind
from ..errors import CoreDataError, StreamError
from .stream_description import StreamDescription

Samples: TypeAlias = tuple[npt.ArrayLike, npt.ArrayLike | None]
"""Samples, shape (n_channels × n_samples), and the time stamp of each in seconds, or None."""

_EXPECTED = "Give (samples, timestamps): samples of shape (n_channels × n_samples), a time for each or None."


@dataclass(frozen=True, slots=True)
class Source:
    """A stream that is open.

    Attributes:
        described: What it says of itself.
        chunks: Its samples; none of them while there are no new ones.
    """

    described: StreamDescription
    chunks: Iterable[Samples]


def read_samples(source: Source, timeout: float) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    """Yield the samples that arrive, with their time stamps, until the stream ends.

    Args:
        source: The stream.
        timeout: Seconds without any sample that are too long.

    Yields:
        Samples, (n_channels × n_samples), at least one; and the time stamp of each, (n_samples,), or None.

    Raises:
        StreamError: No sample came for too long.
        CoreDataError: What the stream gave are no samples.
    """
    waiting_since: float | None = None
    for item in source.chunks:
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise CoreDataError(f"{source.described.name} gave {describe_kind(item)}.", _EXPECTED)
        samples = _read_numbers(item[0])
        if samples.size:
            if samples.ndim != 2:
                raise CoreDataError(
                    f"{source.described.name} gave samples of shape {samples.shape}.", _EXPECTED
                )
            waiting_since = None
            yield _without_missing(samples, _read_stamps(item[1], samples))
            continue
        # Counted from the first time that there was nothing: the program may take its time with a result.
        now = time.monotonic()
        waiting_since = now if waiting_since is None else waiting_since
        if now - waiting_since > timeout:
            raise StreamError(
                f"{source.described.name} has sent no samples for {timeout:g} seconds.",
                "Check the amplifier, its battery and the program that streams, then start again. "
                "Where pauses are usual, give a longer timeout.",
            )


def _read_numbers(values: npt.ArrayLike) -> FloatArray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise CoreDataError("The samples of the stream are not numbers, or no array.", _EXPECTED) from None


def _read_stamps(values: npt.ArrayLike | None, samples: FloatArray) -> FloatArray | None:
    if values is None:
        return None
    stamps, n_samples = _read_numbers(values), samples.shape[1]
    if stamps.shape != (n_samples,) or not np.isfinite(stamps).all():
        raise CoreDataError(
            f"The time stamps of the stream have shape {stamps.shape} for {n_samples} sample(s), or are not "
            "finite.",
            _EXPECTED,
        )
    return stamps


def _without_missing(samples: FloatArray, stamps: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    """Drop samples that are not finite, as amplifiers give for lost ones; their time stamps show a gap."""
    is_finite = np.isfinite(samples)
    if is_finite.all():
        return samples, stamps
    if stamps is None:
        raise CoreDataError(
            "The samples of the stream are not all finite.",
            "Give time stamps too: then such samples count as missing.",
        )
    is_complete = is_finite.all(axis=0)
    return samples[:, is_complete], stamps[is_complete]
