"""Signs of wrong preprocessing."""

import warnings

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, BCIMetadata, CoreDataError
from nimbus_sdk_core.checks.preprocessing import diagnose_preprocessing
from nimbus_sdk_core.checks.validation import SuspiciousDataWarning, validate_data
from nimbus_sdk_core.data.normalization import estimate_normalization_params
from nimbus_sdk_core.decoding.trial_quality import assess_trial_quality

from tests.reference_core.support import simulate_epochs, simulated


def trials(features: np.ndarray, labels=None, rate: float = 250.0, **changes: object) -> BCIData:
    """Features as data of two classes."""
    about = BCIMetadata(rate, "motor_imagery", "csp", len(features), 2, **changes)
    return BCIData(features, about, labels)


def test_good_data_have_no_problems() -> None:
    """All simulated paradigms pass without a warning."""
    for paradigm in ("motor_imagery", "p300", "ssvep"):
        data = simulated(paradigm, n_trials=60, seed=3)
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
        ("volts", "look like raw EEG in volts"),
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
def test_each_problem_is_reported_alone(kind: str, words: str) -> None:
    """One thing wrong gives one warning with one recommendation, as a report and as a Python warning."""
    data = spoiled(kind)
    report = diagnose_preprocessing(data)
    assert len(report.warnings) == len(report.recommendations) == 1, report.warnings
    assert report.errors == ()
    assert report.quality_score == 0.9
    with pytest.warns(SuspiciousDataWarning, match=words):
        assert validate_data(data)


def rhythms(n_channels: int = 6, n_trials: int = 40) -> np.ndarray:
    """Band-passed noise of 10 Hz with a phase of its own in each trial, and a little white noise."""
    random = np.random.default_rng(6)
    times = np.arange(300) / 250.0
    phases = random.uniform(0.0, 2.0 * np.pi, (n_channels, 1, n_trials))
    sizes = random.lognormal(0.0, 0.4, (n_channels, 1, n_trials))
    waves = sizes * np.sin(2.0 * np.pi * 10.3 * times[:, None] + phases)
    return waves + 0.3 * random.normal(size=waves.shape)


def test_oscillations_are_for_powers_and_not_for_levels() -> None:
    """Under "mean" and "median" they cancel, which is reported; under "logvar" they are what is used."""
    for way in ("mean", "median"):
        (text,) = diagnose_preprocessing(trials(rhythms(), temporal_aggregation=way)).warnings
        assert "0, 1, 2, 3, 4 and 1 more (from 0) oscillate" in text
    assert diagnose_preprocessing(trials(rhythms(), temporal_aggregation="logvar")).warnings == ()


@pytest.mark.parametrize("factor", [30.0, 1.0 / 30.0])
@pytest.mark.parametrize("n_channels", [3, 6])
def test_a_channel_of_another_power_is_found(factor: float, n_channels: int) -> None:
    """A loose electrode or another gain shows in the powers of "logvar", in volts too."""
    for scale in (1.0, 1e-5):
        features = scale * rhythms(n_channels)
        features[2] *= factor
        (text,) = diagnose_preprocessing(trials(features, temporal_aggregation="logvar")).warnings
        assert text.startswith("Features 2 (from 0) vary over 20 times more or less")


@pytest.mark.parametrize("n_trials", [1, 3, 40])
def test_hum_in_one_channel_is_found(n_trials: int) -> None:
    """However many other channels there are; noise alone has none, however few trials there are."""
    features = np.random.default_rng(4).normal(size=(64, 500, n_trials))
    assert not [text for text in diagnose_preprocessing(trials(features)).warnings if "Hz" in text]
    features[40] += 2.0 * np.sin(100.0 * np.pi * np.arange(500) / 250.0)[:, None]
    found = [text for text in diagnose_preprocessing(trials(features)).warnings if "Hz" in text]
    assert len(found) == 1
    assert found[0].startswith("Power at 50 Hz in features 40 (from 0)")


def test_volts_that_are_meant_are_no_problem() -> None:
    """Recordings in volts, and powers of them, are as good as any."""
    for changes in ({"unit": "V"}, {"temporal_aggregation": "logvar"}):
        assert diagnose_preprocessing(trials(1e-5 * noise(), **changes)).warnings == ()
    epochs = BCIData.from_epochs(simulate_epochs(1), paradigm="motor_imagery")
    assert diagnose_preprocessing(epochs).warnings == ()


