"""A model may be trained in one thread while others decode with it."""

import sys
import threading
from types import ModuleType

import nimbus_sdk_core
import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    NotTrainedError,
    predict_batch,
)
from nimbus_sdk_core.decoding.streaming import finalize_trial, init_streaming, process_chunk

from tests.reference_core.support import simulated

KINDS = pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
ABOUT = BCIMetadata(250.0, "own", "own", 3, 2, temporal_aggregation="none")


def trials(n_trials: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes in three features."""
    random = np.random.default_rng(seed)
    y = np.arange(n_trials) % 2
    return random.normal(size=(n_trials, 3)) + y[:, None], y


@KINDS
def test_a_batch_is_decoded_by_one_posterior(kind: type[NimbusLDA], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learned between two blocks of a batch is for the next batch."""
    x, y = trials(60, seed=1)
    model = kind().fit(x, y)
    score, opposite = kind.score_trials, 1 - y

    def train_meanwhile(self: NimbusLDA, vectors: np.ndarray) -> object:
        found = score(self, vectors)
        model.partial_fit(x, opposite)
        return found

    monkeypatch.setattr(kind, "score_trials", train_meanwhile)
    new = np.tile(trials(4_096, seed=2)[0], (2, 1))
    data = BCIData(new.T[:, None, :], ABOUT)
    for found in (model.predict_proba(new), predict_batch(model, data).posteriors):
        np.testing.assert_array_equal(found[:4_096], found[4_096:])
    assert np.abs(model.predict_proba(new[:99]) - found[:99]).max() > 0.1


def test_a_trial_is_scored_by_one_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    """NimbusProbit has two predictives, which belong together."""
    x, y = trials(60, seed=1)
    model, twin = NimbusProbit().fit(x, y), NimbusProbit().fit(x, y)
    distances = nimbus_sdk_core.models.probit.squared_distances

    def train_meanwhile(*given: object) -> np.ndarray:
        model.partial_fit(x, 1 - y)
        return distances(*given)

    expected = twin.score_trials(x)
    monkeypatch.setattr(nimbus_sdk_core.models.probit, "squared_distances", train_meanwhile)
    found = model.score_trials(x)
    np.testing.assert_array_equal(found.posteriors, expected.posteriors)
    np.testing.assert_array_equal(found.squared_distances, expected.squared_distances)


@KINDS
def test_two_threads_see_one_state_or_the_other(kind: type[NimbusLDA]) -> None:
    """Decoding beside a thread that trains on two sets in turn gives what one of the two sets gives."""
    (x, y), new = trials(60, seed=1), trials(200, seed=3)[0]
    sets, model, stop = [(x, y), (x, 1 - y)], kind(), threading.Event()
    expected = [model.fit(*chosen).predict_proba(new) for chosen in sets]

    def train() -> None:
        while not stop.is_set():
            for chosen in sets:
                model.fit(*chosen)

    thread = threading.Thread(target=train)
    interval = sys.getswitchinterval()
    # The threads take turns more often than they do otherwise.
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(100):
            found = model.predict_proba(new)
            assert any(np.array_equal(found, one) for one in expected)
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("name", ["numpy.ma", "dask.array", "sklearn.exceptions", "sklearn", "dask"])
def test_a_library_that_another_thread_is_importing_is_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its module exists then, but is still empty."""
    data = simulated("p300", n_trials=60, seed=1)
    monkeypatch.setitem(sys.modules, name, ModuleType(name))
    model = nimbus_sdk_core.train_model(NimbusLDA, data)
    assert predict_batch(model, BCIData(data.features.tolist(), data.metadata, data.labels.tolist()))
    with pytest.raises(NotTrainedError, match="not trained"):
        NimbusLDA().predict([[1.0]])
    with pytest.warns(UserWarning, match="column-vector"):
        NimbusLDA().fit(data.vectors(), data.labels[:, np.newaxis])


def test_results_own_their_arrays() -> None:
    """Whoever writes into the labels of a result changes neither the model nor another result."""
    data = simulated("p300", n_trials=60, seed=1)
    model = nimbus_sdk_core.train_model(NimbusLDA, data)
    session = init_streaming(model, data.metadata)
    chunk = process_chunk(session, data.features[:, :, 0])
    for result in (predict_batch(model, data), chunk, finalize_trial(session)):
        result.classes[:] = 7
    assert model.classes_.tolist() == [1, 2]
    assert predict_batch(model, data).classes.tolist() == [1, 2]
