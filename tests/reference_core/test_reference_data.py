"""BCIData and BCIMetadata take what can be used and say what is wrong with the rest."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, CoreDataError, NimbusLDA, validate_chunk


def about(**changes: object) -> BCIMetadata:
    """Metadata of 3 features and 2 classes."""
    fields = {
        "sampling_rate": 250.0,
        "paradigm": "motor_imagery",
        "feature_type": "csp",
        "n_features": 3,
        "n_classes": 2,
    }
    return BCIMetadata(**{**fields, **changes})


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
    ],
)
def test_metadata_names_the_field_that_is_wrong(change: dict[str, object], words: str) -> None:
    """A field of the wrong kind or out of range is refused by name."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        about(**change)


def test_metadata_takes_numpy_numbers() -> None:
    """NumPy scalars are as good as Python's."""
    read = about(n_features=np.int64(3), sampling_rate=np.float32(250), chunk_size=np.int8(10))
    assert (read.n_features, read.sampling_rate, read.chunk_size) == (3, 250.0, 10)
    assert type(read.n_features) is int


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
def test_a_wrong_array_is_refused_with_axis_and_shapes(features: object, words: str) -> None:
    """The message names the axis, the expected and the found shape."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(features, about())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_was_not_measured_is_refused_with_its_place(value: float) -> None:
    """NaN and infinity are refused with number and first place."""
    features = np.zeros((3, 5, 6), np.float32)
    features[1, 4, 2] = features[2, 0, 5] = value
    words = f"2 value(s) that are NaN or infinite, the first ({value}) at feature 1, sample 4, trial 2"
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(features, about())


def test_large_finite_values_are_not_taken_for_infinite() -> None:
    """A sum that overflows does not make its terms infinite."""
    assert BCIData(np.full((3, 5, 6), 1e308), about()).n_trials == 6


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (
            [1, 2],
            "labels have shape (2,), expected (4,): axis 2 of features is n_trials; found shape (3, 5, 4)",
        ),
        ([[1, 2, 1, 2]], "labels have shape (1, 4), expected (n_trials,)"),
        ([1, 2, 3, 1], "labels hold 3 different values, but metadata.n_classes is 2"),
        ([1.0, 2.5, 1, 1], "The label of trial 1 (counted from 0) is 2.5"),
        ([1.0, np.nan, 1, 1], "The label of trial 1 (counted from 0) is nan"),
        ([1, None, 1, 1], "labels mix values of types NoneType, int"),
        ([1, "a", 1, 1], "labels mix values of types int, str"),
        (("a", np.nan, "a", "a"), "labels mix values of types float, str"),
        ([True, 2, 2, True], "labels mix values of types bool, int"),
        ([np.True_, 2, 2, 2], "labels mix values of types bool, int"),
        ([np.str_("a"), b"b", "a", "a"], "labels mix values of types bytes, str"),
        (np.array([np.int64(1), "a", 1, 1], object), "labels mix values of types int, str"),
        (np.array([1j, 1j, 1j, 1j], object), "labels hold values of type complex"),
        (np.ma.array([1, 2, 1, 2], mask=[0, 1, 0, 0]), "labels are a masked array"),
        ([b"a", b"b", b"a", b"a"], "labels hold values of type |S1"),
        ([[1], [1, 2], 1, 1], "ragged"),
        ([10**30, 1, 1, 1], "beyond 64 bits"),
        (np.array([2**63, 1, 1, 1], np.uint64), "too large"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: object, words: str) -> None:
    """Wrong length, wrong kind and too many classes are told apart."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(np.zeros((3, 5, 4)), about(), labels)


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([1, 2, 2, 1], [1, 2, 2, 1]),
        ([0, 1, 1, 0], [0, 1, 1, 0]),
        (np.array([1.0, 2.0, 2.0, 1.0]), [1, 2, 2, 1]),
        (np.array([1, 2, 2, 1], np.uint8), [1, 2, 2, 1]),
        (["left", "right", "right", "left"], ["left", "right", "right", "left"]),
        (np.array(["a", "b", "b", "a"], object), ["a", "b", "b", "a"]),
        (np.array([*np.array(["a", "b", "b", "a"])], object), ["a", "b", "b", "a"]),
        (np.array([*np.array([1, 2, 2, 1], np.uint8)], object), [1, 2, 2, 1]),
        (np.array([*np.array([1, 2, 2, 1], np.float32)], object), [1, 2, 2, 1]),
        (np.array([*np.array([True, False, False, True])], object), [True, False, False, True]),
        ([np.int8(1), 2, 2.0, 1], [1, 2, 2, 1]),
        ([True, False, False, True], [True, False, False, True]),
    ],
)
def test_labels_stay_as_the_person_gave_them(labels: object, kept: list[object]) -> None:
    """From 1, from 0, texts or truth values: nothing is renumbered."""
    read = BCIData(np.zeros((3, 5, 4)), about(), labels).labels
    assert read is not None
    assert read.tolist() == kept


