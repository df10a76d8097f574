"""BCIMetadata: what features are and how they were recorded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from ..errors import CoreDataError
from .argument_checks import check_positive_number, check_whole_number

TemporalAggregation: TypeAlias = Literal["mean", "median", "logvar", "none"]
Unit: TypeAlias = Literal["V", "uV"]

_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_FEATURES = 65_536
_MAX_CLASSES = 4_096
_SPELLINGS = {"V": "V", "uV": "uV", "µV": "uV", "μV": "uV"}


@dataclass(frozen=True, slots=True)
class BCIMetadata:
    """What features are, how they were recorded and how a trial becomes one vector.

    Field names follow NimbusSDK.jl.

    Args:
        sampling_rate: Samples a second along the sample axis of the features, in Hz.
        paradigm: The task: ``"motor_imagery"``, ``"p300"``, ``"ssvep"`` or a word of your own.
        feature_type: What the numbers are: ``"csp"``, ``"bandpower"``, ``"erp"`` or a word of your own.
        n_features: Length of the feature axis.
        n_classes: Number of classes in the task (at least 2).
        chunk_size: Samples in one streamed chunk, where the data are to be streamed.
        temporal_aggregation: How the samples of a trial become one vector: their ``"mean"``, their
            ``"median"``, the logarithm of their variance (``"logvar"``), or ``"none"`` for features that
            hold exactly one sample a trial.
        channel_names: Names of the recording's channels in order, where they are known. A model that was
            trained on named channels refuses others, and another order.
        unit: Of the recording: ``"V"`` or ``"uV"`` (microvolt), or None if it is another or not known. A
            model that knows its unit refuses the other one.

    Raises:
        CoreDataError: A field is of the wrong kind or out of range.

    Examples:
        >>> BCIMetadata(250.0, "motor_imagery", "csp", n_features=16, n_classes=4).temporal_aggregation
        'mean'
    """

    sampling_rate: float
    paradigm: str
    feature_type: str
    n_features: int
    n_classes: int
    chunk_size: int | None = None
    temporal_aggregation: TemporalAggregation = "mean"
    channel_names: tuple[str, ...] | None = None
    unit: Unit | None = None

    def __post_init__(self) -> None:
        assign = object.__setattr__
        assign(self, "sampling_rate", check_positive_number("sampling_rate", self.sampling_rate))
        assign(self, "paradigm", _check_word("paradigm", self.paradigm))
        assign(self, "feature_type", _check_word("feature_type", self.feature_type))
        assign(
            self, "n_features", check_whole_number("n_features", self.n_features, least=1, most=_MAX_FEATURES)
        )
        assign(self, "n_classes", check_whole_number("n_classes", self.n_classes, least=2, most=_MAX_CLASSES))
        if self.chunk_size is not None:
            assign(
                self, "chunk_size", check_whole_number("chunk_size", self.chunk_size, least=1, most=2**31 - 1)
            )
        ways = get_args(TemporalAggregation)
        if self.temporal_aggregation not in ways:
            raise CoreDataError(
                f"temporal_aggregation is {self.temporal_aggregation!r}.", f"Use one of {', '.join(ways)}."
            )
        if self.channel_names is not None:
            assign(self, "channel_names", _check_names(self.channel_names))
        if self.unit is not None:
            assign(self, "unit", _check_unit(self.unit))


def _check_word(name: str, value: str) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise CoreDataError(
            f"{name} is {value!r}.",
            "Use a short word of lower-case letters, digits and underscores, such as 'motor_imagery'.",
        )
    return value


def _check_names(names: Iterable[str]) -> tuple[str, ...]:
    hint = "Give one text for each channel, as in channel_names=('C3', 'Cz', 'C4')."
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise CoreDataError(f"channel_names is {names!r}, not a list of names.", hint)
    checked = tuple(str(name) if isinstance(name, str) else name for name in names)
    for name in checked:
        if not isinstance(name, str) or not name:
            raise CoreDataError(f"channel_names hold {name!r}, which is no name.", hint)
    if not checked:
        raise CoreDataError("channel_names are empty.", hint)
    repeated = [name for name, count in Counter(checked).items() if count > 1]
    if repeated:
        raise CoreDataError(f"channel_names hold {', '.join(repeated[:5])} more than once.", hint)
    return checked


def _check_unit(unit: str) -> Unit:
    if not isinstance(unit, str) or unit not in _SPELLINGS:
        raise CoreDataError(f"unit is {unit!r}.", "Use 'V', 'uV', or None for another or an unknown one.")
    return cast(Unit, _SPELLINGS[unit])
