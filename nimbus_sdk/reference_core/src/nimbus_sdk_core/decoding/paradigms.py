"""Defaults of the paradigms: chunk sizes, thresholds, and weights of the chunks over a trial.

Weights over a trial: imagined movement weakens the sensorimotor rhythms within the first second after the cue
and while it lasts (G. Pfurtscheller and F. H. Lopes da Silva, Clinical Neurophysiology 110, 1999); the P300
is a wave that peaks 300 to 500 ms after the stimulus (J. Polich, Clinical Neurophysiology 118, 2007); a
steady-state response to flicker stays as it is while the flicker lasts (A. M. Norcia et al., Journal of
Vision 15(6), 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._types import FloatArray
from ..data.argument_checks import check_kind, check_whole_number
from ..data.metadata import TemporalAggregation
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

_DEFAULTS = {
    "motor_imagery": ParadigmDefaults(250, 250.0, 0.7, "weighted_vote", "logvar"),
    "p300": ParadigmDefaults(200, 250.0, 0.8, "posterior_mean", "mean"),
    "erp": ParadigmDefaults(200, 250.0, 0.8, "posterior_mean", "mean"),
    "ssvep": ParadigmDefaults(500, 250.0, 0.7, "weighted_vote", "mean"),
}


def get_paradigm_defaults(paradigm: str) -> ParadigmDefaults:
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
            f"There are some for {', '.join(_DEFAULTS)}.",
        )
    return _DEFAULTS[paradigm]


def temporal_weights(paradigm: str, n_chunks: int) -> FloatArray:
    """Return the weight of each chunk by its time in the trial, at most 1.

    Args:
        paradigm: Any; without known weights all chunks count the same.
        n_chunks: How many equal chunks the trial has, 1 or more.

    Raises:
        CoreTypeError: ``paradigm`` is not a text.
        CoreDataError: ``n_chunks`` is out of range.

    Examples:
        >>> temporal_weights("motor_imagery", 4).tolist()
        [0.625, 0.875, 1.0, 1.0]
    """
    check_kind("paradigm", paradigm, str, _HINT)
    chunks = check_whole_number("n_chunks", n_chunks, least=1, most=2**31 - 1)
    middles = (np.arange(chunks) + 0.5) / chunks
    return _SHAPES.get(paradigm, np.ones_like)(middles)


def _rising(at: FloatArray) -> FloatArray:
    return 0.5 + np.minimum(at, 0.5)


def _wave(at: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * ((at - 0.5) / 0.25) ** 2))


_SHAPES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "motor_imagery": _rising,
    "p300": _wave,
    "erp": _wave,
}
