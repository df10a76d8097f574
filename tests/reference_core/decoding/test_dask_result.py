"""Results of Dask arrays are computed on demand."""

from dataclasses import fields

import dask
import dask.array as da
import numpy as np
import pytest
from nimbus_sdk_core import BCIData, NimbusLDA, NimbusProbit, NimbusQDA, predict_batch, train_model

from tests.reference_core.support import planned, simulated


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


def test_nothing_is_computed_before_it_is_requested(model, data: BCIData) -> None:
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


def test_parts_can_be_computed_alone_and_together(model, data: BCIData) -> None:
    """Every field of a BatchResult but the times is there as something that Dask computes."""
    result, expected = predict_batch(model, planned(data)), predict_batch(model, data)
    assert {field.name for field in fields(result)} == {field.name for field in fields(expected)}
    accuracy, entropy, calibration = dask.compute(  # type: ignore[attr-defined]
        result.accuracy, result.mean_entropy, result.confidence_calibration
    )
    assert accuracy == pytest.approx(expected.accuracy)
    assert entropy == pytest.approx(expected.mean_entropy)
    np.testing.assert_array_equal(calibration.bin_counts, expected.confidence_calibration.bin_counts)
    np.testing.assert_array_equal(result.posteriors[100:130].compute(), expected.posteriors[100:130])
    persisted = result.persist()
    np.testing.assert_array_equal(persisted.predictions.compute(), expected.predictions)