def test_metadata_must_be_metadata() -> None:
    """A dictionary in place of BCIMetadata is refused."""
    with pytest.raises(CoreDataError, match="metadata is a dict, not a BCIMetadata"):
        BCIData(np.zeros((3, 5, 4)), {"n_features": 3})  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_floats_are_not_copied(dtype: type) -> None:
    """Float arrays of any layout are taken as they are, and are safe from writes through BCIData."""
    given = np.asfortranarray(np.ones((3, 5, 4), dtype))
    data = BCIData(given, about())
    assert np.shares_memory(given, data.features)
    assert given.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        data.features[0, 0, 0] = 2


def test_memory_maps_are_not_copied(tmp_path) -> None:
    """A memory map stays on disk."""
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float64, shape=(3, 5, 4))
    mapped[:] = 1.0
    assert np.shares_memory(BCIData(mapped, about()).features, mapped)


@pytest.mark.parametrize(
    ("index", "places"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        ([4, 0], [4, 0]),
        (np.array([True, False, False, True, False]), [0, 3]),
        (2, [2]),
        (np.int64(-1), [4]),
        ([], []),
    ],
)
@pytest.mark.parametrize("labels", [None, ["a", "b", "a", "b", "a"]])
def test_trials_are_chosen_with_their_labels(index, places: list[int], labels, random) -> None:
    """As NumPy chooses along one axis, one trial alone too."""
    data = BCIData(random.normal(size=(3, 7, 5)), about(), labels)
    some = data[index]
    np.testing.assert_array_equal(some.features, data.features[..., places])
    assert (None if some.labels is None else some.labels.tolist()) == (
        labels and [labels[at] for at in places]
    )
    assert some.metadata is data.metadata
    assert (len(data), len(some)) == (5, len(places))
    assert [len(trial) for trial in some] == [1] * len(places)


def test_a_slice_of_trials_is_no_copy(random: np.random.Generator) -> None:
    """So that a part of a memory map stays on the disk."""
    data = BCIData(random.normal(size=(3, 7, 5)), about())
    assert np.shares_memory(data[1:].features, data.features)


@pytest.mark.parametrize(
    ("index", "kind", "words"),
    [
        (5, IndexError, "index 5 is out of bounds"),
        ([True, False], IndexError, "boolean index did not match"),
        ("left", IndexError, "only integers, slices"),
        ((0, 1), IndexError, "too many indices"),
        ([[0, 1]], CoreDataError, "Trials are chosen along one axis, but the index has 2"),
        (None, CoreDataError, "Trials are chosen along one axis"),
    ],
)
def test_an_index_that_chooses_no_trials_is_refused(index, kind: type[Exception], words: str) -> None:
    """In NumPy's words, or in ours where NumPy would add an axis."""
    with pytest.raises(kind, match=words):
        BCIData(np.zeros((3, 7, 5)), about())[index]


