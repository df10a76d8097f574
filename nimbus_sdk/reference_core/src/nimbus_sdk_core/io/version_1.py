"""Model files of format version 1.

They held the posterior of Gaussian classes and not their statistics, no class frequencies of a probit, and no
names of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import CoreDataError
from ..models.model_card import JsonValue
from ..models.niw_arrays import MOMENTS, read_posterior
from ..stats.niw import recover_moments

Array: TypeAlias = npt.NDArray[np.float64] | npt.NDArray[np.int64]


def upgrade_version_1(
    header: Mapping[str, JsonValue], arrays: Mapping[str, Array]
) -> tuple[dict[str, JsonValue], dict[str, Array]]:
    """Return header and arrays of a file of version 1 as version 2 has them.

    Raises:
        CoreDataError: The arrays are not those of such a model.
    """
    upgraded = dict(header)
    metadata = header.get("metadata")
    if isinstance(metadata, dict):
        upgraded["metadata"] = {**metadata, "channel_names": None, "unit": None}
    hyper, classes = header.get("hyper"), header.get("classes")
    if not isinstance(hyper, dict) or not isinstance(classes, list) or not classes:
        raise CoreDataError("hyper is not an object, or classes is not a list.", "")
    floats = {name: array.astype(np.float64, copy=False) for name, array in arrays.items()}
    if header.get("kind") == "NimbusProbit":
        n_trials = floats.get("marginal_counts", np.zeros(1)).sum()
        return upgraded, {**floats, "counts": np.full(len(classes), n_trials / len(classes))}
    upgraded["hyper"] = {**hyper, "priors": None}
    n_covariances = len(classes) if header.get("kind") == "NimbusQDA" else 1
    moments = recover_moments(read_posterior(floats, len(classes), n_covariances))
    return upgraded, {name: getattr(moments, name) for name in MOMENTS}
