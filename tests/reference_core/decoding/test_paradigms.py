"""Defaults and temporal weights of the paradigms."""

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError
from nimbus_sdk_core.decoding.paradigms import get_paradigm_defaults, temporal_weights


def test_weights_over_a_trial_have_the_shape_of_the_response() -> None:
    """Rising for imagery, a wave for evoked potentials, even elsewhere; never zero, never above one."""
    assert (np.diff(temporal_weights("motor_imagery", 8)) >= 0).all()
    wave = temporal_weights("p300", 5)
    assert wave.argmax() == 2
    np.testing.assert_allclose(wave, wave[::-1])
    assert temporal_weights("ssvep", 3).tolist() == temporal_weights("my_own", 3).tolist() == [1, 1, 1]
    for paradigm in ("motor_imagery", "p300", "erp", "ssvep"):
        for n_chunks in (1, 2, 50):
            weights = temporal_weights(paradigm, n_chunks)
            assert len(weights) == n_chunks
            assert ((weights > 0) & (weights <= 1)).all()


def test_known_paradigms_have_defaults() -> None:
    """Chunk sizes are those of the Nimbus documentation; an unknown paradigm is refused by name."""
    sizes = {name: get_paradigm_defaults(name).chunk_size for name in ("motor_imagery", "p300", "ssvep")}
    assert sizes == {"motor_imagery": 250, "p300": 200, "ssvep": 500}
    imagery = get_paradigm_defaults("motor_imagery")
    assert (imagery.confidence_threshold, imagery.aggregation_method) == (0.7, "weighted_vote")
    assert imagery.temporal_aggregation == "logvar"
    with pytest.raises(CoreDataError, match="for the paradigm 'telepathy'"):
        get_paradigm_defaults("telepathy")
