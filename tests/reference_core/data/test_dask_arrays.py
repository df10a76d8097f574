"""Dask arrays as features."""

import dask.array as da
import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError
from nimbus_sdk_core.checks.preprocessing import diagnose_preprocessing
from nimbus_sdk_core.data.normalization import apply_normalization, estimate_normalization_params

from tests.reference_core.support import planned, simulated


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials in memory."""
    return simulated("p300", n_trials=501, seed=2)


def test_arrays_that_cannot_be_read_are_rejected_at_once(data: BCIData) -> None:
    """Unknown lengths, other contents and wrong axes are reported without computing."""
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


def test_normalization_is_planned_and_whole_array_functions_reject_plans(data: BCIData) -> None:
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
