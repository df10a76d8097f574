"""NimbusProbit: the predictive is its integral, the posterior is near the true one, the prior obeys."""

import re
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    CoreDataError,
    NimbusProbit,
    NotTrainedError,
    RxPolyaModel,
    calibrate_model,
    load_model,
    predict_batch,
    save_model,
    simulate,
    train_model,
)
from nimbus_sdk_core.models.probit_prior import ProbitHyper, build_probit_prior
from nimbus_sdk_core.models.probit_regression import LatentRegression, helmert_contrasts, score_differences
from nimbus_sdk_core.models.probit_state import ConvergenceWarning, standardize
from nimbus_sdk_core.stats.anderson import AndersonAcceleration
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

AUTOMATIC = ProbitHyper(None, None, None, None)


def trials(
    random: np.random.Generator, n_trials: int, n_classes: int, apart: float = 1.2
) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping classes in three features of different units."""
    y = np.arange(n_trials) % n_classes
    places = apart * random.normal(size=(n_classes, 3))
    return (random.normal(size=(n_trials, 3)) + places[y]) * [1.0, 100.0, 0.01] + 5.0, y


def drawn(posterior: LatentRegression, n_draws: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Coefficients and noise covariances from the matrix-normal Wishart."""
    random = np.random.default_rng(seed)
    covariances = stats.invwishart(posterior.dof, posterior.scatter).rvs(n_draws, random_state=random)
    rows = np.linalg.cholesky(np.linalg.inv(posterior.precision))
    draws = []
    for covariance in np.reshape(covariances, (n_draws, *posterior.scatter.shape)):
        columns = np.linalg.cholesky(covariance)
        noise = random.normal(size=posterior.coefficients.shape)
        draws.append((posterior.coefficients + rows @ noise @ columns.T, covariance))
    return draws


def simulated_shares(draws: list[tuple[np.ndarray, np.ndarray]], inputs: np.ndarray, seed: int) -> np.ndarray:
    """How often each class wins, a latent vector for each draw of coefficients and noise."""
    random = np.random.default_rng(seed)
    n_latent = draws[0][1].shape[0]
    wins = np.zeros((inputs.shape[1], n_latent + 1))
    for coefficients, covariance in draws:
        noise = random.normal(size=(inputs.shape[1], n_latent)) @ np.linalg.cholesky(covariance).T
        winner = ((inputs.T @ coefficients + noise) @ helmert_contrasts(n_latent + 1).T).argmax(axis=1)
        wins[np.arange(len(wins)), winner] += 1
    return wins / len(draws)


@pytest.mark.parametrize(("n_classes", "n_trials"), [(2, 12), (3, 60), (4, 60), (6, 90)])
def test_prediction_is_the_integral_by_brute_force(
    n_classes: int, n_trials: int, random: np.random.Generator
) -> None:
    """Probabilities sum to one and are those of draws of coefficients, noise and latent vectors."""
    x, y = trials(random, n_trials, n_classes)
    new = np.concatenate([x[:12], x[:8] + 10.0 * (x[:8] - x.mean(axis=0))])
    model = NimbusProbit(W_df=n_classes + 3).fit(x, y)
    found = model.predict_proba(new)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-14)
    inputs = standardize(model.posterior_.centre, model.posterior_.scale, new)
    expected = simulated_shares(drawn(model.posterior_.regression, 20_000, seed=1), inputs, seed=2)
    np.testing.assert_allclose(found, expected, atol=4.5 * 0.5 / 20_000**0.5)


