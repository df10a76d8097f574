"""Data of every type and size: each works or raises an error that says what is wrong."""

import re
import tracemalloc
from dataclasses import fields
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    calibrate_model,
    predict_batch,
    train_model,
)
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis

KINDS = pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
LABELS = np.arange(60) % 3


def about(**changes: object) -> BCIMetadata:
    """Five features, three classes."""
    fields = {
        "sampling_rate": 1.0,
        "paradigm": "mine",
        "feature_type": "own",
        "n_features": 5,
        "n_classes": 3,
    }
    return BCIMetadata(**{**fields, "temporal_aggregation": "none", **changes})


@pytest.fixture
def vectors(random: np.random.Generator) -> np.ndarray:
    """Sixty trials of three classes, well apart and exact in float32."""
    return np.round((random.normal(size=(60, 5)) + 6.0 * np.eye(3, 5)[LABELS]) * 64) / 64


def as_data(vectors: np.ndarray) -> BCIData:
    """The same as BCIData of one sample per trial."""
    return BCIData(vectors.T[:, np.newaxis, :], about(), LABELS)


@pytest.mark.parametrize(
    ("kind", "rival"),
    [
        (NimbusLDA, LinearDiscriminantAnalysis),
        (NimbusQDA, QuadraticDiscriminantAnalysis),
        (NimbusProbit, LinearDiscriminantAnalysis),
    ],
)
def test_well_separated_trials_are_labelled_as_by_scikit_learn(
    kind: type[NimbusLDA], rival: type, random: np.random.Generator
) -> None:
    """Where classes are far apart, every unseen trial gets scikit-learn's label, and surely."""
    y = np.arange(300) % 4
    mixing, places = random.normal(size=(8, 8)), 12.0 * np.eye(4, 8)
    x = (random.normal(size=(300, 8)) + places[y]) @ mixing
    new = (random.normal(size=(200, 8)) + places[np.arange(200) % 4]) @ mixing
    model = kind().fit(x, y)
    np.testing.assert_array_equal(model.predict(new), rival().fit(x, y).predict(new))
    assert model.predict_proba(new).max(axis=1).min() > 0.8


@pytest.mark.parametrize(
    "kind", [NimbusLDA, NimbusQDA, pytest.param(NimbusProbit, marks=pytest.mark.qualification)]
)
def test_layout_and_type_do_not_change_posteriors(kind: type[NimbusLDA], vectors: np.ndarray) -> None:
    """Fortran order, strides, read-only, float32, long double, other byte order, lists: one result."""
    expected = kind().fit(vectors, LABELS).predict_proba(vectors)
    frozen = vectors.copy()
    frozen.flags.writeable = False
    others = [
        np.asfortranarray(vectors),
        np.repeat(vectors, 2, axis=0)[::2],
        frozen,
        vectors.astype(np.float32),
        vectors.astype(np.longdouble),
        vectors.astype(">f8"),
        vectors.astype(object),
        vectors.tolist(),
    ]
    for other in others:
        model = kind().fit(other, LABELS)
        np.testing.assert_allclose(model.predict_proba(other), expected, rtol=0, atol=1e-9)
    result = predict_batch(train_model(kind, as_data(np.asfortranarray(vectors))), as_data(vectors))
    np.testing.assert_allclose(result.posteriors, expected, rtol=0, atol=1e-9)


@KINDS
def test_whole_numbers_are_accepted(kind: type[NimbusLDA], vectors: np.ndarray) -> None:
    """Integers of any width give what the same floats give."""
    whole = np.round(vectors * 8).astype(np.int16)
    expected = kind().fit(whole.astype(np.float64), LABELS).predict_proba(whole.astype(np.float64))
    np.testing.assert_array_equal(kind().fit(whole, LABELS).predict_proba(whole), expected)


