"""BCIMetadata: what features are and how they were recorded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from ..errors import CoreDataError
from .argument_checks import check_positive_number, check_whole_number

TemporalAggregation: TypeAlias = Literal["mean", "median", "logvar", "none"]

_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_FEATURES = 65_536
_MAX_CLASSES = 4_096


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


def _check_word(name: str, value: str) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise CoreDataError(
            f"{name} is {value!r}.",
            "Use a short word of lower-case letters, digits and underscores, such as 'motor_imagery'.",
        )
    return value
