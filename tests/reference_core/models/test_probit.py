"""NimbusProbit: learning, prediction and calibration."""

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    NimbusProbit,
    RxPolyaModel,
    calibrate_model,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.models.probit_state import standardize
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.reference_core.support import overlapping_trials, separated_trials, simulated


@pytest.mark.parametrize("n_new", [200, pytest.param(500, marks=pytest.mark.qualification)])
@pytest.mark.parametrize(("paradigm", "n_classes"), [("p300", 2), ("motor_imagery", 4)])
def test_it_predicts_as_well_as_logistic_regression(paradigm: str, n_classes: int, n_new: int) -> None:
    """On simulated EEG, the log loss is that of scikit-learn's LogisticRegression or lower."""
    data = simulated(paradigm, n_trials=200, seed=1, n_classes=n_classes)
    new = simulated(paradigm, n_trials=n_new, seed=2, n_classes=n_classes)
    result = predict_batch(train_model(NimbusProbit, data), new)
    vectors, unseen = data.features.mean(axis=1).T, new.features.mean(axis=1).T
    rival = make_pipeline(StandardScaler(), LogisticRegression()).fit(vectors, data.labels)
    assert log_loss(new.labels, result.posteriors) < 1.05 * log_loss(new.labels, rival.predict_proba(unseen))
    assert result.confidence_calibration.expected_error < 0.06


@pytest.mark.parametrize("n_classes", [2, 3, pytest.param(5, marks=pytest.mark.qualification)])
def test_well_separated_classes_are_decoded_as_by_logistic_regression(
    n_classes: int, random: np.random.Generator
) -> None:
    """Every trial gets the label that scikit-learn's LogisticRegression gives it."""
    y = np.arange(24 * n_classes) % n_classes
    x = random.normal(size=(len(y), 6)) + 8.0 * np.eye(n_classes, 6)[y]
    model, rival = NimbusProbit().fit(x, y), LogisticRegression(max_iter=10_000).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), rival.predict(x))
    assert model.predict_proba(x)[np.arange(len(y)), y].min() > 0.65


@pytest.mark.filterwarnings("ignore:After .* iterations the posterior still moves")
def test_iterations_improve_the_posterior(random: np.random.Generator) -> None:
    """More come closer to where they lead, and the same number gives the same bits."""
    x, y = overlapping_trials(random, 80, 3)
    end = NimbusProbit(iterations=2_000).fit(x, y).predict_proba(x)
    gaps = [np.abs(NimbusProbit(iterations=n).fit(x, y).predict_proba(x) - end).max() for n in (1, 5, 15, 30)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.2
    assert gaps[3] < 2e-3
    data = simulated("p300", n_trials=60, seed=1)
    few, many = (train_model(NimbusProbit, data, iterations=n) for n in (2, 20))
    assert not np.allclose(few.posterior_.regression.coefficients, many.posterior_.regression.coefficients)
    again = train_model(RxPolyaModel, data, iterations=20)
    for name, array in many.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array, err_msg=name)


def test_small_steps_lose_little() -> None:
    """Two or twenty pieces cost little log loss where classes are many and trials few."""
    x, y = separated_trials(16, 3, 900)
    new, expected = x[120:], y[120:]
    losses = []
    for size in (120, 60, 12):
        model = NimbusProbit()
        for start in range(0, 120, size):
            piece = slice(start, start + size)
            model.partial_fit(x[piece], y[piece], classes=[0, 1, 2])
        losses.append(log_loss(expected, model.predict_proba(new)))
    assert losses[0] < min(losses[1:])
    assert max(losses[1:]) < 1.2 * losses[0]


def test_calibration_uses_the_posterior_as_prior(random: np.random.Generator) -> None:
    """Degrees of freedom add up exactly, precision as far as labels tell, and another subject is learned."""
    base = train_model(NimbusProbit, simulated("motor_imagery", n_trials=200, seed=1)[:120], W_df=9.0)
    new = simulated("motor_imagery", n_trials=60, seed=2, subject=3)
    mine = calibrate_model(base, new)
    before, after = base.posterior_.regression, mine.posterior_.regression
    inputs = standardize(base.posterior_.centre, base.posterior_.scale, new.features.mean(axis=1).T)
    gained = after.precision - before.precision
    assert np.linalg.eigvalsh(gained).min() > 0.0
    assert np.linalg.eigvalsh(inputs @ inputs.T - gained).min() > 0.0
    assert (before.dof, after.dof) == (9.0 + 120, 9.0 + 180)
    assert (mine.iterations, base.iterations, mine.hyper) == (20, 50, base.hyper)
    assert mine.card.details["calibrated_trials"] == 60
    moved = BCIData(np.roll(new.features, 3, axis=0), new.metadata, new.labels)
    gain = predict_batch(calibrate_model(base, moved), moved).accuracy - predict_batch(base, moved).accuracy
    assert gain > 0.05


def test_two_steps_are_near_one_on_the_union(random: np.random.Generator) -> None:
    """Classes may be absent from a step; what was learned stays, to the accuracy of the approximation."""
    x, y = overlapping_trials(random, 240, 3)
    order = np.argsort(y == 2, kind="stable")
    x, y = x[order], y[order]
    half = NimbusProbit(iterations=200).partial_fit(x[:120], y[:120], classes=[0, 1, 2])
    assert half.predict_proba(x)[:, 2].max() < 0.5
    both = half.partial_fit(x[120:], y[120:])
    assert np.abs(both.score(x, y) - NimbusProbit().fit(x, y).score(x, y)) < 0.05


def test_each_label_may_count_for_several_answers(random: np.random.Generator) -> None:
    """N = 3 learns the same as every trial given three times, except for the units of the prior."""
    x, y = overlapping_trials(random, 60, 3)
    once = NimbusProbit(N=3).fit(x, y)
    thrice = NimbusProbit().fit(np.tile(x, (3, 1)), np.tile(y, 3))
    for name in ("coefficients", "coefficient_precision", "noise_dof", "noise_scatter"):
        np.testing.assert_allclose(once.arrays()[name], thrice.arrays()[name], rtol=1e-3, atol=1e-9)


def test_distances_are_those_from_all_training_trials(random: np.random.Generator) -> None:
    """The squared distance follows F over the trials that the model knows, whatever the class."""
    x, y = overlapping_trials(random, 400, 3, apart=0.0)
    scores = NimbusProbit().fit(x, y).score_trials(x)
    assert (scores.squared_distances == scores.squared_distances[:, :1]).all()
    assert stats.kstest(scores.squared_distances[:, 0] / 3, stats.f(3, scores.dof[0]).cdf).pvalue > 0.01
