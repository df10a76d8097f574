"""Transfer rate, quality of trials, Fisher scores, normalization, and signs of wrong preprocessing."""

import math
import warnings

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    NimbusLDA,
    predict_batch,
    simulate,
    train_model,
)
from nimbus_sdk_core.checks.fisher import compute_fisher_score, rank_features_by_discriminability
from nimbus_sdk_core.checks.itr import calculate_ITR, calculate_itr
from nimbus_sdk_core.checks.preprocessing import diagnose_preprocessing
from nimbus_sdk_core.checks.validation import SuspiciousDataWarning, validate_data
from nimbus_sdk_core.data.normalization import apply_normalization, estimate_normalization_params
from nimbus_sdk_core.decoding.trial_quality import assess_trial_quality, should_reject_trial
from nimbus_sdk_core.errors import CoreTypeError
from nimbus_sdk_core.models.compatibility import get_n_classes, get_n_features, get_paradigm
from scipy import stats
from sklearn.feature_selection import f_classif
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler


def trials(features: np.ndarray, labels=None, rate: float = 250.0, **changes: object) -> BCIData:
    """Features as data of two classes."""
    about = BCIMetadata(rate, "motor_imagery", "csp", len(features), 2, **changes)
    return BCIData(features, about, labels)


@pytest.mark.parametrize("n_classes", [2, 4, 36])
@pytest.mark.parametrize("accuracy", [0.51, 0.7, 0.999, 1.0])
def test_transfer_rate_is_the_mutual_information_of_a_symmetric_channel(
    accuracy: float, n_classes: int
) -> None:
    """Entropy of the answers less their entropy given the truth, computed from the joint distribution."""
    joint = np.full((n_classes, n_classes), (1 - accuracy) / (n_classes - 1) / n_classes)
    np.fill_diagonal(joint, accuracy / n_classes)
    bits = 2 * math.log2(n_classes) - stats.entropy(joint.ravel(), base=2)
    assert calculate_ITR(accuracy, n_classes, 3.0) == pytest.approx(20 * bits)


def test_transfer_rate_at_and_below_chance_is_nothing() -> None:
    """The formula's second rise towards 0 % is not taken for information."""
    for accuracy in (0.0, 0.1, 0.25):
        assert calculate_ITR(accuracy, 4, 1.0) == 0.0
    assert calculate_ITR(0.1, 4, 1.0, clip_negative=True) == 0.0
    assert calculate_ITR(0.26, 4, 1.0) > 0.0
    assert calculate_itr is calculate_ITR


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1.2, 4, 4.0), "accuracy is 1.2. Give a number from 0 to 1"),
        ((85, 4, 4.0), "accuracy is 85.0"),
        ((math.nan, 4, 4.0), "accuracy is nan"),
        (("0.8", 4, 4.0), "accuracy is '0.8', not a number"),
        ((None, 4, 4.0), "accuracy is None"),
        ((0.8, 1, 4.0), "n_classes is 1"),
        ((0.8, 2.5, 4.0), "n_classes is 2.5"),
        ((0.8, 4, 0.0), "trial_duration is 0.0"),
        ((0.8, 4, math.inf), "trial_duration is inf"),
    ],
)
def test_transfer_rate_of_impossible_numbers_is_refused(arguments: tuple, words: str) -> None:
    """The number that is wrong is named."""
    with pytest.raises(CoreDataError, match=words):
        calculate_ITR(*arguments)


def test_a_trial_is_rejected_below_the_threshold_only() -> None:
    """At the threshold it is kept; what is no probability is refused."""
    assert should_reject_trial(0.69)
    assert not should_reject_trial(0.7)
    assert not should_reject_trial(np.float32(0.5), 0.4)
    for confidence, threshold in ((math.nan, 0.7), (0.5, 70), (-0.1, 0.7)):
        with pytest.raises(CoreDataError):
            should_reject_trial(confidence, threshold)


