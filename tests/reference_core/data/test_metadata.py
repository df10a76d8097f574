"""BCIMetadata: accepted values and errors."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError

from tests.reference_core.support import make_metadata


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sampling_rate": 0}, "sampling_rate is 0.0"),
        ({"sampling_rate": float("nan")}, "sampling_rate is nan"),
        ({"sampling_rate": "250"}, "sampling_rate is '250', not a number"),
        ({"sampling_rate": True}, "sampling_rate is True"),
        ({"sampling_rate": None}, "sampling_rate is None"),
        ({"paradigm": "Motor Imagery"}, "paradigm is 'Motor Imagery'"),
        ({"paradigm": 3}, "paradigm is 3"),
        ({"feature_type": ""}, "feature_type is ''"),
        ({"n_features": 0}, "n_features is 0. Give a whole number from 1"),
        ({"n_features": 2.5}, "n_features is 2.5, not a whole number"),
        ({"n_features": True}, "n_features is True, a truth value"),
        ({"n_classes": 1}, "n_classes is 1. Give a whole number from 2"),
        ({"chunk_size": 0}, "chunk_size is 0"),
        ({"temporal_aggregation": "average"}, "temporal_aggregation is 'average'. Use one of mean, median"),
        ({"temporal_aggregation": ["mean"]}, "temporal_aggregation is ['mean']"),
        ({"channel_names": "C3"}, "channel_names is 'C3', not a list of names"),
        ({"channel_names": 3}, "channel_names is 3, not a list of names"),
        ({"channel_names": ()}, "channel_names are empty"),
        ({"channel_names": ("C3", 4)}, "channel_names hold 4, which is not a name"),
        ({"channel_names": ("C3", "")}, "channel_names hold '', which is not a name"),
        ({"channel_names": ("C3", "Cz", "C3")}, "channel_names hold C3 more than once"),
        ({"unit": "mV"}, "unit is 'mV'. Use 'V', 'uV', or None"),
        ({"unit": 1e-6}, "unit is 1e-06"),
        ({"band": (30, 8)}, "band is (30, 8). Give the lowest and the highest"),
        ({"band": "8-30"}, "band is '8-30'"),
        ({"band": (8,)}, "band is (8,)"),
        ({"band": (8, float("inf"))}, "band is (8, inf)"),
    ],
)
def test_metadata_names_the_field_that_is_wrong(change: dict[str, object], words: str) -> None:
    """A field of the wrong kind or out of range is refused by name."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        make_metadata(**change)


def test_metadata_accept_numpy_numbers() -> None:
    """NumPy scalars are as good as Python's."""
    read = make_metadata(n_features=np.int64(3), sampling_rate=np.float32(250), chunk_size=np.int8(10))
    assert (read.n_features, read.sampling_rate, read.chunk_size) == (3, 250.0, 10)
    assert type(read.n_features) is int


def test_channel_names_and_unit_have_one_form() -> None:
    """A list becomes a tuple of plain texts, and microvolt has one spelling: metadata can be compared."""
    read = make_metadata(channel_names=np.array(["C3", "C4"]), unit="µV")
    assert read == make_metadata(channel_names=["C3", "C4"], unit="uV")
    assert (read.channel_names, read.unit) == (("C3", "C4"), "uV")
    assert type(read.channel_names[0]) is str
    assert (make_metadata().channel_names, make_metadata().unit) == (None, None)
