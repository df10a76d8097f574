"""What a live stream says of itself, compared with what a model knows of its training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import SupportsFloat

import numpy as np

from .._types import FloatArray, IndexArray
from ..data.argument_checks import check_positive_number
from ..data.metadata import BCIMetadata, Unit, check_channel_names, check_unit
from ..errors import CoreDataError, ModelMismatchError

_POWERS: dict[Unit, int] = {"V": 0, "uV": -6}

# Kinds of features that are no channels, and need the filters that made them.
_FILTERED = ("csp", "xdawn")


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What is known of a stream.

    Attributes:
        name: How messages call it.
        channel_names: Names of its channels, or None.
        powers: For each channel, the power of ten of its unit in volts, such as -6 for microvolts, or None if
            it is not known; None if that holds for all.
        sampling_rate: In Hz, or None.
    """

    name: str
    channel_names: tuple[str, ...] | None = None
    powers: tuple[int | None, ...] | None = None
    sampling_rate: float | None = None

    def corrected(
        self, channel_names: Sequence[str] | None, unit: Unit | None, sampling_rate: SupportsFloat | None
    ) -> StreamDescription:
        """The same with what the user knows better.

        Raises:
            CoreDataError: Other names than there are channels, no such unit, or no such rate.
        """
        described = self
        if channel_names is not None:
            names = check_channel_names(channel_names)
            if self.channel_names is not None and len(names) != len(self.channel_names):
                raise CoreDataError(
                    f"{self.name} has the channels {_list(self.channel_names)}; {len(names)} are named.",
                    "Name each of them in channel_names, in the order of the stream.",
                )
            described = replace(described, channel_names=names)
        if unit is not None:
            n_channels = 1 if described.channel_names is None else len(described.channel_names)
            powers = (_POWERS[check_unit(unit)],) * n_channels
            described = replace(described, powers=powers)
        if sampling_rate is not None:
            rate = check_positive_number("sampling_rate", sampling_rate)
            described = replace(described, sampling_rate=rate)
        return described


@dataclass(frozen=True, slots=True)
class ChannelMap:
    """How the channels of a stream become those of a model.

    Attributes:
        stream: Name of the stream.
        n_channels: Channels of the stream.
        picks: Which of them the model reads, in its order.
        factors: What each is multiplied by, for the unit of the model, shape (n_picked × 1).
    """

    stream: str
    n_channels: int
    picks: IndexArray
    factors: FloatArray

    def read(self, samples: FloatArray) -> FloatArray:
        """Choose and scale, from (n_channels × n_samples) to (n_picked × n_samples).

        Raises:
            CoreDataError: Another number of channels than the stream has said.
        """
        if len(samples) != self.n_channels:
            raise CoreDataError(
                f"{self.stream} gave samples of shape {samples.shape}; expected are {self.n_channels} "
                "channels on axis 0 and samples on axis 1.",
                "Transpose samples that are (n_samples × n_channels), and give a name for each channel.",
            )
        return samples[self.picks] * self.factors


def require_channels(model_name: str, expected: BCIMetadata) -> None:
    """Raise ModelMismatchError for a model that reads features other than channels."""
    names = expected.channel_names
    if expected.feature_type in _FILTERED or (names is not None and len(names) != expected.n_features):
        raise ModelMismatchError(
            f"A stream has channels, and {model_name} reads {expected.n_features} features of the kind "
            f"{expected.feature_type!r}.",
            "Give a pipeline: Pipeline(filters, normalization, model), with the filters that made the "
            "features of its training.",
        )


def match_stream(described: StreamDescription, model_name: str, expected: BCIMetadata) -> ChannelMap:
    """Compare a stream with the metadata of a model.

    Args:
        described: The stream.
        model_name: How messages call the model.
        expected: The metadata of what the model reads.

    Raises:
        ModelMismatchError: Channels are missing, or another rate or unit.
        CoreDataError: The stream does not say what has to be compared.
    """
    names = expected.channel_names
    _require_known(described, expected)
    _check_rate(described, model_name, expected)
    available = described.channel_names
    n_channels = expected.n_features if available is None else len(available)
    if names is None or available is None:
        if n_channels != expected.n_features:
            raise ModelMismatchError(
                f"{described.name} has {n_channels} channels, and {model_name} reads {expected.n_features}.",
                "Give the stream that the model was trained on, with no channels besides.",
            )
        picks = np.arange(n_channels)
    else:
        picks = np.array([available.index(name) for name in _require_names(described, model_name, names)])
    factors = _find_factors(described, model_name, expected, picks)
    return ChannelMap(described.name, n_channels, picks, factors)


def _require_known(described: StreamDescription, expected: BCIMetadata) -> None:
    unknown = {
        "channel_names": described.channel_names is None and expected.channel_names is not None,
        "unit": described.powers is None and expected.unit is not None,
        "sampling_rate": described.sampling_rate is None,
    }
    missing = [name for name, is_missing in unknown.items() if is_missing]
    if missing:
        examples = {"channel_names": "['C3', 'Cz', 'C4']", "unit": "'uV'", "sampling_rate": "250"}
        given = ", ".join(f"{name}={examples[name]}" for name in missing)
        *firsts, last = (name.replace("_", " ") for name in missing)
        listed = f"{', '.join(firsts)} and {last}" if firsts else last
        raise CoreDataError(
            f"{described.name} does not say its {listed}, which are compared with the model's.",
            f"Give what it sends, for example {given}.",
        )


def _check_rate(described: StreamDescription, model_name: str, expected: BCIMetadata) -> None:
    rate = described.sampling_rate
    if rate is not None and not math.isclose(rate, expected.sampling_rate, rel_tol=1e-3):
        raise ModelMismatchError(
            f"{described.name} has {rate:g} samples a second, and {model_name} was trained at "
            f"{expected.sampling_rate:g}.",
            f"Set the amplifier to {expected.sampling_rate:g} Hz, or train a model on recordings that are "
            f"resampled to {rate:g} Hz.",
        )


def _require_names(described: StreamDescription, model_name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    available = described.channel_names or ()
    missing = [name for name in names if name not in available]
    if missing:
        raise ModelMismatchError(
            f"{described.name} has no channel {_list(missing)}, which {model_name} reads. "
            f"Its channels are {_list(available)}.",
            f"The model reads {_list(names)}. If the stream calls them differently, name its channels as the "
            "model does, in the order of the stream: channel_names=['C3', 'C4', …].",
        )
    return names


def _find_factors(
    described: StreamDescription, model_name: str, expected: BCIMetadata, picks: IndexArray
) -> FloatArray:
    if expected.unit is None or described.powers is None:
        return np.ones((len(picks), 1))
    of_channels = described.powers * (len(picks) if len(described.powers) == 1 else 1)
    powers = [of_channels[pick] for pick in picks]
    if None in powers:
        unknown = [
            str((described.channel_names or range(len(powers)))[k]) for k in picks if of_channels[k] is None
        ]
        raise ModelMismatchError(
            f"{described.name} does not say the unit of {_list(unknown)}, and {model_name} was trained on "
            f"{expected.unit}.",
            "Give unit='uV' or unit='V'.",
        )
    known = np.array([power for power in powers if power is not None], dtype=np.float64)
    return np.asarray(10.0 ** (known - _POWERS[expected.unit]))[:, np.newaxis]


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:16]) + (f" and {len(names) - 16} more" if len(names) > 16 else "")
