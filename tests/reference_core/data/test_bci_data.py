"""BCIData: trials, labels, vectors and slices."""

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError, NimbusLDA, validate_chunk

from tests.reference_core.support import make_metadata


def test_metadata_must_be_metadata() -> None:
    """A dictionary in place of BCIMetadata is refused."""
    with pytest.raises(CoreDataError, match="metadata is a dict, not a BCIMetadata"):
        BCIData(np.zeros((3, 5, 4)), {"n_features": 3})  # type: ignore[arg-type]


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
    data = BCIData(random.normal(size=(3, 7, 5)), make_metadata(), labels)
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
    data = BCIData(random.normal(size=(3, 7, 5)), make_metadata())
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
def test_an_invalid_index_is_rejected(index, kind: type[Exception], words: str) -> None:
    """In NumPy's words, or in ours where NumPy would add an axis."""
    with pytest.raises(kind, match=words):
        BCIData(np.zeros((3, 7, 5)), make_metadata())[index]


def test_vectors_are_what_models_read(random: np.random.Generator) -> None:
    """One a trial, by the way of the metadata; the data themselves are refused in their place, in words."""
    data = BCIData(random.normal(size=(3, 7, 4)), make_metadata(temporal_aggregation="logvar"), [0, 1, 0, 1])
    np.testing.assert_allclose(data.vectors(), np.log(data.features.var(axis=1)).T)
    model = NimbusLDA().fit(data.vectors(), data.labels)
    for use in (model.predict, lambda given: model.fit(given, data.labels)):
        with pytest.raises(CoreDataError, match=r"These are BCIData.* Give data.vectors\(\) and data.labels"):
            use(data)
    with pytest.raises(CoreDataError, match=r"The chunk is BCIData.* Give data.features"):
        validate_chunk(data[0], data.metadata)