def test_quality_rises_with_what_can_be_told_apart() -> None:
    """A strong effect is rated above a weak one, and the advice follows."""
    model = train_model(NimbusLDA, simulate("motor_imagery", n_trials=150, seed=1, n_classes=2))
    ratings = [
        assess_trial_quality(
            predict_batch(model, simulate("motor_imagery", n_trials=100, seed=2, n_classes=2, effect=effect))
        )
        for effect in (0.0, 0.5, 1.3)
    ]
    scores = [rating.overall_score for rating in ratings]
    assert scores == sorted(scores)
    assert all(0.0 <= score <= 1.0 for score in scores)
    assert ratings[-1].confidence_acceptable


def test_quality_by_hand() -> None:
    """Score, threshold, rejected trials and advice from three posteriors."""
    found = assess_trial_quality([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]])
    assert found.overall_score == pytest.approx((0.8 + 0.0 + 0.6) / 3)
    assert found.confidence_acceptable
    assert found.rejected.tolist() == [False, True, False]
    assert found.recommendation.startswith("Repeat the 33 % of trials below 0.7")
    assert "calibrate" in assess_trial_quality([0.5, 0.5]).recommendation
    assert assess_trial_quality([[0.9, 0.1]], confidence_threshold=0.95).rejected.tolist() == [True]
    assert assess_trial_quality([[0.9, 0.1]]).recommendation == "Act on these predictions."


def test_outliers_are_rejected_however_sure_the_model_is() -> None:
    """Trials far from all that was learned count nothing, and many of them call for a look at the signal."""
    training = simulate("motor_imagery", n_trials=120, seed=1)
    model = train_model(NimbusLDA, training)
    far = BCIData(training.features[..., :40] + 30.0, training.metadata)
    found = assess_trial_quality(predict_batch(model, far))
    assert found.rejected.all()
    assert found.overall_score == 0.0
    assert "artefacts" in found.recommendation


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ([[0.9, 0.3]], "not probabilities"),
        ([[1.1, -0.1]], "not probabilities"),
        ([0.9], r"shape \(1,\)"),
        ("high", "result is a str"),
        (np.empty((0, 4)), "no trials to assess"),
        (np.full((2, 2, 2), 0.5), r"shape \(2, 2, 2\)"),
    ],
)
def test_quality_of_what_are_no_posteriors_is_refused(result: object, words: str) -> None:
    """Only probabilities are rated."""
    with pytest.raises(CoreDataError, match=words):
        assess_trial_quality(result)


def test_fisher_scores_order_features_as_analysis_of_variance_does(random: np.random.Generator) -> None:
    """They are scikit-learn's F values up to the degrees of freedom."""
    labels = random.integers(0, 3, 200)
    vectors = random.normal(size=(200, 6)) + np.outer(labels, [0, 1, 0.2, 3, 0, 0.5])
    expected = f_classif(vectors, labels)[0] * (3 - 1) / (200 - 3)
    np.testing.assert_allclose(compute_fisher_score(vectors, labels), expected)
    assert rank_features_by_discriminability(vectors, labels)[:3].tolist() == [3, 1, 5]


def test_fisher_scores_take_trials_as_they_are() -> None:
    """Labelled data are reduced as their metadata say."""
    data = simulate("motor_imagery", n_trials=100, seed=1)
    expected = compute_fisher_score(data.features.mean(axis=1).T, data.labels)
    np.testing.assert_array_equal(compute_fisher_score(data), expected)
    assert rank_features_by_discriminability(data)[0] == expected.argmax()


def test_fisher_scores_of_constants_are_zero_or_infinite() -> None:
    """A constant tells nothing; a feature that is constant within every class tells everything."""
    vectors = [[7.1, 0.1, 1.0], [7.1, 0.1, 2.0], [7.1, 0.3, 1.5], [7.1, 0.3, 2.5]]
    scores = compute_fisher_score(vectors, ["a", "a", "b", "b"])
    assert scores[0] == 0.0
    assert scores[1] == np.inf
    assert 0 < scores[2] < 1
    assert rank_features_by_discriminability(vectors, ["a", "a", "b", "b"]).tolist() == [1, 2, 0]


def test_fisher_scores_without_or_with_twofold_labels_are_refused() -> None:
    """Labels are needed exactly once."""
    data = simulate("p300", n_trials=10, seed=1)
    with pytest.raises(CoreDataError, match="no labels"):
        compute_fisher_score(BCIData(data.features, data.metadata))
    with pytest.raises(CoreDataError, match="no labels"):
        compute_fisher_score([[1.0], [2.0]])
    with pytest.raises(CoreDataError, match="beside a BCIData"):
        compute_fisher_score(data, data.labels)
    with pytest.raises(CoreDataError, match="1 class"):
        compute_fisher_score([[1.0], [2.0]], [1, 1])