def test_vectors_are_what_models_read(random: np.random.Generator) -> None:
    """One a trial, by the way of the metadata; the data themselves are refused in their place, in words."""
    data = BCIData(random.normal(size=(3, 7, 4)), about(temporal_aggregation="logvar"), [0, 1, 0, 1])
    np.testing.assert_allclose(data.vectors(), np.log(data.features.var(axis=1)).T)
    model = NimbusLDA().fit(data.vectors(), data.labels)
    for use in (model.predict, lambda given: model.fit(given, data.labels)):
        with pytest.raises(CoreDataError, match=r"These are BCIData.* Give data.vectors\(\) and data.labels"):
            use(data)
    with pytest.raises(CoreDataError, match=r"The chunk is BCIData.* Give data.features"):
        validate_chunk(data[0], data.metadata)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float16, ">f8", np.longdouble])
def test_other_real_numbers_become_float64(dtype: object) -> None:
    """Whole numbers and unusual floats are read as float64."""
    assert BCIData(np.ones((3, 5, 4), dtype), about()).features.dtype == np.float64


def test_each_way_of_aggregation_is_the_plain_reduction(random: np.random.Generator) -> None:
    """Mean, median and logvar over samples, and the only sample for none; trials come first."""
    features = random.normal(size=(3, 9, 4))
    expected = {
        "mean": features.mean(axis=1).T,
        "median": np.median(features, axis=1).T,
        "logvar": np.log(features.var(axis=1)).T,
    }
    for way, vectors in expected.items():
        np.testing.assert_allclose(BCIData(features, about(temporal_aggregation=way)).vectors(), vectors)
    single = BCIData(features[:, :1], about(temporal_aggregation="none"))
    np.testing.assert_array_equal(single.vectors(), features[:, 0].T)


def test_float32_is_summed_in_double_precision() -> None:
    """The mean of float32 samples does not lose digits."""
    features = np.full((3, 100_000, 1), 0.1, np.float32)
    np.testing.assert_allclose(BCIData(features, about()).vectors(), float(np.float32(0.1)), rtol=1e-14)


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
        BCIData(np.zeros((3, n_samples, 4)), about(temporal_aggregation=way))


def test_logvar_of_a_dead_channel_is_named() -> None:
    """A feature that does not vary within a trial has no log-variance."""
    features = np.random.default_rng(1).normal(size=(3, 5, 4))
    features[2, :, 1] = 7.0
    with pytest.raises(CoreDataError, match="Feature 2 does not vary within trial 1"):
        BCIData(features, about(temporal_aggregation="logvar")).vectors()


@pytest.mark.parametrize("huge", [1e200, 1e308])
def test_logvar_of_what_has_no_variance_in_a_float_is_named(huge: float) -> None:
    """Squares that overflow are told of by feature and trial, without a warning."""
    features = np.random.default_rng(1).normal(size=(3, 10, 3))
    features[1, :, 2] *= huge / 10
    with pytest.raises(CoreDataError, match=r"Feature 1 varies by so much within trial 2 \(indices on axes 0"):
        BCIData(features, about(temporal_aggregation="logvar")).vectors()
    features[1, :, 2] = 1e140 * np.arange(10)
    found = BCIData(features, about(temporal_aggregation="logvar")).vectors()
    assert found[2, 1] == pytest.approx(2 * np.log(1e140) + np.log(8.25))


@pytest.mark.parametrize("n_samples", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_medians_are_numpy_s(n_samples: int, dtype: type) -> None:
    """For even and odd numbers of samples, to the last bit, also where a sum of two samples overflows."""
    features = np.random.default_rng(1).normal(size=(3, n_samples, 4)).astype(dtype)
    data = BCIData(features, about(temporal_aggregation="median"))
    np.testing.assert_array_equal(data.vectors(), np.median(features.astype(float), axis=1).T)
    assert (
        BCIData(np.full((3, 2, 1), 1.5e308), about(temporal_aggregation="median")).vectors() == 1.5e308
    ).all()
