"""Batches that are Dask arrays have the same results as arrays in memory."""

from dataclasses import fields, is_dataclass

import dask.array as da
import numpy as np
import pytest
from nimbus_sdk_core import (
    BatchResult,
    BCIData,
    CoreDataError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    assess_trial_quality,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.decoding.dask_result import LazyBatchResult

from tests.reference_core.support import planned, simulated

LATENCIES = ("latency_ms", "per_trial_latency_ms")


@pytest.fixture(
    scope="module",
    params=[
        NimbusLDA,
        *(pytest.param(kind, marks=pytest.mark.qualification) for kind in (NimbusQDA, NimbusProbit)),
    ],
)
def model(request: pytest.FixtureRequest) -> NimbusLDA | NimbusQDA | NimbusProbit:
    """A model of each kind."""
    return train_model(request.param, simulated("p300", n_trials=300, seed=1))


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials in memory."""
    return simulated("p300", n_trials=501, seed=2)


def assert_same(found: object, expected: object) -> None:
    """Every field agrees to 1e-12, in type and shape too; times aside."""
    for field in fields(expected):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        if field.name in LATENCIES:
            assert ours > 0
        elif is_dataclass(theirs):
            assert_same(ours, theirs)
        elif isinstance(theirs, np.ndarray):
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype), field.name
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12) if theirs.dtype.kind == "f" else (
                np.testing.assert_array_equal(ours, theirs)
            )
        elif isinstance(theirs, float):
            assert ours == pytest.approx(theirs, abs=1e-12, nan_ok=True), field.name
        else:
            assert ours == theirs, field.name
        assert type(ours) is type(theirs), field.name


@pytest.mark.parametrize(
    "chunks",
    [(3, 5, 500), *(pytest.param((-1, -1, n), marks=pytest.mark.qualification) for n in (41, 120, 1_000))],
)
def test_the_result_is_that_of_numpy(model, data: BCIData, chunks: object) -> None:
    """However the array is cut, features and samples too, all fields agree to 1e-12."""
    result = predict_batch(model, planned(data, chunks))
    assert isinstance(result, LazyBatchResult)
    found = result.compute()
    assert isinstance(found, BatchResult)
    assert found.compute() is found
    assert_same(found, predict_batch(model, data))


def test_posteriors_have_the_type_that_is_asked_for(data: BCIData) -> None:
    """Single precision is planned as it is computed."""
    lazy = predict_batch(train_model(NimbusLDA, data), planned(data), dtype=np.float32)
    assert lazy.posteriors.dtype == lazy.compute().posteriors.dtype == np.float32


def test_quality_needs_a_computed_result(model, data: BCIData) -> None:
    """The message says how; then it is that of the batch in memory."""
    lazy = predict_batch(model, planned(data))
    with pytest.raises(CoreDataError, match=r"of a Dask array.* Call result.compute\(\) first"):
        assess_trial_quality(lazy)
    assert f"{float(lazy.accuracy):.3f}" == f"{lazy.compute().accuracy:.3f}"
    assert len(assess_trial_quality(lazy.compute()).rejected) == len(data)


def test_the_features_are_read_once(model, data: BCIData) -> None:
    """compute() makes one pass, whatever the number of fields."""
    seen = []

    def noted(block: np.ndarray) -> np.ndarray:
        seen.append(block.shape)
        return block

    lazy = da.from_array(data.features, chunks=(-1, -1, 100)).map_blocks(noted, meta=np.empty((0, 0, 0)))
    predict_batch(model, BCIData(lazy, data.metadata, data.labels)).compute()
    assert len(seen) == 6


def test_without_labels_and_without_trials(model, data: BCIData) -> None:
    """What is unknown is None or NaN, as with NumPy."""
    blind = BCIData(data.features, data.metadata)
    assert_same(predict_batch(model, planned(blind)).compute(), predict_batch(model, blind))
    empty = BCIData(data.features[..., :0], data.metadata, data.labels[:0])
    found = predict_batch(model, planned(empty)).compute()
    assert (len(found), found.accuracy, found.confidence_calibration) == (0, None, None)
    assert np.isnan([found.mean_entropy, found.balance, found.per_trial_latency_ms]).all()


def test_labels_may_be_lazy_and_of_any_kind(data: BCIData) -> None:
    """Texts come back as texts; labels that are a Dask array are computed when the data are read."""
    names = np.array(["standard", "target"])[data.labels - 1]
    text = BCIData(data.features, data.metadata, names)
    model = train_model(NimbusLDA, text)
    lazy = BCIData(planned(data).features, data.metadata, da.from_array(names, chunks=50))
    assert_same(predict_batch(model, lazy).compute(), predict_batch(model, text))


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_other_types_are_read_as_in_memory(model, data: BCIData, dtype: type) -> None:
    """Short floats and integers give what NumPy gives."""
    other = BCIData((data.features * 100).astype(dtype), data.metadata, data.labels)
    lazy = BCIData(
        da.from_array((data.features * 100).astype(dtype), chunks=(-1, -1, 99)), data.metadata, data.labels
    )
    assert_same(predict_batch(model, lazy).compute(), predict_batch(model, other))


def test_values_that_are_not_finite_are_located(model, data: BCIData) -> None:
    """The message says in which trials, counted over the whole array."""
    features = data.features.copy()
    features[3, 2, 250] = np.nan
    result = predict_batch(model, BCIData(da.from_array(features, chunks=(-1, -1, 120)), data.metadata))
    with pytest.raises(CoreDataError, match=r"240 to 359: .* trial 10,.* Trial 0 of these is trial 240 of"):
        result.compute()
