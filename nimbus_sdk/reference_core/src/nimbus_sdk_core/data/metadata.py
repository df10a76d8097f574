"""BCIMetadata: what features are and how they were recorded."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal, NewType, TypeAlias, cast, get_args

from .._repr import Summary, format_html_table
from ..errors import CoreDataError
from .argument_checks import (
    check_choice,
    check_positive_number,
    check_whole_number,
    find_similar,
    list_choices,
)

OwnWord = NewType("OwnWord", str)
"""A word of your own for a paradigm or a kind of feature, in a program under a type checker.

Without one, any text will do. ``OwnWord("attention")`` is that text.
"""

KnownParadigm: TypeAlias = Literal["motor_imagery", "p300", "erp", "ssvep"]
KnownFeatureType: TypeAlias = Literal["csp", "bandpower", "erp", "time_domain", "raw_filtered"]
Paradigm: TypeAlias = KnownParadigm | OwnWord
FeatureType: TypeAlias = KnownFeatureType | OwnWord
TemporalAggregation: TypeAlias = Literal["mean", "median", "logvar", "none"]
Unit: TypeAlias = Literal["V", "uV"]

_WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MAX_FEATURES = 65_536
_MAX_CLASSES = 4_096
_MISSPELT = 0.87
"""How similar to a known word is a misspelling; "errp" and "erp", two kinds of potential, are 0.86."""
_SPELLINGS = {"V": "V", "uV": "uV", "µV": "uV", "μV": "uV"}


@dataclass(frozen=True, slots=True)
class BCIMetadata:
    """What features are, how they were recorded and how a trial becomes one vector.

    Field names follow NimbusSDK.jl.

    Args:
        sampling_rate: Samples a second along the sample axis of the features, in Hz.
        paradigm: The task: ``"motor_imagery"``, ``"p300"``, ``"erp"``, ``"ssvep"`` or a word of your own,
            which type checkers accept as ``OwnWord("attention")``.
        feature_type: What the numbers are: ``"csp"``, ``"bandpower"``, ``"erp"``, ``"time_domain"``,
            ``"raw_filtered"`` or a word of your own, likewise.
        n_features: Length of the feature axis.
        n_classes: Number of classes in the task (at least 2).
        chunk_size: Samples in one streamed chunk, where the data are to be streamed.
        temporal_aggregation: How the samples of a trial become one vector: their ``"mean"``, their
            ``"median"``, the logarithm of their variance (``"logvar"``), or ``"none"`` for features that
            hold exactly one sample per trial, and for raw channels that a `Pipeline` reads as they are.
        channel_names: Names of the recording's channels in order, where they are known. A model that was
            trained on named channels refuses others, and another order.
        unit: Of the recording: ``"V"`` or ``"uV"`` (microvolt), or None if it is another or not known. A
            model that knows its unit refuses the other one.
        band: Lowest and highest frequency in Hz that the filter of the recording lets pass, such as
            ``(8.0, 30.0)``, or None if it is not known. `decode_stream` filters live samples to this band. A
            model that knows its band refuses another one, by more than a tenth or 0.5 Hz.

    Raises:
        CoreDataError: A field is of the wrong kind or out of range.

    Examples:
        >>> BCIMetadata(250.0, "motor_imagery", "csp", n_features=16, n_classes=4).temporal_aggregation
        'mean'
    """

    sampling_rate: float
    paradigm: Paradigm
    feature_type: FeatureType
    n_features: int
    n_classes: int
    chunk_size: int | None = None
    temporal_aggregation: TemporalAggregation = "mean"
    channel_names: tuple[str, ...] | None = None
    unit: Unit | None = None
    band: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        assign = object.__setattr__
        assign(self, "sampling_rate", check_positive_number("sampling_rate", self.sampling_rate))
        assign(self, "paradigm", _check_word("paradigm", self.paradigm, get_args(KnownParadigm)))
        assign(
            self, "feature_type", _check_word("feature_type", self.feature_type, get_args(KnownFeatureType))
        )
        assign(
            self, "n_features", check_whole_number("n_features", self.n_features, least=1, most=_MAX_FEATURES)
        )
        assign(self, "n_classes", check_whole_number("n_classes", self.n_classes, least=2, most=_MAX_CLASSES))
        if self.chunk_size is not None:
            assign(
                self, "chunk_size", check_whole_number("chunk_size", self.chunk_size, least=1, most=2**31 - 1)
            )
        check_choice("temporal_aggregation", self.temporal_aggregation, get_args(TemporalAggregation))
        if self.channel_names is not None:
            assign(self, "channel_names", check_channel_names(self.channel_names))
        if self.unit is not None:
            assign(self, "unit", check_unit(self.unit))
        if self.band is not None:
            assign(self, "band", check_band(self.band))

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("BCIMetadata", describe_metadata(self))


def describe_metadata(metadata: BCIMetadata) -> Summary:
    """Return names and values of the fields, as texts."""
    values = {field.name: getattr(metadata, field.name) for field in fields(metadata)}
    return [(name.replace("_", " "), _describe_value(value)) for name, value in values.items()]


def _describe_value(value: object) -> str:
    if value is None:
        return "not given"
    if isinstance(value, tuple):
        return ", ".join(map(_describe_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def check_band(band: tuple[float, float]) -> tuple[float, float]:
    """Return a band as two floats, or raise CoreDataError."""
    try:
        low, high = map(float, band)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if isinstance(band, str) or not 0.0 <= low < high < math.inf:
        raise CoreDataError(
            f"band is {band!r}.", "Give the lowest and the highest frequency in Hz, as in band=(8.0, 30.0)."
        )
    return low, high


def filters_hint(expected: BCIMetadata) -> str:
    """Return what to do with raw channels where features of spatial filters are expected, else nothing.

    >>> filters_hint(BCIMetadata(250.0, "p300", "erp", n_features=8, n_classes=2))
    ''
    """
    if expected.feature_type != "csp":
        return ""
    return (
        " The features are what spatial filters (CSP) make of the channels: give filters.transform(channels) "
        "with the filters of the training, as fit_csp() returned them, or decode raw channels with "
        "Pipeline(filters, normalization, model)."
    )


def _check_word(name: str, value: str, known: tuple[str, ...]) -> str:
    """Return a known word, or one's own; refuse what is not a word, or looks like a misspelt known one."""
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        rule = "A word of your own has lower-case letters, digits and underscores only."
        raise CoreDataError(f"{name} is {value!r}.", f"{list_choices(value, known)} {rule}")
    # "fbcsp" and "p300_speller" are words of their own.
    if not any(word in value for word in known):
        near = find_similar(value, known, _MISSPELT)
        if near is not None and near not in value:
            raise CoreDataError(
                f"{name} is {value!r}.",
                f"Did you mean {near!r}? A word of your own must differ more, such as 'my_{near}'.",
            )
    return value


def check_channel_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of channels as a tuple, or raise CoreDataError if one is no text, empty or repeated."""
    hint = "Give one text for each channel, as in channel_names=('C3', 'Cz', 'C4')."
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise CoreDataError(f"channel_names is {names!r}, not a list of names.", hint)
    checked = tuple(str(name) if isinstance(name, str) else name for name in names)
    for name in checked:
        if not isinstance(name, str) or not name:
            raise CoreDataError(f"channel_names hold {name!r}, which is not a name.", hint)
    if not checked:
        raise CoreDataError("channel_names are empty.", hint)
    repeated = [name for name, count in Counter(checked).items() if count > 1]
    if repeated:
        raise CoreDataError(f"channel_names hold {', '.join(repeated[:5])} more than once.", hint)
    return checked


def check_unit(unit: str) -> Unit:
    """Return a unit in the spelling of `Unit`, or raise CoreDataError."""
    if not isinstance(unit, str) or unit not in _SPELLINGS:
        raise CoreDataError(f"unit is {unit!r}.", "Use 'V', 'uV', or None for another or an unknown one.")
    return cast(Unit, _SPELLINGS[unit])
