"""Training on Dask arrays, piece by piece."""

import dask.array as da
import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, NimbusLDA, train_model

from tests.reference_core.support import simulated


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials in memory."""
    return simulated("p300", n_trials=501, seed=2)


def planned(data: BCIData, chunks: object = (-1, -1, 120)) -> BCIData:
    """The same as a Dask array."""
    return BCIData(da.from_array(data.features, chunks=chunks), data.metadata, data.labels)


@pytest.mark.parametrize("way", ["mean", "median", "logvar"])
def test_training_reads_piece_by_piece(data: BCIData, way: str) -> None:
    """Only the vectors are in memory; the model is that of NumPy."""
    about = BCIMetadata(
        **{n: getattr(data.metadata, n) for n in data.metadata.__slots__} | {"temporal_aggregation": way}
    )
    in_memory = BCIData(data.features, about, data.labels)
    np.testing.assert_array_equal(planned(in_memory).vectors(), in_memory.vectors())
    np.testing.assert_allclose(
        train_model(NimbusLDA, planned(in_memory)).posterior_.scatter,
        train_model(NimbusLDA, in_memory).posterior_.scatter,
        rtol=1e-12,
    )
