"""Features: accepted arrays and errors."""

import re
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError

from tests.reference_core.support import make_metadata


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((3, 5)), "features have 2 axes, shape (3, 5), expected 3"),
        (np.zeros(5), "features have 1 axis, shape (5,), expected 3"),
        (np.zeros((3, 5)), "features[:, np.newaxis, :]"),
        (
            np.zeros((4, 5, 6)),
            "Axis 0 of features has length 4, expected 3 (n_features); found shape (4, 5, 6)",
        ),
        (np.zeros((7, 5, 3)), "Axis 2 has that length: np.moveaxis(features, 2, 0)"),
        (np.zeros((3, 0, 6)), "Axis 1 of features (n_samples) is empty; found shape (3, 0, 6)"),
        (np.zeros((3, 5, 6), complex), "features are of type complex128"),
        (np.zeros((3, 5, 6), bool), "features are of type bool"),
        (np.full((3, 5, 6), None), "features are of type object"),
        ([[[1.0], [2.0]], [[1.0]]], "ragged"),
        (np.ma.masked_less(np.zeros((3, 5, 6)), 1), "masked array"),
    ],
)
def test_a_wrong_array_is_rejected_with_axis_and_shapes(features: object, words: str) -> None:
    """The message names the axis, the expected and the found shape."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(features, make_metadata())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_located(value: float) -> None:
    """NaN and infinity are refused with number and first place."""
    features = np.zeros((3, 5, 6), np.float32)
    features[1, 4, 2] = features[2, 0, 5] = value
    words = f"2 value(s) that are NaN or infinite, the first ({value}) at feature 1, sample 4, trial 2"
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(features, make_metadata())


def test_large_finite_values_are_not_treated_as_infinite() -> None:
    """A sum that overflows does not make its terms infinite."""
    assert BCIData(np.full((3, 5, 6), 1e308), make_metadata()).n_trials == 6


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_floats_are_not_copied(dtype: type) -> None:
    """Float arrays of any layout are taken as they are, and are safe from writes through BCIData."""
    given = np.asfortranarray(np.ones((3, 5, 4), dtype))
    data = BCIData(given, make_metadata())
    assert np.shares_memory(given, data.features)
    assert given.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        data.features[0, 0, 0] = 2


def test_memory_maps_are_not_copied(tmp_path) -> None:
    """A memory map stays on disk."""
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(3, 5, 4))
    mapped[:] = 1.0
    assert np.shares_memory(BCIData(mapped, make_metadata()).features, mapped)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, ">f8", np.longdouble])
def test_other_real_numbers_become_float64(dtype: object) -> None:
    """Whole numbers and unusual floats are read as float64."""
    assert BCIData(np.ones((3, 5, 4), dtype), make_metadata()).features.dtype == np.float64  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("way", "n_samples", "words"),
    [
        ("none", 5, "axis 1 of features (n_samples) must have length 1, but it has 5"),
        ("logvar", 1, "axis 1 of features (n_samples) must be 2 or longer, but it has 1"),
    ],
)
def test_sample_axis_must_suit_the_aggregation(way: str, n_samples: int, words: str) -> None:
    """'none' wants one sample and 'logvar' two."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(np.zeros((3, n_samples, 4)), make_metadata(temporal_aggregation=way))


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, ">f4", ">i4", "<f8"])
@pytest.mark.parametrize("way", ["mean", "median", "logvar"])
def test_memory_maps_of_any_real_numbers_stay_on_disk(tmp_path: Path, dtype: object, way: str) -> None:
    """They are converted in pieces when they are used, as the same numbers in memory are at once."""
    values = np.random.default_rng(1).integers(0, 200, size=(3, 20, 7)).astype(dtype)  # type: ignore[call-overload]
    np.save(tmp_path / "x.npy", values)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    metadata = make_metadata(temporal_aggregation=way)
    data, in_memory = BCIData(mapped, metadata), BCIData(values, metadata)
    assert np.shares_memory(data.features, mapped)
    assert np.shares_memory(data[2:5].features, mapped)
    assert in_memory.features.dtype == np.float64
    np.testing.assert_allclose(data.vectors(), in_memory.vectors(), rtol=1e-12)
    assert data[[1, 3]].features.dtype == np.float64


def test_half_precision_that_overflows_in_a_sum_is_finite(tmp_path: Path) -> None:
    """And what is not finite in a memory map is located."""
    values = np.full((3, 20, 7), 60_000.0, np.float16)
    np.save(tmp_path / "x.npy", values)
    assert BCIData(np.load(tmp_path / "x.npy", mmap_mode="r"), make_metadata()).n_trials == 7
    values[1, 4, 2] = np.inf
    np.save(tmp_path / "y.npy", values)
    with pytest.raises(CoreDataError, match=re.escape("first (inf) at feature 1, sample 4, trial 2")):
        BCIData(np.load(tmp_path / "y.npy", mmap_mode="r"), make_metadata())
