"""What priors chosen by the evidence are worth: log loss, calibration and outlier scores on new trials."""

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, NimbusLDA, NimbusProbit, NimbusQDA, predict_batch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import log_loss

N_NEW = 4_000


def draw(
    seed: int, n_classes: int, n_features: int, n_trials: int, correlation: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Trials for the training and new ones: Gaussian classes of one covariance, places in its units."""
    random = np.random.default_rng(seed)
    covariance = correlation ** np.abs(np.subtract.outer(range(n_features), range(n_features)))
    root = np.linalg.cholesky(covariance)
    places = 1.7 * random.normal(size=(n_classes, n_features)) / np.sqrt(n_features)
    sets = []
    for n in (n_trials, N_NEW):
        y = np.arange(n) % n_classes
        sets += [(random.normal(size=(n, n_features)) + places[y]) @ root.T, y]
    return tuple(sets)  # type: ignore[return-value]


def batch(model: NimbusLDA, x: np.ndarray, y: np.ndarray) -> object:
    """The result of new trials."""
    about = BCIMetadata(1.0, "own", "own", x.shape[1], len(model.classes_), temporal_aggregation="none")
    return predict_batch(model, BCIData(x.T[:, None], about, y))


@pytest.mark.parametrize(
    ("n_classes", "n_features", "n_trials", "seeds"),
    [
        (2, 40, 80, 4),
        pytest.param(2, 40, 80, 20, marks=pytest.mark.qualification),
        pytest.param(2, 100, 60, 20, marks=pytest.mark.qualification),
        pytest.param(4, 64, 160, 20, marks=pytest.mark.qualification),
        pytest.param(2, 136, 80, 20, marks=pytest.mark.qualification),
        pytest.param(2, 16, 400, 20, marks=pytest.mark.qualification),
    ],
)
@pytest.mark.parametrize("correlation", [0.0, 0.7])
def test_probabilities_are_as_good_as_those_of_shrinkage_and_calibrated(
    n_classes: int, n_features: int, n_trials: int, seeds: int, correlation: float
) -> None:
    """Log loss is at most that of scikit-learn's automatic shrinkage, and confidences fit the accuracy."""
    ours, theirs, fixed, errors = [], [], [], []
    for seed in range(seeds):
        x, y, new, truth = draw(seed, n_classes, n_features, n_trials, correlation)
        result = batch(NimbusLDA().fit(x, y), new, truth)
        ours.append(log_loss(truth, result.posteriors))  # type: ignore[attr-defined]
        errors.append(result.confidence_calibration.expected_error)  # type: ignore[attr-defined]
        shrunk = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, y)
        theirs.append(log_loss(truth, shrunk.predict_proba(new)))
        weak = NimbusLDA(dof_offset=2, mean_prior_precision=0.01).fit(x, y)
        fixed.append(log_loss(truth, weak.predict_proba(new)))
    assert np.mean(ours) < np.mean(theirs) + 0.01
    assert np.mean(ours) < np.mean(fixed) + 0.002
    assert np.mean(errors) < 0.08


@pytest.mark.parametrize(
    ("kind", "n_features", "n_trials", "seeds"),
    [
        (NimbusLDA, 40, 80, 6),
        (NimbusQDA, 40, 80, 3),
        (NimbusProbit, 8, 80, 1),
        *(
            pytest.param(kind, *size, 20, marks=pytest.mark.qualification)
            for kind in (NimbusLDA, NimbusQDA)
            for size in ((16, 200), (40, 80), (100, 200), (80, 80), (200, 200))
        ),
    ],
)
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_one_clean_trial_in_700_is_an_outlier(
    kind: type[NimbusLDA], n_features: int, n_trials: int, seeds: int, correlation: float
) -> None:
    """Outlier scores of new clean trials exceed 3 as rarely as those of a standard normal."""
    above = 0
    for seed in range(seeds):
        x, y, new, truth = draw(seed, 2, n_features, n_trials, correlation)
        above += int((batch(kind().fit(x, y), new, truth).outlier_scores > 3.0).sum())  # type: ignore[attr-defined]
    expected = seeds * N_NEW / 741
    # The model itself is estimated: its own sampling error is about that of a factor of two.
    assert above < 2.0 * expected + 4.0 * np.sqrt(expected)


def test_classes_that_do_not_differ_in_spread_are_decoded_as_with_one_covariance() -> None:
    """Also with more features than trials, where the trials of each class have dimensions of their own."""
    one, own = [], []
    for seed in range(3):
        x, y, new, truth = draw(seed, 2, 100, 60, 0.7)
        for kind, losses in ((NimbusLDA, one), (NimbusQDA, own)):
            losses.append(log_loss(truth, kind().fit(x, y).predict_proba(new)))
    assert np.mean(own) < np.mean(one) + 0.1


def test_a_trial_far_away_is_an_outlier() -> None:
    """A movement or another unit is noticed, with half as many features as trials too."""
    x, y, new, truth = draw(1, 2, 40, 80, 0.6)
    model = NimbusLDA().fit(x, y)
    for strange in (3.0 * new[:200], 1e-6 * new[:200] + 10.0, new[:200] + 20.0 * (np.arange(40) == 3)):
        assert (batch(model, strange, truth[:200]).outlier_scores > 3.0).mean() > 0.95  # type: ignore[attr-defined]
