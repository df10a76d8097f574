"""Reduction of samples to one vector for each trial."""

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError

from tests.reference_core.support import make_metadata


def test_each_way_of_aggregation_is_the_plain_reduction(random: np.random.Generator) -> None:
    """Mean, median and logvar over samples, and the only sample for none; trials come first."""
    features = random.normal(size=(3, 9, 4))
    expected = {
        "mean": features.mean(axis=1).T,
        "median": np.median(features, axis=1).T,
        "logvar": np.log(features.var(axis=1)).T,
    }
    for way, vectors in expected.items():
        np.testing.assert_allclose(
            BCIData(features, make_metadata(temporal_aggregation=way)).vectors(), vectors
        )
    single = BCIData(features[:, :1], make_metadata(temporal_aggregation="none"))
    np.testing.assert_array_equal(single.vectors(), features[:, 0].T)


def test_float32_is_summed_in_double_precision() -> None:
    """The mean of float32 samples does not lose digits."""
    features = np.full((3, 100_000, 1), 0.1, np.float32)
    np.testing.assert_allclose(
        BCIData(features, make_metadata()).vectors(), float(np.float32(0.1)), rtol=1e-14
    )


def test_logvar_of_a_constant_channel_is_named() -> None:
    """A feature that does not vary within a trial has no log-variance."""
    features = np.random.default_rng(1).normal(size=(3, 5, 4))
    features[2, :, 1] = 7.0
    with pytest.raises(CoreDataError, match="Feature 2 does not vary within trial 1"):
        BCIData(features, make_metadata(temporal_aggregation="logvar")).vectors()


@pytest.mark.parametrize("huge", [1e200, 1e308])
def test_logvar_of_what_has_no_variance_in_a_float_is_named(huge: float) -> None:
    """Squares that overflow are reported by feature and trial, without a warning."""
    features = np.random.default_rng(1).normal(size=(3, 10, 3))
    features[1, :, 2] *= huge / 10
    with pytest.raises(
        CoreDataError, match=r"Feature 1 varies by so much within trial 2 \(indices on axes 0"
    ):
        BCIData(features, make_metadata(temporal_aggregation="logvar")).vectors()
    features[1, :, 2] = 1e140 * np.arange(10)
    found = BCIData(features, make_metadata(temporal_aggregation="logvar")).vectors()
    assert found[2, 1] == pytest.approx(2 * np.log(1e140) + np.log(8.25))


@pytest.mark.parametrize("n_samples", [1, 2, 3, 10, 11])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_medians_agree_with_numpy(n_samples: int, dtype: type) -> None:
    """For even and odd numbers of samples, to the last bit, also where a sum of two samples overflows."""
    features = np.random.default_rng(1).normal(size=(3, n_samples, 4)).astype(dtype)
    data = BCIData(features, make_metadata(temporal_aggregation="median"))
    np.testing.assert_array_equal(data.vectors(), np.median(features.astype(float), axis=1).T)
    assert (
        BCIData(np.full((3, 2, 1), 1.5e308), make_metadata(temporal_aggregation="median")).vectors()
        == 1.5e308
    ).all()