def gibbs(prior: LatentRegression, inputs: np.ndarray, y: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draws from the exact posterior: Albert and Chib's data augmentation, one latent number at a time."""
    random = np.random.default_rng(7)
    n_latent, rows = prior.coefficients.shape[1], inputs.T
    precision = prior.precision + rows.T @ rows
    covariance = np.linalg.inv(precision)
    latent, bounds = 0.5 * helmert_contrasts(n_latent + 1)[y], score_differences(n_latent + 1)[y]
    coefficients, noise = prior.coefficients, prior.scatter / prior.dof
    draws = []
    for _ in range(1_000):
        centre, sharp = rows @ coefficients, np.linalg.inv(noise)
        for j in range(n_latent):
            others = np.delete(np.arange(n_latent), j)
            at = centre[:, j] - (latent[:, others] - centre[:, others]) @ sharp[j, others] / sharp[j, j]
            limits = -np.einsum("ijk,ik->ij", bounds[:, :, others], latent[:, others])
            with np.errstate(divide="ignore"):
                limits = limits / bounds[:, :, j]
            low = np.where(bounds[:, :, j] > 0, limits, -np.inf).max(axis=1)
            high = np.where(bounds[:, :, j] < 0, limits, np.inf).min(axis=1)
            spread = sharp[j, j] ** -0.5
            latent[:, j] = stats.truncnorm.rvs(
                (low - at) / spread, (high - at) / spread, at, spread, random_state=random
            )
        mean = covariance @ (prior.precision @ prior.coefficients + rows.T @ latent)
        moved, away = mean - prior.coefficients, latent - rows @ mean
        scatter = prior.scatter + away.T @ away + moved.T @ prior.precision @ moved
        ((coefficients, noise),) = drawn(
            LatentRegression(mean, precision, prior.dof + len(y), scatter), 1, int(random.integers(2**31))
        )
        draws.append((coefficients, noise))
    return draws[200:]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_variational_posterior_is_near_the_true_one(n_classes: int, random: np.random.Generator) -> None:
    """Predictions differ little from those of a Gibbs sampler, which has no approximation but chance."""
    x, y = trials(random, 45, n_classes)
    model = NimbusProbit(iterations=200).fit(x, y)
    inputs = standardize(model.posterior_.centre, model.posterior_.scale, x)
    truth = gibbs(build_probit_prior(AUTOMATIC, 3, n_classes), inputs, y)
    gap = np.abs(simulated_shares(truth, inputs, seed=3) - model.predict_proba(x))
    assert gap.mean() < 0.03
    assert gap.max() < 0.15


@pytest.mark.parametrize(("paradigm", "n_classes"), [("p300", 2), ("motor_imagery", 4)])
def test_it_predicts_as_well_as_logistic_regression(paradigm: str, n_classes: int) -> None:
    """On simulated EEG, the log loss is that of scikit-learn's LogisticRegression or lower."""
    data = simulate(paradigm, n_trials=200, seed=1, n_classes=n_classes)
    new = simulate(paradigm, n_trials=500, seed=2, n_classes=n_classes)
    result = predict_batch(train_model(NimbusProbit, data), new)
    vectors, unseen = data.features.mean(axis=1).T, new.features.mean(axis=1).T
    rival = make_pipeline(StandardScaler(), LogisticRegression()).fit(vectors, data.labels)
    assert log_loss(new.labels, result.posteriors) < 1.05 * log_loss(new.labels, rival.predict_proba(unseen))
    assert result.confidence_calibration.expected_error < 0.06


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_well_separated_classes_are_told_apart_as_by_logistic_regression(
    n_classes: int, random: np.random.Generator
) -> None:
    """Every trial gets the label that scikit-learn's LogisticRegression gives it."""
    y = np.arange(40 * n_classes) % n_classes
    x = random.normal(size=(len(y), 6)) + 8.0 * np.eye(n_classes, 6)[y]
    model, rival = NimbusProbit().fit(x, y), LogisticRegression(max_iter=10_000).fit(x, y)
    np.testing.assert_array_equal(model.predict(x), rival.predict(x))
    assert model.predict_proba(x)[np.arange(len(y)), y].min() > 0.7


@pytest.mark.filterwarnings("ignore:After .* iterations the posterior still moves")
def test_iterations_are_real(random: np.random.Generator) -> None:
    """More come closer to where they lead, and the same number gives the same bits."""
    x, y = trials(random, 80, 3)
    end = NimbusProbit(iterations=2_000).fit(x, y).predict_proba(x)
    gaps = [np.abs(NimbusProbit(iterations=n).fit(x, y).predict_proba(x) - end).max() for n in (1, 5, 15, 30)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.2
    assert gaps[3] < 2e-3
    data = simulate("p300", n_trials=60, seed=1)
    few, many = (train_model(NimbusProbit, data, iterations=n) for n in (2, 20))
    assert not np.allclose(few.posterior_.regression.coefficients, many.posterior_.regression.coefficients)
    again = train_model(RxPolyaModel, data, iterations=20)
    for name, array in many.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array, err_msg=name)


def separated(n_features: int, n_classes: int, n_trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes 0.8 standard deviations apart in each feature."""
    random = np.random.default_rng(0)
    y = np.arange(n_trials) % n_classes
    places = 0.8 * random.normal(size=(n_classes, n_features))
    return random.normal(size=(n_trials, n_features)) + places[y], y


@pytest.mark.parametrize(("n_features", "n_classes", "n_trials"), [(5, 3, 150), (16, 4, 200)])
def test_learning_goes_on_until_nothing_moves(
    n_features: int, n_classes: int, n_trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives where thousands of turns without acceleration lead, and tells how many it took."""
    x, y = separated(n_features, n_classes, n_trials)
    model = NimbusProbit().fit(x, y)
    assert 10 < model.n_iter_ < 100
    assert NimbusProbit(iterations=model.n_iter_).fit(x, y).n_iter_ == model.n_iter_
    monkeypatch.setattr(AndersonAcceleration, "next", lambda self, start, reached, bound: reached)
    plain = NimbusProbit(iterations=3_000).fit(x, y)
    assert plain.n_iter_ > 500
    assert np.abs(plain.predict_proba(x) - model.predict_proba(x)).max() < 0.01


def test_a_guess_that_leads_astray_is_given_up() -> None:
    """Three mixed classes in one feature leave the noise nearly open, and yet it does not run away."""
    random = np.random.default_rng(1178)
    random.integers([2, 1, 9], [5, 12, 150])
    y = np.r_[np.arange(3), random.integers(0, 3, 76)]
    x = random.normal(size=(79, 1)) + random.choice([0.3, 1, 3, 8]) * random.normal(size=(3, 1))[y]
    model = NimbusProbit().fit(x, y)
    assert model.n_iter_ < 100


def test_learning_that_ends_too_early_warns_the_caller() -> None:
    """The warning says how many turns there were, and names the line that asked for them."""
    x, y = separated(5, 3, 150)
    for train in (NimbusProbit(iterations=3).fit, NimbusProbit(iterations=3).partial_fit):
        with pytest.warns(ConvergenceWarning, match="After 3 iterations the posterior still moves") as found:
            assert train(x, y).n_iter_ == 3
        assert [warning.filename for warning in found] == [__file__]


def test_a_model_from_a_file_does_not_know_how_long_it_learned(tmp_path: Path) -> None:
    """Its iterations are not guessed; those of the next learning are counted again."""
    data = simulate("p300", n_trials=60, seed=1)
    save_model(train_model(NimbusProbit, data), tmp_path / "mine.nimbus")
    model = load_model(NimbusProbit, tmp_path / "mine.nimbus")
    assert model.n_iter_ is None
    assert "iterations" not in model.hyper
    assert calibrate_model(model, data).n_iter_ < 20
    with pytest.raises(NotTrainedError):
        NimbusProbit().n_iter_  # noqa: B018


def test_logarithms_of_probabilities(random: np.random.Generator) -> None:
    """They are those of the probabilities, and finite far from every trial."""
    x, y = trials(random, 60, 3)
    model = NimbusProbit().fit(x, y)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(x)), model.predict_proba(x), atol=1e-12)
    assert np.isfinite(model.predict_log_proba(1e6 * x)).all()


