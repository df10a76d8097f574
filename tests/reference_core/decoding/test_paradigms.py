"""Defaults of the paradigms."""

import pytest
from nimbus_sdk_core import CoreDataError
from nimbus_sdk_core.decoding.paradigms import get_paradigm_defaults


def test_known_paradigms_have_defaults() -> None:
    """Chunk sizes are those of the Nimbus documentation; an unknown paradigm is refused by name."""
    sizes = {name: get_paradigm_defaults(name).chunk_size for name in ("motor_imagery", "p300", "ssvep")}
    assert sizes == {"motor_imagery": 250, "p300": 200, "ssvep": 500}
    imagery = get_paradigm_defaults("motor_imagery")
    assert (imagery.confidence_threshold, imagery.aggregation_method) == (0.7, "evidence")
    assert imagery.temporal_aggregation == "logvar"
    with pytest.raises(CoreDataError, match="for the paradigm 'telepathy'"):
        get_paradigm_defaults("telepathy")
