"""Labels: accepted types and errors."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError

from tests.reference_core.support import make_metadata


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
def test_labels_that_do_not_fit_are_rejected(labels: object, words: str) -> None:
    """Wrong length, wrong type and too many classes have messages of their own."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        BCIData(np.zeros((3, 5, 4)), make_metadata(), labels)


@pytest.mark.parametrize(
    ("labels", "expected"),
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
def test_labels_stay_as_given(labels: object, expected: list[object]) -> None:
    """From 1, from 0, texts or truth values: nothing is renumbered."""
    read = BCIData(np.zeros((3, 5, 4)), make_metadata(), labels).labels
    assert read is not None
    assert read.tolist() == expected