def test_trials_are_judged_by_what_the_aggregation_uses() -> None:
    """A burst of noise leaves the mean where it was, and shows in the power; an offset does the opposite."""
    burst, offset = noise(6), noise(6)
    burst[:, :, 7] *= 50.0
    offset[1, :, 7] += 40.0
    for features, way in ((burst, "logvar"), (offset, "mean")):
        (text,) = diagnose_preprocessing(trials(features, temporal_aggregation=way)).warnings
        assert text.startswith("Trials 7 (from 0)")
    assert diagnose_preprocessing(trials(offset, temporal_aggregation="logvar")).warnings == ()
    still = noise(6)
    still[3, :, 5] = 2.0
    report = diagnose_preprocessing(trials(still, temporal_aggregation="logvar"))
    assert "Feature 3 does not vary within trial 5" in report.errors[0]


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


def test_small_batches_can_be_checked() -> None:
    """One trial, one sample, one feature: nothing fails for lack of numbers."""
    for shape in ((1, 1, 1), (1, 1, 50), (1, 500, 1), (5, 2, 3)):
        features = np.random.default_rng(1).normal(size=shape)
        assert diagnose_preprocessing(trials(features)).errors == ()
    listed = np.random.default_rng(1).normal(size=(9, 1, 40))
    listed[:8] = 3.0
    assert "0, 1, 2, 3, 4 and 3 more" in diagnose_preprocessing(trials(listed)).errors[0]
    all_dead = diagnose_preprocessing(trials(np.ones((2, 5, 6))))
    assert len(all_dead.errors) == 1


def test_only_bci_data_can_be_checked() -> None:
    """An array without metadata is refused."""
    with pytest.raises(CoreDataError, match="data is an ndarray, not a BCIData"):
        diagnose_preprocessing(noise())


def test_reports_are_displayed_escaped() -> None:
    """Tables for notebooks hold text and no markup."""
    labels = ["<b>"] * 25 + ["other"] * 5
    report = diagnose_preprocessing(trials(noise(), labels[::-1]))
    for shown in (
        report,
        assess_trial_quality([[0.9, 0.1]]),
        estimate_normalization_params(noise()),
    ):
        html = shown._repr_html_()
        assert html.startswith("<table><caption")
        assert "<b>" not in html
        assert type(shown).__name__ in repr(shown)
    few = diagnose_preprocessing(trials(noise(), ["<b>"] * 5 + ["x"] * 25))
    assert "&lt;b&gt;" in few._repr_html_()


def test_a_feature_that_is_mostly_constant_makes_no_trial_an_outlier() -> None:
    """It has no typical distance; trials that are far in another feature are still reported."""
    features = noise()
    features[0] = 0.0
    features[0, :, ::3] = np.random.default_rng(3).normal(size=features[0, :, ::3].shape)
    assert not [text for text in diagnose_preprocessing(trials(features)).warnings if "Trials" in text]
    features[1, :, 7] += 60.0
    reported = [text for text in diagnose_preprocessing(trials(features)).warnings if "Trials" in text]
    assert [text[:19] for text in reported] == ["Trials 7 (from 0) h"]


@pytest.mark.parametrize("aggregation", ["mean", "logvar"])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.85, 0.15)])
def test_classes_that_differ_clearly_make_no_trial_an_outlier(
    aggregation: str, shares: tuple[float, float]
) -> None:
    """Nor are features redundant that tell the same classes apart; a trial far from its class is reported."""
    features, labels = noise(n_trials=60), np.repeat([1, 2], np.rint(60 * np.array(shares)).astype(int))
    if aggregation == "logvar":
        features[:2] *= np.where(labels == 2, 6.0, 1.0)
    else:
        features[:2] += np.where(labels == 2, 4.0, 0.0)
    data = trials(features, labels, temporal_aggregation=aggregation)
    assert not [text for text in diagnose_preprocessing(data).warnings if "Trials" in text or "corr" in text]
    features[2, :, 7] *= 40.0
    features[2, :, 7] += 60.0
    data = trials(features, labels, temporal_aggregation=aggregation)
    reported = [text for text in diagnose_preprocessing(data).warnings if "Trials" in text]
    assert [text[:17] for text in reported] == ["Trials 7 (from 0)"]
    assert "from the median of their class" in reported[0]