@pytest.mark.parametrize(
    ("method", "scaler"),
    [
        ("zscore", StandardScaler()),
        ("minmax", MinMaxScaler()),
        ("robust", RobustScaler(quantile_range=(25, 75))),
    ],
)
def test_normalization_is_scikit_learns(method: str, scaler: object, random: np.random.Generator) -> None:
    """Over samples and trials; the robust width is that of a normal distribution (MAD, not quartiles)."""
    features = random.normal(3.0, [[[1.0]], [[20.0]]], size=(2, 50, 400))
    expected = scaler.fit_transform(features.reshape(2, -1).T).T.reshape(features.shape)
    found = apply_normalization(features, estimate_normalization_params(features, method=method))
    if method == "robust":
        mads = stats.median_abs_deviation(features.reshape(2, -1), axis=1, scale="normal")
        medians = np.median(features.reshape(2, -1), axis=1)
        np.testing.assert_allclose(found, (features - medians[:, None, None]) / mads[:, None, None])
        np.testing.assert_allclose(found.std(), 1.0, atol=0.05)
    else:
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_test_data_are_scaled_by_what_training_taught(random: np.random.Generator) -> None:
    """The numbers come from the training data, and data keep their kind, metadata and labels."""
    training = trials(random.normal(5.0, 2.0, size=(3, 4, 100)))
    params = estimate_normalization_params(training)
    assert params.computed_from_n_trials == 100
    later = trials(random.normal(50.0, 2.0, size=(3, 4, 5)), labels=[1, 2, 1, 2, 1])
    scaled = apply_normalization(later, params)
    assert scaled.labels.tolist() == [1, 2, 1, 2, 1]
    assert scaled.metadata == later.metadata
    np.testing.assert_allclose(
        scaled.features, (later.features - params.means[:, None, None]) / params.stds[:, None, None]
    )
    assert scaled.features.min() > 15


def test_features_that_never_vary_are_moved_and_not_stretched() -> None:
    """No division by zero, nor by what rounding leaves of a constant."""
    features = np.stack([np.full((5, 7), 0.1 + 0.2), np.arange(35.0).reshape(5, 7)])
    for method in ("zscore", "minmax", "robust", "none"):
        scaled = apply_normalization(features, estimate_normalization_params(features, method=method))
        assert np.ptp(scaled[0]) == 0.0
        assert np.abs(scaled[0]).max() < 1.0
    np.testing.assert_array_equal(scaled, features)


