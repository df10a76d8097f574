"""The information transfer rate."""

from __future__ import annotations

import math
from typing import SupportsFloat, SupportsIndex

from ..data.argument_checks import check_positive_number, check_probability, check_whole_number


def calculate_ITR(  # noqa: N802
    accuracy: SupportsFloat,
    n_classes: SupportsIndex,
    trial_duration: SupportsFloat,
    *,
    clip_negative: bool = False,
) -> float:
    """Information transfer rate in bits a minute, from accuracy, number of classes and time for a trial.

    Wolpaw's formula: a trial carries log2 N + P·log2 P + (1 - P)·log2((1 - P)/(N - 1)) bits, for classes that
    are equally frequent and equally well decoded. Below chance (P < 1/N) the rate is 0, where the formula
    would rise again. Source: J. R. Wolpaw et al., Brain-computer interface technology, IEEE Transactions on
    Rehabilitation Engineering 8 (2000).

    Args:
        accuracy: P, the share of right predictions, from 0 to 1.
        n_classes: N, the number of classes, 2 or more.
        trial_duration: Time from one selection to the next, in seconds, pauses included.
        clip_negative: Accepted for compatibility with NimbusSDK.jl; the rate is never negative here, so it
            changes nothing.

    Raises:
        CoreDataError: A number is out of range.

    Examples:
        >>> calculate_ITR(1.0, 4, 4.0)
        30.0
        >>> round(calculate_ITR(0.85, 4, 4.0), 2)
        17.29
        >>> calculate_ITR(0.2, 4, 4.0)
        0.0
    """
    right = check_probability("accuracy", accuracy)
    classes = check_whole_number("n_classes", n_classes, least=2, most=2**31 - 1)
    seconds = check_positive_number("trial_duration", trial_duration)
    if right <= 1.0 / classes:
        return 0.0
    bits = math.log2(classes) + right * math.log2(right)
    if right < 1.0:
        bits += (1.0 - right) * math.log2((1.0 - right) / (classes - 1))
    return max(0.0, bits) * 60.0 / seconds


calculate_itr = calculate_ITR