def test_steps_lose_what_is_documented() -> None:
    """Twenty pieces cost confidence where classes are many and trials few, one calibration hardly any."""
    x, y = separated(16, 4, 2_200)
    new, expected = x[200:], y[200:]
    once, twice, often = NimbusProbit().fit(x[:200], y[:200]), NimbusProbit(), NimbusProbit()
    for size, model in ((100, twice), (10, often)):
        for start in range(0, 200, size):
            piece = slice(start, start + size)
            model.partial_fit(x[piece], y[piece], classes=[0, 1, 2, 3])
    losses = [log_loss(expected, model.predict_proba(new)) for model in (once, twice, often)]
    assert losses == sorted(losses)
    assert losses[2] < 1.8 * losses[0]


def test_the_automatic_prior_is_better_than_weaker_ones() -> None:
    """On simulated EEG no weaker prior has a clearly lower log loss, and the weakest has twice as much."""
    data = simulate("motor_imagery", n_trials=60, seed=0)
    new = simulate("motor_imagery", n_trials=1_000, seed=100)
    losses = []
    for weight in (None, 3, 0.3, 0.1):
        model = train_model(NimbusProbit, data, iterations=400, W_beta=weight)
        losses.append(log_loss(new.labels, predict_batch(model, new).posteriors))
    assert losses[0] == losses[1]
    assert losses[1:] == sorted(losses[1:])
    assert losses[3] > 1.5 * losses[0]


