"""Defaults of the paradigms: chunk sizes, thresholds, and how chunks and samples are combined."""

from __future__ import annotations

from typing import NamedTuple

from ..data.argument_checks import check_kind, list_choices
from ..data.metadata import KnownParadigm, TemporalAggregation
from ..errors import CoreDataError
from .voting import Aggregation


class ParadigmDefaults(NamedTuple):
    """Usual settings of a paradigm; names follow NimbusSDK.jl.

    Attributes:
        chunk_size: Samples in one chunk, at ``sampling_rate``.
        sampling_rate: The rate that ``chunk_size`` is meant for, in Hz.
        confidence_threshold: Below this confidence it is better to repeat a trial.
        aggregation_method: How the chunks of a trial become one decision.
        temporal_aggregation: How the samples of a chunk or trial become one vector.
    """

    chunk_size: int
    sampling_rate: float
    confidence_threshold: float
    aggregation_method: Aggregation
    temporal_aggregation: TemporalAggregation


_HINT = "Name one, such as 'motor_imagery'."

_DEFAULTS: dict[str, ParadigmDefaults] = {
    "motor_imagery": ParadigmDefaults(250, 250.0, 0.7, "evidence", "logvar"),
    "p300": ParadigmDefaults(200, 250.0, 0.8, "evidence", "mean"),
    "erp": ParadigmDefaults(200, 250.0, 0.8, "evidence", "mean"),
    "ssvep": ParadigmDefaults(500, 250.0, 0.7, "evidence", "mean"),
}


def get_paradigm_defaults(paradigm: KnownParadigm) -> ParadigmDefaults:
    """Return the usual settings of a paradigm, to start from.

    Args:
        paradigm: ``"motor_imagery"``, ``"p300"``, ``"erp"`` or ``"ssvep"``.

    Raises:
        CoreTypeError: ``paradigm`` is not a text.
        CoreDataError: There are no usual settings for that paradigm.

    Examples:
        >>> get_paradigm_defaults("motor_imagery").chunk_size
        250
    """
    check_kind("paradigm", paradigm, str, _HINT)
    if paradigm not in _DEFAULTS:
        raise CoreDataError(
            f"There are no usual settings for the paradigm {paradigm!r}.",
            list_choices(paradigm, _DEFAULTS),
        )
    return _DEFAULTS[paradigm]
