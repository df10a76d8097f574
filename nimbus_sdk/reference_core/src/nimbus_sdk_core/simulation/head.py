"""Positions of sources and sensors, and the mixing of sources onto sensors."""

from __future__ import annotations

import numpy as np

from .._types import FloatArray

N_SENSORS = 16

_SPREAD = 0.35


def sensor_positions() -> FloatArray:
    """Return the positions of 16 sensors: a 4 × 4 grid from -1 to 1, left to right, back to front."""
    side = np.linspace(-1.0, 1.0, 4)
    return np.stack(np.meshgrid(side, side, indexing="xy"), axis=-1).reshape(N_SENSORS, 2)


def mixing_matrix(sources: FloatArray, random: np.random.RandomState) -> FloatArray:
    """Return how strongly each source reaches each sensor.

    Volume conduction blurs: the weight falls off as a Gaussian of the distance. Each weight varies by a tenth
    from head to head.

    Args:
        sources: Positions, shape (n_sources × 2).
        random: Random stream of the anatomy.

    Returns:
        Shape (N_SENSORS × n_sources).
    """
    apart = sensor_positions()[:, None, :] - sources[None, :, :]
    weights = np.exp(-0.5 * (apart**2).sum(axis=2) / _SPREAD**2)
    return np.asarray(weights + 0.1 * random.standard_normal(weights.shape))


def draw_background_positions(n_sources: int, random: np.random.RandomState) -> FloatArray:
    """Draw the positions of sources that are not related to the task, shape (n_sources × 2)."""
    return np.asarray(random.uniform(-1.2, 1.2, (n_sources, 2)))
