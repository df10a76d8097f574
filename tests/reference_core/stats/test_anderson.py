"""Anderson acceleration."""

import numpy as np
from nimbus_sdk_core import NimbusProbit


def test_an_extrapolation_that_diverges_is_dropped() -> None:
    """Three mixed classes in one feature leave the noise nearly open, and yet it does not run away."""
    random = np.random.default_rng(1178)
    random.integers([2, 1, 9], [5, 12, 150])
    y = np.r_[np.arange(3), random.integers(0, 3, 76)]
    x = random.normal(size=(79, 1)) + random.choice([0.3, 1, 3, 8]) * random.normal(size=(3, 1))[y]
    model = NimbusProbit().fit(x, y)
    assert model.n_iter_ < 100