@KINDS
@pytest.mark.parametrize("n_trials", [0, 1, 2])
def test_small_batches_are_parts_of_large_ones(
    kind: type[NimbusLDA], n_trials: int, vectors: np.ndarray
) -> None:
    """No trial gives empty arrays of the right shapes, one trial what it gets among others."""
    model = kind().fit(vectors, LABELS)
    found = model.predict_proba(vectors[:n_trials])
    assert found.shape == (n_trials, 3)
    np.testing.assert_allclose(found, model.predict_proba(vectors)[:n_trials], rtol=0, atol=1e-12)
    assert len(model.predict(vectors[:n_trials])) == n_trials
    data = BCIData(vectors[:n_trials].T[:, np.newaxis, :], about())
    assert predict_batch(model, data).posteriors.shape == (n_trials, 3)


@KINDS
def test_batches_of_several_blocks_are_the_sum_of_their_parts(
    kind: type[NimbusLDA], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where blocks meet, nothing is lost or mixed up."""
    model = kind().fit(vectors, LABELS)
    many = np.tile(vectors, (300, 1))
    found = predict_batch(model, BCIData(many.T[:, np.newaxis, :], about(), np.tile(LABELS, 300)))
    once = predict_batch(model, as_data(vectors))
    for name in ("posteriors", "confidences", "entropy", "mahalanobis_distances", "outlier_scores"):
        part = getattr(once, name)
        repeated = np.tile(part, (300, 1)) if part.ndim == 2 else np.tile(part, 300)
        np.testing.assert_allclose(getattr(found, name), repeated, atol=1e-9, err_msg=name)
    np.testing.assert_array_equal(found.predictions, np.tile(once.predictions, 300))
    assert found.accuracy == once.accuracy


@KINDS
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_values_that_are_not_finite_are_located(
    kind: type[NimbusLDA], value: float, vectors: np.ndarray
) -> None:
    """NaN, infinity and senseless sizes are refused in training and in prediction."""
    model = kind().fit(vectors, LABELS)
    broken = vectors.copy()
    broken[7, 3] = value
    words = re.escape(f"first at trial 7, feature 3 (counted from 0): {value}")
    for ask in (kind().fit, model.partial_fit, lambda x, y: model.predict_proba(x)):
        with pytest.raises(CoreDataError, match=words):
            ask(broken, LABELS)


@KINDS
def test_trials_fewer_than_features_are_enough(kind: type[NimbusLDA], random: np.random.Generator) -> None:
    """The prior makes up for what a handful of trials do not determine."""
    x, y = random.normal(size=(8, 40)) + 3.0 * np.eye(2, 40)[np.arange(8) % 2], np.arange(8) % 2
    found = kind().fit(x, y).predict_proba(x)
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == y).all()


@KINDS
def test_one_class_and_constant_features_are_rejected(kind: type[NimbusLDA], vectors: np.ndarray) -> None:
    """Both are named."""
    with pytest.raises(CoreDataError, match=re.escape("labels hold 1 class(es): [1]")):
        kind().fit(vectors, np.ones(60, int))
    vectors[:, 2] = 0.1
    with pytest.raises(CoreDataError, match=r"1 feature\(s\) do not vary within the classes: \[2\]"):
        kind().fit(vectors, LABELS)


@KINDS
def test_wrong_axes_are_named(kind: type[NimbusLDA], vectors: np.ndarray) -> None:
    """Features in place of trials, a third axis, a single row, a ragged list: each says what is expected."""
    model = kind().fit(vectors, LABELS)
    for wrong, words in (
        (vectors.T, "X has 60 features, but"),
        (vectors[:, :, None], "Vectors have 3 axes, shape (60, 5, 1), expected 2"),
        (vectors[0], "one trial is x[np.newaxis, :]"),
        ([[1.0], [1.0, 2.0]], "Vectors are ragged"),
        (vectors[:, :0], "0 feature(s)"),
    ):
        with pytest.raises(CoreDataError, match=re.escape(words)):
            model.predict(wrong)


@pytest.mark.parametrize(
    ("dtype", "way"),
    [
        (np.float64, "none"),
        (np.float32, "logvar"),
        *(
            pytest.param(*case, marks=pytest.mark.qualification)
            for case in product((np.float64, np.float32), ("mean", "median", "logvar", "none"))
            if case not in ((np.float64, "none"), (np.float32, "logvar"))
        ),
    ],
)
def test_memory_maps_are_read_in_pieces(
    dtype: type, way: str, tmp_path: Path, random: np.random.Generator
) -> None:
    """Prediction from a file takes a fraction of its size, whatever the aggregation."""
    n_samples, n_trials = (1, 600_000) if way == "none" else (200, 6_000)
    shape = (5, n_samples, n_trials)
    written = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=dtype, shape=shape)
    noise = random.normal(size=shape[1:])
    for feature in range(5):
        written[feature] = np.roll(noise, 7_919 * feature)
    written.flush()
    metadata = about(temporal_aggregation=way)
    small = BCIData(random.normal(size=(5, n_samples, 60)), metadata, LABELS)
    model = train_model(NimbusLDA, small)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tracemalloc.start()
    try:
        result = predict_batch(model, BCIData(mapped, metadata))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = sum(value.nbytes for value in (getattr(result, f.name) for f in fields(result)) if np.ndim(value))
    assert peak < size + 8 * 2**20 + 0.1 * mapped.nbytes
    plain = predict_batch(model, BCIData(np.array(mapped[:, :, :500]), metadata))
    np.testing.assert_allclose(result.posteriors[:500], plain.posteriors, atol=1e-12)


def test_a_constant_within_a_trial_is_found_despite_rounding() -> None:
    """0.1 repeated has a variance of rounding errors, and no logarithm of it is taken."""
    features = np.random.default_rng(1).normal(size=(5, 250, 60))
    features[4, :, 59] = 0.1
    data = BCIData(features, about(temporal_aggregation="logvar"), LABELS)
    with pytest.raises(CoreDataError, match="Feature 4 does not vary within trial 59"):
        train_model(NimbusLDA, data)


@KINDS
@pytest.mark.parametrize("names", [np.arange(1, 4), np.array(["a", "b", "c"]), np.array([False, True])])
def test_an_empty_labelled_batch_changes_nothing(
    kind: type[NimbusLDA], names: np.ndarray, vectors: np.ndarray
) -> None:
    """Whatever the labels are, no trials are neither a fault nor a reason to warn (warnings are errors)."""
    own = about(n_classes=len(names))
    labels = names[np.arange(60) % len(names)]
    model = train_model(kind, BCIData(vectors.T[:, np.newaxis, :], own, labels))
    empty = BCIData(np.empty((5, 1, 0)), own, [])
    result = predict_batch(model, empty)
    assert (len(result), result.accuracy) == (0, None)
    before = model.predict_proba(vectors)
    with np.errstate(all="raise"):
        calibrated = calibrate_model(model, empty)
        further = model.partial_fit(np.empty((0, 5)), [])
    for found in (calibrated, further):
        np.testing.assert_allclose(found.predict_proba(vectors), before, atol=1e-6)


@KINDS
def test_masked_arrays_are_rejected(kind: type[NimbusLDA], vectors: np.ndarray) -> None:
    """What is masked would be taken for measured, in vectors and in labels."""
    masked = np.ma.masked_greater(vectors, 1e5)
    model = kind().fit(vectors, LABELS)
    for use in (kind().fit, model.partial_fit, model.score):
        with pytest.raises(CoreDataError, match="Vectors are a masked array"):
            use(masked, LABELS)
        with pytest.raises(CoreDataError, match="labels are a masked array"):
            use(vectors, np.ma.masked_equal(LABELS, 2))
    with pytest.raises(CoreDataError, match="Vectors are a masked array"):
        model.predict_proba(masked)
