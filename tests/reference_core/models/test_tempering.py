"""Tempers of the chunks of a trial: how they are learned, stored and used."""

import dataclasses

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelCard,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    train_model,
)
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes
from nimbus_sdk_core.models.tempering import (
    Tempers,
    calibrate_streaming,
    cross_fit_tempers,
    fit_tempers,
    read_tempers,
    with_tempers,
)
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tests.reference_core.support import simulated


def in_chunks(data: BCIData, chunk_size: int) -> BCIData:
    """The same trials, to be streamed in chunks of that length."""
    return BCIData(data.features, dataclasses.replace(data.metadata, chunk_size=chunk_size), data.labels)


def test_a_temper_has_the_smallest_log_loss(random: np.random.Generator) -> None:
    """With many trials it is the minimum that SciPy finds, for every number of chunks."""
    truth = np.arange(4_000) % 3
    own = 1.5 * random.normal(size=(1, 4_000, 3))
    ratios = 0.7 * random.normal(size=(3, 4_000, 3)) + own + 1.2 * np.eye(3)[truth]
    log_priors = np.log(np.full((4_000, 3), 1 / 3))
    found = fit_tempers(ratios, log_priors, truth)
    for n_chunks, temper in enumerate(found, 1):
        sums = ratios[:n_chunks].sum(axis=0)

        def loss(t: float, sums: np.ndarray = sums) -> float:
            return -log_softmax(log_priors + t * sums, axis=1)[np.arange(len(truth)), truth].mean()

        expected = minimize_scalar(loss, bounds=(0.0, 5.0), method="bounded", options={"xatol": 1e-8}).x
        assert temper == pytest.approx(expected, rel=0.02)
    assert found[0] > found[1] > found[2]


def test_independent_chunks_of_a_true_model_count_whole(random: np.random.Generator) -> None:
    """Then the product is Bayes' theorem, and each temper is one."""
    truth = np.arange(6_000) % 2
    x = random.normal(size=(4, 6_000)) + 0.8 * (2 * truth - 1)
    ratios = 0.8 * np.stack([-x, x], axis=2)
    found = fit_tempers(ratios, np.log(np.full((6_000, 2), 0.5)), truth)
    np.testing.assert_allclose(found, 1.0, atol=0.1)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e6])
def test_ratios_of_any_size_have_a_temper(scale: float, random: np.random.Generator) -> None:
    """Also where chunks say nothing, or classes never overlap."""
    truth = np.arange(40) % 2
    ratios = scale * np.stack([np.where(truth == k, 1.0, -1.0) for k in (0, 1)], axis=1)[None]
    (found,) = fit_tempers(ratios, np.log(np.full((40, 2), 0.5)), truth)
    assert 0.0 <= found <= 100.0
    assert scale < 1.0 or found < 1.0


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
def test_training_learns_tempers_if_chunks_have_a_length(kind: type[NimbusLDA]) -> None:
    """They come with the model, in its file too, and the model is otherwise that of a training without."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(kind, in_chunks(data, 4))
    tempers = read_tempers(model)
    assert tempers is not None
    assert tempers.chunk_size == 4
    assert len(tempers.values) == 4
    assert read_tempers(from_bytes(to_bytes(model))) == tempers
    without = train_model(kind, data)
    assert read_tempers(without) is None
    np.testing.assert_array_equal(model.predict_proba(data.vectors()), without.predict_proba(data.vectors()))


def test_tempers_can_be_learned_from_other_trials() -> None:
    """For a model without, or for chunks of another length; the given model stays as it was."""
    model = train_model(NimbusLDA, simulated("p300", n_trials=60, seed=1))
    calibrated = calibrate_streaming(model, simulated("p300", n_trials=100, seed=2), chunk_size=8)
    assert read_tempers(model) is None
    found = read_tempers(calibrated)
    assert found is not None
    assert (found.chunk_size, len(found.values)) == (8, 2)
    bare = NimbusLDA().fit(*(lambda d: (d.vectors(), d.labels))(simulated("p300", n_trials=60, seed=1)))
    assert read_tempers(calibrate_streaming(bare, simulated("p300", n_trials=60, seed=2), chunk_size=4))


def test_what_cannot_be_learned_from_is_refused_or_passed_over() -> None:
    """Trials shorter than a chunk, one trial of a class, no labels."""
    data = simulated("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, in_chunks(data, 99))
    assert read_tempers(model) is None
    few = BCIData(data.features[..., :4], data.metadata, [1, 1, 1, 2])
    assert cross_fit_tempers(NimbusLDA(), few, 4) is None
    with pytest.raises(CoreDataError, match="Trials of 16 samples have no whole chunk of 17"):
        calibrate_streaming(model, data, chunk_size=17)
    with pytest.raises(CoreDataError, match="no labels"):
        calibrate_streaming(model, BCIData(data.features, data.metadata), chunk_size=4)
    about = dataclasses.replace(data.metadata, temporal_aggregation="logvar", chunk_size=1)
    assert read_tempers(train_model(NimbusLDA, BCIData(data.features, about, data.labels))) is None


@pytest.mark.parametrize(
    "detail",
    [
        None,
        3,
        {"chunk_size": 0, "tempers": [1.0], "least_distinctness": [0.5]},
        {"chunk_size": 4, "tempers": [], "least_distinctness": []},
        {"chunk_size": 4, "tempers": [-1.0], "least_distinctness": [0.5]},
        {"chunk_size": 4, "tempers": ["1"], "least_distinctness": [0.5]},
        {"chunk_size": True, "tempers": [1.0], "least_distinctness": [0.5]},
        {"tempers": [1.0], "least_distinctness": [0.5]},
        {"chunk_size": 4, "tempers": [1.0], "distinctness": [0.5]},
        {"chunk_size": 4, "tempers": [1.0], "least_distinctness": [0.5, 0.5]},
        {"chunk_size": 4, "tempers": [1.0], "least_distinctness": [-1e7]},
    ],
)
def test_details_of_a_file_are_not_trusted(detail: object) -> None:
    """What is not a list of tempers counts as none."""
    model = NimbusLDA()
    about = BCIMetadata(1.0, "own", "own", 2, 2)
    model.card = ModelCard("mine", about, details={"tempering": detail})  # type: ignore[dict-item]
    assert read_tempers(model) is None


def test_tempers_between_and_beyond_the_learned_numbers() -> None:
    """Between two numbers of chunks they are interpolated; beyond the last the total stays."""
    tempers = Tempers(4, (1.0, 0.6, 0.5), (1.0, 0.9, 0.7))
    assert [tempers.at(n) for n in (0.25, 1.0, 1.5, 3.0, 6.0)] == [1.0, 1.0, 0.8, 0.5, 0.25]
    assert [tempers.least_distinctness(n) for n in (0.25, 2.5, 6.0)] == [1.0, 0.8, 0.7]
    card = with_tempers(ModelCard("mine", BCIMetadata(1.0, "own", "own", 2, 2)), tempers)
    assert card.details["tempering"] == {
        "chunk_size": 4,
        "tempers": [1.0, 0.6, 0.5],
        "least_distinctness": [1.0, 0.9, 0.7],
    }
