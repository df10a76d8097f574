"""Features on disk are read in pieces: no step copies the whole."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, NimbusLDA, predict_batch, train_model
from nimbus_sdk_core.checks.fisher import compute_fisher_score
from nimbus_sdk_core.checks.preprocessing import diagnose_preprocessing
from nimbus_sdk_core.data.normalization import estimate_normalization_params

N_FEATURES, N_SAMPLES, N_TRIALS = 16, 250, 2_000


@pytest.fixture(scope="module")
def mapped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> np.memmap:
    """Some 60, 30 or 15 MiB of features in a file."""
    path = tmp_path_factory.mktemp("features") / "features.npy"
    shape = (N_FEATURES, N_SAMPLES, N_TRIALS)
    target = np.lib.format.open_memmap(path, mode="w+", dtype=request.param, shape=shape)
    noise = 100.0 * np.random.default_rng(1).standard_normal(shape[1:])
    for k, own in enumerate(target):
        own[:] = np.roll(noise, 7_919 * k)
    target.flush()
    return np.load(Path(path), mmap_mode="r")


def peak(work: Callable[[], object]) -> int:
    """Bytes that were allocated at most while it worked."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def as_data(features: np.memmap, way: str) -> BCIData:
    """The same as labelled data."""
    about = BCIMetadata(250.0, "own", "own", N_FEATURES, 2, temporal_aggregation=way)
    return BCIData(features, about, np.arange(N_TRIALS) % 2)


@pytest.mark.parametrize(
    ("mapped", "way"),
    [
        ("<f8", "median"),
        ("<i2", "logvar"),
        *(
            pytest.param(kind, way, marks=pytest.mark.qualification)
            for kind in ("<f8", "<f4", "<i2", ">f4", "<f2")
            for way in ("mean", "median", "logvar")
            if (kind, way) not in (("<f8", "median"), ("<i2", "logvar"))
        ),
    ],
    indirect=["mapped"],
)
def test_a_memory_map_is_never_copied_as_a_whole(mapped: np.memmap, way: str) -> None:
    """Reading, training and decoding allocate a fraction of the file, whatever the aggregation."""
    assert peak(lambda: as_data(mapped, way)) < mapped.nbytes / 20
    data = as_data(mapped, way)
    model = train_model(NimbusLDA, data)
    # The pieces of numbers that take two bytes are larger than the part of the file that they are of.
    allowed = max(mapped.nbytes / 3, 10 * 2**20)
    assert peak(lambda: train_model(NimbusLDA, data)) < allowed
    assert peak(lambda: predict_batch(model, data)) < allowed


def test_many_classes_that_share_a_covariance_need_the_memory_of_one() -> None:
    """NimbusLDA stores sums over all classes, also for two hundred classes of eighty features."""
    n_classes, n_features = 200, 80
    vectors = np.random.default_rng(1).normal(size=(2 * n_classes, n_features))
    labels = np.arange(len(vectors)) % n_classes
    allowed = 20 * max(vectors.nbytes, 8 * n_features**2)
    model = NimbusLDA()
    assert peak(lambda: model.fit(vectors, labels)) < allowed
    assert peak(lambda: model.partial_fit(vectors, labels)) < allowed


def test_fisher_scores_read_one_feature_at_a_time() -> None:
    """Neither every feature nor every class gets a copy of the trials."""
    n_classes, n_features = 1_000, 50
    vectors = np.random.default_rng(1).normal(size=(4 * n_classes, n_features))
    labels = np.arange(len(vectors)) % n_classes
    assert peak(lambda: compute_fisher_score(vectors, labels)) < vectors.nbytes / 3


@pytest.mark.parametrize(
    "mapped", ["<i2", pytest.param("<f8", marks=pytest.mark.qualification)], indirect=True
)
def test_normalization_and_diagnosis_read_one_feature_at_a_time(mapped: np.memmap) -> None:
    """Scales and diagnosis hold a few features of sixteen, in double precision."""
    data = as_data(mapped, "mean")
    one = 8 * mapped.size // N_FEATURES
    assert peak(lambda: estimate_normalization_params(data)) < 4 * one
    assert peak(lambda: diagnose_preprocessing(data)) < 5 * one