@pytest.mark.parametrize(
    ("features", "method", "words"),
    [
        (np.zeros((2, 3, 4)), "quantile", "method is 'quantile'. Use one of zscore"),
        (np.zeros((3, 4)), "zscore", r"shape \(3, 4\), expected 3 axes"),
        (np.zeros((2, 3, 0)), "zscore", "nothing to learn from"),
        (np.zeros((0, 3, 1)), "zscore", "expected 3 axes"),
        (np.full((2, 3, 4), "a"), "zscore", "expected 3 axes"),
        ([[[1.0]], [[1.0, 2.0]]], "zscore", "ragged"),
        (np.full((2, 3, 4), np.nan), "zscore", "not finite"),
        (np.full((2, 3, 4), np.inf), "robust", "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_normalization_of_what_cannot_be_scaled_is_refused(features, method: str, words: str) -> None:
    """What is wrong is told."""
    with pytest.raises(CoreDataError, match=words):
        estimate_normalization_params(features, method=method)


def test_parameters_of_other_features_are_refused() -> None:
    """Their number must agree."""
    params = estimate_normalization_params(np.random.default_rng(1).normal(size=(2, 3, 4)))
    with pytest.raises(CoreDataError, match=r"shape \(3, 3, 4\), the parameters are those of 2"):
        apply_normalization(np.zeros((3, 3, 4)), params)


def test_a_chunk_is_scaled_as_the_trials_are() -> None:
    """Two axes are a chunk of a stream."""
    trials = np.random.default_rng(1).normal(size=(2, 3, 4))
    params = estimate_normalization_params(trials)
    scaled = apply_normalization(trials, params)
    np.testing.assert_array_equal(apply_normalization(trials[:, :, 1], params), scaled[:, :, 1])
    with pytest.raises(CoreDataError, match=r"of shape \(2,\), expected 3 axes"):
        apply_normalization(trials[:, 0, 0], params)
    with pytest.raises(CoreDataError, match=r"of shape \(2, 3\), expected 3 axes"):
        estimate_normalization_params(trials[:, :, 1])


def test_what_was_not_measured_is_not_scaled() -> None:
    """NaN is found with its place, in trials as in a chunk."""
    trials = np.ones((2, 3, 4))
    params = estimate_normalization_params(trials)
    trials[1, 2, 3] = np.nan
    with pytest.raises(CoreDataError, match=r"the first \(nan\) at feature 1, sample 2, trial 3, counted"):
        apply_normalization(trials, params)
    with pytest.raises(CoreDataError, match=r"at feature 1, sample 2, counted"):
        apply_normalization(trials[:, :, 3], params)


def test_good_data_have_nothing_to_report() -> None:
    """All simulated paradigms pass without a warning."""
    for paradigm in ("motor_imagery", "p300", "ssvep"):
        data = simulate(paradigm, n_trials=60, seed=3)
        report = diagnose_preprocessing(data)
        assert (report.errors, report.warnings, report.quality_score) == ((), (), 1.0)
        with warnings.catch_warnings(action="error"):
            assert validate_data(data)


def noise(n_features: int = 3, n_samples: int = 500, n_trials: int = 30) -> np.ndarray:
    """Unremarkable features."""
    return np.random.default_rng(5).normal(size=(n_features, n_samples, n_trials))


def spoiled(kind: str) -> BCIData:
    """Unremarkable features with one thing wrong."""
    features, labels = noise(), None
    times = np.arange(500) / 250.0
    if kind == "volts":
        features *= 1e-5
    elif kind == "mains":
        features[1] += 3 * np.sin(2 * np.pi * 50.0 * times)[:, None]
    elif kind == "american mains":
        features[1] += 3 * np.sin(2 * np.pi * 60.0 * times)[:, None]
    elif kind == "offset":
        features[2] += 400.0
    elif kind == "drift":
        features[0] = np.cumsum(features[0], axis=0) / 20
    elif kind == "scales":
        features[0] *= 1e4
    elif kind == "far":
        features[1, :, 7] += 60.0
    elif kind == "repeated":
        features[2] = 2 * features[0]
    elif kind == "few":
        labels = [1] * 25 + [2] * 5
    return trials(features, labels)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("volts", "look like volts of raw EEG"),
        ("mains", "Power at 50 Hz"),
        ("american mains", "Power at 60 Hz"),
        ("offset", r"Features 2 \(from 0\) are over 50 standard deviations"),
        ("drift", r"Neighbouring samples of features 0 \(from 0\)"),
        ("scales", "standard deviations .* times each other"),
        ("far", r"Trials 7 \(from 0\)"),
        ("repeated", "Features 0 and 2 correlate"),
        ("few", "Classes 2 have fewer than 10"),
    ],
)
def test_each_sign_of_trouble_is_told_alone(kind: str, words: str) -> None:
    """One thing wrong gives one warning with one recommendation, as a report and as a Python warning."""
    data = spoiled(kind)
    report = diagnose_preprocessing(data)
    assert len(report.warnings) == len(report.recommendations) == 1, report.warnings
    assert report.errors == ()
    assert report.quality_score == 0.9
    with pytest.warns(SuspiciousDataWarning, match=words):
        assert validate_data(data)


def test_unusable_data_are_errors() -> None:
    """No trials, dead features, and values that became NaN after they were checked."""
    dead = noise()
    dead[1] = 4.0
    later = noise()
    broken = trials(later)
    later[2, 0, 0] = np.nan
    for data, words in (
        (trials(noise()[..., :0]), "There are no trials"),
        (trials(dead), r"Features 1 \(from 0\) never vary"),
        (broken, r"Features 2 \(from 0\) hold values that are NaN"),
    ):
        report = diagnose_preprocessing(data)
        assert len(report.errors) == 1
        assert report.quality_score == 0.5
        with pytest.raises(CoreDataError, match=words):
            validate_data(data)


def test_small_batches_can_be_looked_at_too() -> None:
    """One trial, one sample, one feature: nothing fails for lack of numbers."""
    for shape in ((1, 1, 1), (1, 1, 50), (1, 500, 1), (5, 2, 3)):
        features = np.random.default_rng(1).normal(size=shape)
        assert diagnose_preprocessing(trials(features)).errors == ()
    listed = np.random.default_rng(1).normal(size=(9, 1, 40))
    listed[:8] = 3.0
    assert "0, 1, 2, 3, 4 and 3 more" in diagnose_preprocessing(trials(listed)).errors[0]
    all_dead = diagnose_preprocessing(trials(np.ones((2, 5, 6))))
    assert len(all_dead.errors) == 1


def test_only_data_can_be_looked_at() -> None:
    """An array without metadata is refused."""
    with pytest.raises(CoreDataError, match="data is a ndarray, not a BCIData"):
        diagnose_preprocessing(noise())


def test_reports_are_shown_escaped() -> None:
    """Tables for notebooks hold text and no markup."""
    labels = ["<b>"] * 25 + ["other"] * 5
    report = diagnose_preprocessing(trials(noise(), labels[::-1]))
    for shown in (
        report,
        assess_trial_quality([[0.9, 0.1]]),
        estimate_normalization_params(noise()),
    ):
        html = shown._repr_html_()
        assert html.startswith("<table><caption>")
        assert "<b>" not in html
        assert type(shown).__name__ in repr(shown)
    few = diagnose_preprocessing(trials(noise(), ["<b>"] * 5 + ["x"] * 25))
    assert "&lt;b&gt;" in few._repr_html_()


def test_models_tell_what_they_read_and_know() -> None:
    """Number of features and classes, and the paradigm where there is one."""
    data = simulate("p300", n_trials=60, seed=1)
    model = train_model(NimbusLDA, data)
    assert (get_n_features(model), get_n_classes(model), get_paradigm(model)) == (8, 2, "p300")
    bare = NimbusLDA().fit(data.features.mean(axis=1).T, data.labels)
    assert get_paradigm(bare) is None
    for ask in (get_n_features, get_n_classes, get_paradigm):
        with pytest.raises(AttributeError, match="not trained"):
            ask(NimbusLDA())


def test_a_feature_that_is_mostly_constant_makes_no_trial_an_outlier() -> None:
    """It has no usual distance; trials that are far in another feature are still told."""
    features = noise()
    features[0] = 0.0
    features[0, :, ::3] = np.random.default_rng(3).normal(size=features[0, :, ::3].shape)
    assert not [text for text in diagnose_preprocessing(trials(features)).warnings if "Trials" in text]
    features[1, :, 7] += 60.0
    told = [text for text in diagnose_preprocessing(trials(features)).warnings if "Trials" in text]
    assert [text[:19] for text in told] == ["Trials 7 (from 0) h"]


def test_masked_arrays_are_neither_scaled_nor_assessed() -> None:
    """What is masked would be taken for measured."""
    masked = np.ma.masked_greater(noise(), 1.0)
    params = estimate_normalization_params(noise())
    for use in (estimate_normalization_params, lambda features: apply_normalization(features, params)):
        with pytest.raises(CoreDataError, match="features are a masked array"):
            use(masked)
    with pytest.raises(CoreDataError, match="posteriors are a masked array"):
        assess_trial_quality(np.ma.array([[0.9, 0.1]], mask=[[0, 1]]))


def test_arguments_of_the_wrong_kind_are_named() -> None:
    """What was given, and what is wanted, in the core's own words."""
    for ask in (get_n_features, get_n_classes, get_paradigm):
        with pytest.raises(CoreTypeError, match="model is a NoneType, not a model"):
            ask(None)
    with pytest.raises(CoreTypeError, match="params is a NoneType, not a NormalizationParams"):
        apply_normalization(noise(), None)
    with pytest.raises(CoreTypeError, match="data is a list, not a BCIData"):
        validate_data([])
