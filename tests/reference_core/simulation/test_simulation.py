"""The simulator is seeded, documented and neither hopeless nor trivial."""

import re

import numpy as np
import pytest
from nimbus_sdk_core import CoreDataError, NimbusLDA, calibrate_model, predict_batch, simulate, train_model
from nimbus_sdk_core.simulation import class_names, signals

from tests.reference_core.support import simulated

SHAPES = {"motor_imagery": (16, 16, 4), "p300": (8, 16, 2), "ssvep": (12, 4, 4)}
PARADIGMS = pytest.mark.parametrize("paradigm", SHAPES)


@PARADIGMS
def test_shapes_and_labels(paradigm: str) -> None:
    """Features, samples and classes are as documented; labels count from 1 and are balanced."""
    data = simulate(paradigm, n_trials=41, seed=5)
    n_features, n_samples, n_classes = SHAPES[paradigm]
    assert data.features.shape == (n_features, n_samples, 41)
    assert data.metadata.n_classes == n_classes == len(class_names(paradigm))
    counts = np.bincount(data.labels)[1:]
    assert len(counts) == n_classes
    assert np.ptp(counts) <= 1


@PARADIGMS
def test_the_same_seed_gives_the_same_trials(paradigm: str) -> None:
    """Seed and subject decide everything, and each of them matters."""
    first, again = (simulate(paradigm, n_trials=6, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.labels, again.labels)
    for other in (
        simulate(paradigm, n_trials=6, seed=6),
        simulate(paradigm, n_trials=6, seed=5, subject=1),
    ):
        assert not np.array_equal(first.features, other.features)


@PARADIGMS
def test_features_are_exact_binary_fractions(paradigm: str) -> None:
    """Multiples of 1/256, so that sums are exact and training gives the same bits everywhere."""
    features = simulate(paradigm, n_trials=6, seed=5).features
    np.testing.assert_array_equal(features * 256, np.round(features * 256))


@pytest.mark.parametrize(
    ("n_trials", "chance_error"), [(120, 0.1), pytest.param(300, 0.07, marks=pytest.mark.qualification)]
)
@pytest.mark.parametrize(
    "paradigm",
    ["p300", *(pytest.param(name, marks=pytest.mark.qualification) for name in ("ssvep", "motor_imagery"))],
)
def test_the_effect_is_all_that_distinguishes_the_classes(
    paradigm: str, n_trials: int, chance_error: float
) -> None:
    """Without effect a decoder guesses, with it the decoder does well, with more of it better."""
    found = []
    for effect in (0.0, 0.7, 1.3):
        model = train_model(NimbusLDA, simulate(paradigm, n_trials=n_trials, seed=1, effect=effect))
        found.append(
            predict_batch(model, simulate(paradigm, n_trials=n_trials, seed=2, effect=effect)).accuracy
        )
    chance = 1 / SHAPES[paradigm][2]
    assert abs(found[0] - chance) < chance_error
    assert chance + 0.15 < found[1] < found[2]


@pytest.mark.parametrize(
    "paradigm",
    ["p300", *(pytest.param(name, marks=pytest.mark.qualification) for name in ("ssvep", "motor_imagery"))],
)
def test_people_differ_so_that_calibration_shows(paradigm: str) -> None:
    """The model of one subject is worse with others than with it, and better after some of their trials."""
    base = train_model(NimbusLDA, simulate(paradigm, n_trials=400, seed=1))
    own = predict_batch(base, simulate(paradigm, n_trials=200, seed=3)).log_loss
    losses = []
    for subject in range(1, 5):
        trials = simulate(paradigm, n_trials=200, seed=3, subject=subject)
        mine = calibrate_model(base, simulate(paradigm, n_trials=200, seed=2, subject=subject))
        losses.append([predict_batch(model, trials).log_loss for model in (base, mine)])
    before, after = np.mean(losses, axis=0)
    assert own + 0.05 < before
    assert after < before - 0.03


def test_fewer_classes_may_be_requested() -> None:
    """Two of four imagined movements, with the features of two."""
    data = simulate("motor_imagery", n_trials=10, seed=1, n_classes=2)
    assert (data.metadata.n_features, sorted(set(data.labels.tolist()))) == (8, [1, 2])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"paradigm": "sleep"},
            "paradigm is 'sleep'. Use one of motor_imagery, p300, ssvep",
        ),
        ({"n_trials": 0}, "n_trials is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"n_classes": 3}, "n_classes is 3. Give a whole number from 2 to 2"),
        ({"subject": -1}, "subject is -1"),
        ({"effect": 5}, "effect is 5. Give a number from 0 to 4"),
        ({"effect": float("nan")}, "effect is nan"),
        ({"effect": "strong"}, "effect is 'strong'"),
    ],
)
def test_arguments_out_of_range_are_rejected(arguments: dict[str, object], words: str) -> None:
    """Each argument is checked by name."""
    with pytest.raises(CoreDataError, match=re.escape(words)):
        simulate(**{"paradigm": "p300", "n_trials": 4, "seed": 1, **arguments})  # type: ignore[arg-type]


def test_background_is_one_over_f() -> None:
    """Drawn signals have the requested power spectrum."""
    freqs = signals.frequencies(512, 128.0)
    drawn = signals.draw_signals(np.random.RandomState(1), (2_000,), signals.pink_spectrum(freqs), 512)
    measured = (np.abs(drawn) ** 2).mean(axis=0) / 512
    np.testing.assert_allclose(measured[8:-1], signals.pink_spectrum(freqs)[8:-1], rtol=0.1)
    low, high = np.searchsorted(freqs, [5.0, 20.0])
    assert measured[low] / measured[high] == pytest.approx(4.0, rel=0.1)


def test_imagery_lowers_the_rhythm_of_its_own_source() -> None:
    """In the band of the mu rhythm, the class's own filter loses power in that class (ERD)."""
    data = simulated("motor_imagery", n_trials=200, seed=1)
    trials = data.features.mean(axis=1)
    for k in range(4):
        own = data.labels == k + 1
        for band in range(4):
            assert trials[4 * band + k, own].mean() < trials[4 * band + k, ~own].mean()


def test_awaited_flashes_evoke_a_late_positive_wave() -> None:
    """About 380 ms after an awaited flash the parietal sensor reads microvolts more than after another."""
    data = simulate("p300", n_trials=600, seed=3)
    late = data.features.mean(axis=1)[5]
    difference = late[data.labels == 2].mean() - late[data.labels == 1].mean()
    assert 2.0 < difference < 7.0


def test_light_is_followed_at_its_frequency_and_harmonics() -> None:
    """Power rises at the frequency looked at and at twice it."""
    data = simulate("ssvep", n_trials=120, seed=3)
    trials = data.features.mean(axis=1)
    for k in range(4):
        looked_at = data.labels == k + 1
        for harmonic in (0, 1):
            row = trials[3 * k + harmonic]
            assert row[looked_at].mean() > row[~looked_at].mean() + 0.3
