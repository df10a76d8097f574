"""Training on Dask arrays, piece by piece."""

from dataclasses import replace

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, NimbusLDA, train_model

from tests.reference_core.support import planned, simulated


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials in memory."""
    return simulated("p300", n_trials=501, seed=2)


@pytest.mark.parametrize("way", ["mean", "median", "logvar"])
def test_training_reads_piece_by_piece(data: BCIData, way: str) -> None:
    """Only the vectors are in memory; the model is that of NumPy."""
    about = replace(data.metadata, temporal_aggregation=way)
    in_memory = BCIData(data.features, about, data.labels)
    np.testing.assert_array_equal(planned(in_memory).vectors(), in_memory.vectors())
    np.testing.assert_allclose(
        train_model(NimbusLDA, planned(in_memory)).posterior_.scatter,
        train_model(NimbusLDA, in_memory).posterior_.scatter,
        rtol=1e-12,
    )