def test_calibration_takes_the_posterior_as_prior(random: np.random.Generator) -> None:
    """Precision and degrees of freedom add up exactly, and a person who differs is learned."""
    base = train_model(NimbusProbit, simulate("motor_imagery", n_trials=120, seed=1), W_df=9.0)
    new = simulate("motor_imagery", n_trials=60, seed=2, subject=3)
    mine = calibrate_model(base, new)
    before, after = base.posterior_.regression, mine.posterior_.regression
    inputs = standardize(base.posterior_.centre, base.posterior_.scale, new.features.mean(axis=1).T)
    np.testing.assert_allclose(after.precision, before.precision + inputs @ inputs.T, rtol=1e-10)
    assert (before.dof, after.dof) == (9.0 + 120, 9.0 + 180)
    assert (mine.iterations, base.iterations, mine.hyper) == (20, 50, base.hyper)
    assert mine.card.details["calibrated_trials"] == 60
    moved = BCIData(np.roll(new.features, 3, axis=0), new.metadata, new.labels)
    gain = predict_batch(calibrate_model(base, moved), moved).accuracy - predict_batch(base, moved).accuracy
    assert gain > 0.05


def test_two_steps_are_near_one_on_the_union(random: np.random.Generator) -> None:
    """Classes may be absent from a step; what was learned stays, to the accuracy of the approximation."""
    x, y = trials(random, 240, 3)
    order = np.argsort(y == 2, kind="stable")
    x, y = x[order], y[order]
    half = NimbusProbit().partial_fit(x[:120], y[:120], classes=[0, 1, 2])
    assert half.predict_proba(x)[:, 2].max() < 0.5
    both = half.partial_fit(x[120:], y[120:])
    assert np.abs(both.score(x, y) - NimbusProbit().fit(x, y).score(x, y)) < 0.05


def test_each_label_may_stand_for_several_answers(random: np.random.Generator) -> None:
    """N = 3 learns what every trial given three times would teach, but for the prior's units."""
    x, y = trials(random, 60, 3)
    once = NimbusProbit(N=3).fit(x, y)
    thrice = NimbusProbit().fit(np.tile(x, (3, 1)), np.tile(y, 3))
    for name in ("coefficients", "coefficient_precision", "noise_dof", "noise_scatter"):
        np.testing.assert_allclose(once.arrays()[name], thrice.arrays()[name], rtol=1e-3, atol=1e-9)


def test_the_prior_is_what_was_asked_for() -> None:
    """Numbers, matrices and NimbusSDK.jl's spellings reach the prior; what is automatic favours no class."""
    prior = build_probit_prior(AUTOMATIC, n_features=2, n_classes=3)
    np.testing.assert_array_equal(prior.precision, np.diag([0.01, 3.0, 3.0]))
    np.testing.assert_allclose(prior.scatter / prior.dof, np.eye(2))
    assert (prior.dof, np.abs(prior.coefficients).max()) == (4.0, 0.0)
    matrix, mean = np.array([[2.0, 0.5], [0.5, 1.0]]), np.arange(6.0).reshape(3, 2)
    prior = build_probit_prior(ProbitHyper(mean, 7.0 * np.eye(3), 5, matrix), n_features=2, n_classes=3)
    np.testing.assert_array_equal(prior.coefficients, mean)
    np.testing.assert_array_equal(prior.precision, 7.0 * np.eye(3))
    np.testing.assert_allclose(np.linalg.inv(prior.scatter), matrix)
    data = simulate("p300", n_trials=60, seed=1)
    julia = train_model(NimbusProbit, data, N=2, ξβ=0.5, Wβ=10.0, W_df=20, W_scale=0.05)
    assert julia.hyper == {"N": 2, "xi_beta": 0.5, "W_beta": 10.0, "W_df": 20, "W_scale": 0.05}


