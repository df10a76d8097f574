"""Batches that are Dask arrays: the same result, planned first and computed piece by piece."""

from dataclasses import fields, is_dataclass

import dask
import dask.array as da
import numpy as np
import pytest
from nimbus_sdk_core import (
    BatchResult,
    BCIData,
    BCIMetadata,
    CoreDataError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    assess_trial_quality,
    predict_batch,
    simulate,
    train_model,
)
from nimbus_sdk_core.checks.preprocessing import diagnose_preprocessing
from nimbus_sdk_core.data.normalization import apply_normalization, estimate_normalization_params
from nimbus_sdk_core.decoding.dask_result import LazyBatchResult

LATENCIES = ("latency_ms", "per_trial_latency_ms")


@pytest.fixture(autouse=True)
def _in_threads():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


@pytest.fixture(scope="module", params=[NimbusLDA, NimbusQDA, NimbusProbit])
def model(request: pytest.FixtureRequest) -> NimbusLDA | NimbusQDA | NimbusProbit:
    """A model of each kind."""
    return train_model(request.param, simulate("p300", n_trials=300, seed=1))


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials in memory."""
    return simulate("p300", n_trials=501, seed=2)


def planned(data: BCIData, chunks: object = (-1, -1, 120)) -> BCIData:
    """The same as a Dask array."""
    return BCIData(da.from_array(data.features, chunks=chunks), data.metadata, data.labels)


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


@pytest.mark.parametrize("chunks", [(-1, -1, 120), (3, 5, 500), (-1, -1, 1_000), (-1, -1, 7)])
def test_the_result_is_that_of_numpy(model, data: BCIData, chunks: object) -> None:
    """However the array is cut, features and samples too, all fields agree to 1e-12."""
    result = predict_batch(model, planned(data, chunks))
    assert isinstance(result, LazyBatchResult)
    found = result.compute()
    assert isinstance(found, BatchResult)
    assert found.compute() is found
    assert_same(found, predict_batch(model, data))


def test_nothing_is_computed_before_it_is_asked_for(model, data: BCIData) -> None:
    """Neither reading, checking and planning nor showing the result touches the features."""

    def forbidden(block: np.ndarray) -> np.ndarray:
        raise AssertionError("computed")

    lazy = da.from_array(data.features, chunks=(-1, -1, 100)).map_blocks(forbidden, meta=np.empty((0, 0, 0)))
    read = BCIData(lazy, data.metadata, data.labels)
    result = predict_batch(model, read)
    assert (len(result), read.n_trials) == (501, 501)
    assert "6 pieces" in repr(result)
    assert "6 pieces" in result._repr_html_()
    with pytest.raises(AssertionError, match="computed"):
        result.compute()


def test_parts_can_be_asked_for_alone_and_together(model, data: BCIData) -> None:
    """Every field of a BatchResult but the times is there as something that Dask computes."""
    result, expected = predict_batch(model, planned(data)), predict_batch(model, data)
    assert {field.name for field in fields(result)} == {field.name for field in fields(expected)}
    accuracy, entropy, calibration = dask.compute(
        result.accuracy, result.mean_entropy, result.confidence_calibration
    )
    assert accuracy == pytest.approx(expected.accuracy)
    assert entropy == pytest.approx(expected.mean_entropy)
    np.testing.assert_array_equal(calibration.bin_counts, expected.confidence_calibration.bin_counts)
    np.testing.assert_array_equal(result.posteriors[100:130].compute(), expected.posteriors[100:130])
    kept = result.persist()
    np.testing.assert_array_equal(kept.predictions.compute(), expected.predictions)


def test_quality_of_a_plan_is_asked_for_after_it_was_computed(model, data: BCIData) -> None:
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


def test_what_was_not_measured_is_found_with_its_place(model, data: BCIData) -> None:
    """The message says in which trials, counted over the whole array."""
    features = data.features.copy()
    features[3, 2, 250] = np.nan
    result = predict_batch(model, BCIData(da.from_array(features, chunks=(-1, -1, 120)), data.metadata))
    with pytest.raises(CoreDataError, match=r"240 to 359: .* trial 10,.* Trial 0 of these is trial 240 of"):
        result.compute()


def test_arrays_that_cannot_be_read_are_refused_at_once(data: BCIData) -> None:
    """Unknown lengths, other contents and wrong axes are told without computing."""
    lazy = planned(data).features
    unknown = lazy[:, :, lazy[0, 0] > 0]
    masked = da.ma.masked_less(lazy, 0)
    for features, words in (
        (unknown, "not known yet"),
        (masked, "of MaskedArray"),
        (lazy.astype(complex), "type complex128"),
        (lazy[0], "features have 2 axes"),
        (lazy.T, "Axis 0 of features has length 501, expected 8"),
        (lazy[:, :0], "Axis 1 of features"),
    ):
        with pytest.raises(CoreDataError, match=words):
            BCIData(features, data.metadata)
    with pytest.raises(CoreDataError, match=r"labels have shape \(2,\), expected \(501,\)"):
        BCIData(lazy, data.metadata, [1, 2])


@pytest.mark.parametrize("way", ["mean", "median", "logvar"])
def test_training_reads_piece_by_piece(data: BCIData, way: str) -> None:
    """Only the vectors are held; the model is that of NumPy."""
    about = BCIMetadata(
        **{n: getattr(data.metadata, n) for n in data.metadata.__slots__} | {"temporal_aggregation": way}
    )
    held = BCIData(data.features, about, data.labels)
    np.testing.assert_array_equal(planned(held).vectors(), held.vectors())
    np.testing.assert_allclose(
        train_model(NimbusLDA, planned(held)).posterior_.scatter,
        train_model(NimbusLDA, held).posterior_.scatter,
        rtol=1e-12,
    )


def test_normalization_is_planned_and_what_needs_all_values_refused(data: BCIData) -> None:
    """Scaling stays lazy; estimates and diagnosis ask for a part in memory."""
    params = estimate_normalization_params(data)
    scaled = apply_normalization(planned(data), params)
    np.testing.assert_allclose(scaled.features.compute(), apply_normalization(data, params).features)
    np.testing.assert_allclose(
        apply_normalization(planned(data).features, params).compute(),
        apply_normalization(data, params).features,
    )
    for ask in (estimate_normalization_params, diagnose_preprocessing):
        with pytest.raises(CoreDataError, match="Give a part that fits into memory"):
            ask(planned(data))


@pytest.mark.parametrize("index", [slice(None, None, 3), [500, 0, 7]])
def test_some_trials_stay_a_plan(data: BCIData, index: object) -> None:
    """Chosen as in memory, labels too, and nothing is computed for it."""
    some = planned(data)[index]
    assert isinstance(some.features, da.Array)
    np.testing.assert_array_equal(some.vectors(), data[index].vectors())
    np.testing.assert_array_equal(some.labels, data[index].labels)
