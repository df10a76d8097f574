"""Labelled trials for the benchmark of decoding, cut into what is learned from and what is decoded.

Simulated sets have as many splits as are asked for, each from a seed of its own. Recordings are split by run,
since neighbouring trials of a run overlap.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "nimbus_sdk" / "reference_core" / "src"))

from nimbus_sdk_core import simulate  # noqa: E402

RECORDINGS = ROOT / "tests" / "reference_core" / "recordings"
ONE_TEMPLATE = "P300, tangent space, one run to learn from"
RESERVATIONS = {
    ONE_TEMPLATE: "its covariances hold the evoked potential of the very trials that are learned from, so "
    "that classes differ more in these than in new trials; with the potential of other trials they do not"
}
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Trials to learn from, and trials to decode.

    Attributes:
        known: Vectors to learn from, (n_trials, n_features).
        known_labels: Their labels.
        new: Vectors to decode.
        new_labels: Their labels.
        known_covariances: Of each trial to learn from, (n_trials, n, n), where the set has signals.
        new_covariances: Of each trial to decode.
    """

    known: Floats
    known_labels: Labels
    new: Floats
    new_labels: Labels
    known_covariances: Floats | None = None
    new_covariances: Floats | None = None


@dataclass(frozen=True)
class TrialSet:
    """A named set of splits.

    Attributes:
        name: What it is.
        recorded: Whether it is real EEG.
        splits: Yields the splits.
        reservation: Why no decoder of these vectors can know how certain to be, else empty.
    """

    name: str
    recorded: bool
    splits: Callable[[], Iterator[Split]]
    reservation: str = ""


def trial_sets(n_splits: int) -> list[TrialSet]:
    """All sets, the simulated ones with this number of splits."""
    rarely, heavily = partial(draw_gaussian, rare=1.0 / 6.0), partial(draw_gaussian, dof=3.0)
    gaussian = {
        "2 classes, 40 features, 80 trials": partial(draw_gaussian, 2, 40, 80, 3.0),
        "2 classes, 100 features, 60 trials": partial(draw_gaussian, 2, 100, 60, 5.0),
        "4 classes, 64 features, 160 trials": partial(draw_gaussian, 4, 64, 160, 5.0),
        "2 classes, 16 features, 1,000 trials": partial(draw_gaussian, 2, 16, 1_000, 2.0),
        "1 trial in 6 of one class, 32 features, 120 trials": partial(rarely, 2, 32, 120, 2.5),
        "Student-t tails of 3 degrees, 20 features, 100 trials": partial(heavily, 2, 20, 100, 3.0),
    }
    simulated = {
        "simulated motor imagery, 80 trials": partial(draw_simulated, "motor_imagery", 80),
        "simulated P300, 200 trials": partial(draw_simulated, "p300", 200),
        "simulated SSVEP, 60 trials": partial(draw_simulated, "ssvep", 60),
    }
    recorded: dict[str, Callable[[], Iterator[Split]]] = {
        "P300, five runs to learn from": split_p300_by_run,
        "P300, one run to learn from": partial(split_p300_by_run, learn_from_one=True),
        "P300, another day": split_p300_by_day,
        "P300, tangent space, five runs to learn from": split_p300_in_tangent_space,
        ONE_TEMPLATE: partial(split_p300_in_tangent_space, learn_from_one=True),
        "P300, tangent space, one run to learn from, templates of other trials": partial(
            split_p300_in_tangent_space, learn_from_one=True, other_trials=True
        ),
        "SSVEP, five runs to learn from": split_ssvep,
        "SSVEP, one run to learn from": partial(split_ssvep, learn_from_one=True),
        "SSVEP, tangent space, one run to learn from": split_ssvep_in_tangent_space,
        "SSVEP, tangent space of seven bands (406 features), one run to learn from": partial(
            split_ssvep_in_tangent_space, lines=(8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0)
        ),
    }
    drawn = {**gaussian, **simulated}
    return [
        *(TrialSet(name, False, partial(repeat, draw, n_splits)) for name, draw in drawn.items()),
        *(TrialSet(name, True, each, RESERVATIONS.get(name, "")) for name, each in recorded.items()),
    ]


