"""From the samples of each trial to one feature vector."""

from collections.abc import Callable

import numpy as np

from .arrays import FeatureArray, FloatArray
from .data import BCIData
from .errors import CoreDataError


def aggregate(data: BCIData) -> FloatArray:
    """Reduce each trial to one vector, the way ``data.metadata.temporal_aggregation`` says.

    Args:
        data: Checked features.

    Returns:
        Shape (n_trials × n_features), float64.

    Raises:
        CoreDataError: ``"logvar"`` where a feature does not vary within a trial.

    >>> from nimbus_sdk_core import BCIMetadata
    >>> about = BCIMetadata(250.0, "p300", "erp", n_features=1, n_classes=2)
    >>> aggregate(BCIData([[[1.0, 5.0], [3.0, 7.0]]], about))
    array([[2.],
           [6.]])
    """
    reduce = _WAYS[data.metadata.temporal_aggregation]
    return reduce(data.features).T


def _mean(features: FeatureArray) -> FloatArray:
    return np.asarray(features.mean(axis=1, dtype=np.float64))


def _median(features: FeatureArray) -> FloatArray:
    return np.median(features, axis=1).astype(np.float64)


def _only(features: FeatureArray) -> FloatArray:
    return features[:, 0, :].astype(np.float64, copy=False)


def _logvar(features: FeatureArray) -> FloatArray:
    variance = features.var(axis=1, dtype=np.float64)
    still = variance <= 0
    if still.any():
        feature, trial = (int(at) for at in np.unravel_index(np.argmax(still), still.shape))
        raise CoreDataError(
            f"Feature {feature} does not vary within trial {trial} (both counted from 0): "
            "the logarithm of its variance does not exist.",
            "Leave out dead channels and trials, or use another temporal_aggregation.",
        )
    return np.asarray(np.log(variance))


_WAYS: dict[str, Callable[[FeatureArray], FloatArray]] = {
    "mean": _mean,
    "median": _median,
    "logvar": _logvar,
    "none": _only,
}