def test_a_strong_prior_is_not_moved(random: np.random.Generator) -> None:
    """With a huge precision the coefficients stay at their prior mean."""
    x, y = trials(random, 60, 2)
    model = NimbusProbit(xi_beta=0.25, W_beta=1e9 * np.eye(4)).fit(x, y)
    np.testing.assert_allclose(model.posterior_.regression.coefficients, 0.25, atol=1e-6)


@pytest.mark.parametrize(
    ("hyper", "words"),
    [
        ({"N": 0}, "N is 0. Give a whole number from 1"),
        ({"N": 1.5}, "N is 1.5, not a whole number"),
        ({"iterations": 0}, "iterations is 0"),
        ({"xi_beta": "0"}, "xi_beta is of type <U1"),
        ({"xi_beta": [[1.0], [2.0, 3.0]]}, "xi_beta is ragged"),
        ({"xi_beta": np.inf}, "xi_beta holds values that are not finite"),
        (
            {"xi_beta": np.zeros((2, 2))},
            "xi_beta is of type float64 and shape (2, 2). Give a number, an array",
        ),
        ({"W_beta": -1.0}, "W_beta is -1.0. Give a finite number above zero"),
        ({"W_beta": -np.eye(4)}, "W_beta is not positive definite"),
        ({"W_df": 0.5}, "W_df is 0.5. 3 classes need more than 1 degrees of freedom"),
        ({"W_df": "many"}, "W_df is 'many', not a number"),
        ({"W_scale": 0}, "W_scale is 0.0. Give a finite number above zero"),
        ({"W_scale": np.array([[1.0, 0.2], [0.1, 1.0]])}, "W_scale is not symmetric"),
        ({"W_scale": np.eye(3)}, "W_scale is of type float64 and shape (3, 3)"),
    ],
)
def test_hyper_parameters_are_checked(
    hyper: dict[str, object], words: str, random: np.random.Generator
) -> None:
    """What cannot be a prior is refused by name."""
    x, y = trials(random, 30, 3)
    with pytest.raises(CoreDataError, match=re.escape(words)):
        NimbusProbit(**hyper).fit(x, y)  # type: ignore[arg-type]


def test_distances_are_those_from_all_training_trials(random: np.random.Generator) -> None:
    """The squared distance follows F over the trials that the model knows, whatever the class."""
    x, y = trials(random, 400, 3, apart=0.0)
    scores = NimbusProbit().fit(x, y).score_trials(x)
    assert (scores.squared_distances == scores.squared_distances[:, :1]).all()
    assert stats.kstest(scores.squared_distances[:, 0] / 3, stats.f(3, scores.dof[0]).cdf).pvalue > 0.01


def test_too_many_classes_are_refused() -> None:
    """Regions of class scores cannot be integrated in too many dimensions."""
    with pytest.raises(CoreDataError, match="There are 33 classes; NimbusProbit takes at most 32"):
        NimbusProbit().fit(np.arange(66.0)[:, None], np.arange(66) % 33)


def test_progress_tells_the_iterations(capsys: pytest.CaptureFixture[str]) -> None:
    """showprogress says how many there were, which may be fewer than were allowed."""
    train_model(
        NimbusProbit, simulate("p300", n_trials=40, seed=1), iterations=30, name="a", showprogress=True
    )
    assert re.fullmatch(r"trained a on 40 trials in 1\d iterations\n", capsys.readouterr().err)


def test_progress_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A name from elsewhere is shown with its control characters escaped."""
    data = simulate("p300", n_trials=40, seed=1)
    model = train_model("NimbusLDA", data, name="a\x1b[2J\nb", showprogress=True)
    assert capsys.readouterr().err == "trained a\\x1b[2J\\nb on 40 trials in one exact step\n"
    assert model.card.name == "a\x1b[2J\nb"