def repeat(draw: Callable[[int], Split], n_splits: int) -> Iterator[Split]:
    """One split from each seed."""
    for seed in range(n_splits):
        yield draw(seed)


def draw_gaussian(
    n_classes: int,
    n_features: int,
    n_trials: int,
    apart: float,
    seed: int,
    *,
    rare: float | None = None,
    dof: float | None = None,
) -> Split:
    """Correlated Gaussian classes, or ones with heavy tails, about ``apart`` deviations apart."""
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(n_features, n_features)) / np.sqrt(n_features) + np.eye(n_features)
    centres = random.normal(size=(n_classes, n_features))
    centres *= apart / np.sqrt(2.0 * n_features)
    shares = np.full(n_classes, 1.0 / n_classes) if rare is None else np.array([1.0 - rare, rare])

    def draw(count: int) -> tuple[Floats, Labels]:
        edges = np.rint(np.append(0.0, np.cumsum(shares)) * count).astype(int)
        labels = random.permutation(np.repeat(np.arange(n_classes), np.diff(edges)))
        noise = random.normal(size=(count, n_features))
        if dof is not None:
            noise /= np.sqrt(random.chisquare(dof, (count, 1)) / dof)
        return (noise + centres[labels]) @ mixing, labels

    known, known_labels = draw(n_trials)
    new, new_labels = draw(1_000)
    return Split(known, known_labels, new, new_labels)


def draw_simulated(paradigm: str, n_trials: int, seed: int) -> Split:
    """Trials of the simulator: learned from one recording, decoded from another of the same person."""
    known = simulate(paradigm, n_trials=n_trials, seed=1_000 + seed, subject=seed)
    new = simulate(paradigm, n_trials=200, seed=2_000 + seed, subject=seed)
    return Split(known.vectors(), np.asarray(known.labels), new.vectors(), np.asarray(new.labels))


@dataclass(frozen=True)
class Recording:
    """Epochs in microvolts, (n_trials, n_channels, n_samples), with labels and runs."""

    epochs: Floats
    labels: Labels
    runs: Labels


@cache
def load_recording(name: str, prefix: str = "") -> Recording:
    """One recording of the files beside the tests."""
    with np.load(RECORDINGS / f"{name}.npz") as stored:
        return Recording(
            stored[f"{prefix}epochs"] / 10.0,
            stored[f"{prefix}labels"].astype(np.int64),
            stored[f"{prefix}run"].astype(np.int64),
        )


def window_means(epochs: Floats) -> Floats:
    """Amplitudes of evoked potentials: means over 47 ms from 0.1 to 0.66 s of each channel."""
    first, width, count = 26, 6, 12
    windows = epochs[:, :, first : first + width * count].reshape(len(epochs), -1, count, width)
    return windows.mean(axis=3).reshape(len(epochs), -1)


def filter_lines(epochs: Floats, lines: tuple[float, ...] = (20.0, 30.0)) -> Floats:
    """The channels in a band of 2 Hz around each line, by default the flicker's, one below the other."""
    from scipy.signal import butter, sosfiltfilt

    bands = [butter(4, [line - 1.0, line + 1.0], "bandpass", fs=256.0, output="sos") for line in lines]
    return np.concatenate([sosfiltfilt(band, epochs, axis=2) for band in bands], axis=1)


def choose_runs(runs: Labels, learn_from_one: bool) -> Iterator[npt.NDArray[np.bool_]]:
    """Which trials to learn from: all runs but one, or one alone; each run in turn."""
    for run in np.unique(runs):
        yield (runs == run) if learn_from_one else (runs != run)


def split_p300_by_run(*, learn_from_one: bool = False) -> Iterator[Split]:
    """Session 1 of the oddball."""
    from pyriemann.estimation import ERPCovariances

    found = load_recording("muse_p300_subject1", "session1_")
    vectors = window_means(found.epochs)
    for known in choose_runs(found.runs, learn_from_one):
        covariances = ERPCovariances(classes=[2], estimator="oas").fit(
            found.epochs[known], found.labels[known]
        )
        yield Split(
            vectors[known],
            found.labels[known],
            vectors[~known],
            found.labels[~known],
            covariances.transform(found.epochs[known]),
            covariances.transform(found.epochs[~known]),
        )


def split_p300_by_day() -> Iterator[Split]:
    """Learned from session 1, decoded run by run in session 2."""
    from pyriemann.estimation import ERPCovariances

    first = load_recording("muse_p300_subject1", "session1_")
    second = load_recording("muse_p300_subject1", "session2_")
    covariances = ERPCovariances(classes=[2], estimator="oas").fit(first.epochs, first.labels)
    known = covariances.transform(first.epochs)
    for run in np.unique(second.runs):
        new = second.runs == run
        yield Split(
            window_means(first.epochs),
            first.labels,
            window_means(second.epochs[new]),
            second.labels[new],
            known,
            covariances.transform(second.epochs[new]),
        )


def split_p300_in_tangent_space(
    *, learn_from_one: bool = False, other_trials: bool = False
) -> Iterator[Split]:
    """Covariances with the evoked potential of targets as vectors, that of other trials if asked for."""
    found = load_recording("muse_p300_subject1", "session1_")
    runs = choose_runs(found.runs, learn_from_one)
    for split, known in zip(split_p300_by_run(learn_from_one=learn_from_one), runs, strict=True):
        if other_trials:
            covariances = fit_templates_apart(found.epochs[known], found.labels[known])
            split = replace(split, known_covariances=covariances)
        yield into_tangent_space(split)


def fit_templates_apart(epochs: Floats, labels: Labels) -> Floats:
    """Covariances with the evoked potential of targets among the other four fifths of the trials."""
    from pyriemann.estimation import ERPCovariances

    fifth = np.arange(len(epochs)) * 5 // len(epochs)
    parts = [
        ERPCovariances(classes=[2], estimator="oas")
        .fit(epochs[fifth != k], labels[fifth != k])
        .transform(epochs[fifth == k])
        for k in range(5)
    ]
    return np.concatenate(parts)


def split_ssvep(*, learn_from_one: bool = False, lines: tuple[float, ...] = (20.0, 30.0)) -> Iterator[Split]:
    """Flicker at 20 or 30 Hz: the logarithm of the power of each channel in bands around some lines."""
    from pyriemann.estimation import Covariances

    found = load_recording("muse_ssvep_subject1")
    filtered = filter_lines(found.epochs, lines)
    vectors = np.log(filtered.var(axis=2))
    covariances = Covariances(estimator="oas").transform(filtered)
    for known in choose_runs(found.runs, learn_from_one):
        yield Split(
            vectors[known],
            found.labels[known],
            vectors[~known],
            found.labels[~known],
            covariances[known],
            covariances[~known],
        )


def split_ssvep_in_tangent_space(lines: tuple[float, ...] = (20.0, 30.0)) -> Iterator[Split]:
    """The covariances of bands around some lines as vectors."""
    for split in split_ssvep(learn_from_one=True, lines=lines):
        yield into_tangent_space(split)


def into_tangent_space(split: Split) -> Split:
    """The covariances of a split as vectors of the tangent space at the mean of those to learn from."""
    from pyriemann.tangentspace import TangentSpace

    space = TangentSpace().fit(split.known_covariances)
    return replace(
        split,
        known=space.transform(split.known_covariances),
        new=space.transform(split.new_covariances),
    )
