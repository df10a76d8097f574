"""``python -m tests.qualification.benchmarks.distinctness``: is a trial without an effect recognized?

Models learn from labelled trials alone and decide on streams of other such trials and of trials without any
effect. Beside them, the best that is possible: the likelihood ratio of a decoder that has learned from
thousands of trials without an effect, too (J. Neyman and E. S. Pearson, 1933), at the threshold that loses as
many trials of the classes. ``--write`` puts the table into ``docs/accuracy.md``. It ends with 1 where more
than one real trial in ten is lost.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis

from tests.qualification.benchmarks import page
from tests.qualification.benchmarks.decoding import PAGE
from tests.qualification.benchmarks.decoding_sets import (
    Floats,
    Labels,
    choose_runs,
    filter_lines,
    load_recording,
)

from nimbus_sdk_core import (  # isort: skip
    BCIData,
    BCIMetadata,
    NimbusLDA,
    finalize_trial,
    init_streaming,
    predict_batch,
    process_chunk,
    simulate,
    train_model,
)

SIMULATED = (
    ("motor_imagery", 2, 4, (1.25, 1.35, 1.5)),
    ("motor_imagery", 4, 4, (1.0, 1.25, 1.5)),
    ("ssvep", 4, 1, (1.0, 1.25, 1.5, 1.75, 2.0)),
    ("p300", 2, 4, (1.0,)),
)
N_KNOWN, N_NEW, N_REFERENCE = 200, 600, 1_000
MOST_LOST = 0.1
FLICKER, RATE, CHUNK = (20.0, 30.0), 256.0, 128


@dataclass(frozen=True)
class Outcome:
    """Shares of the trials of one set.

    Attributes:
        name: Of the set.
        accuracy: Of the decisions on the trials of the classes.
        lost: Trials of the classes that are taken for rest.
        simple: Trials without an effect that pass thresholds of entropy and outlier score alone, which lose
            as many trials of the classes.
        passed: Trials without an effect that are not.
        possible: The least that could be, at the same number of lost trials.
    """

    name: str
    accuracy: float
    lost: float
    simple: float
    passed: float
    possible: float


def stream(model: NimbusLDA, trials: BCIData, chunk_size: int) -> tuple[Labels, Labels]:
    """The prediction for each trial, and whether it is taken for rest."""
    session, predictions, at_rest = init_streaming(model, trials.metadata), [], []
    for trial in range(trials.n_trials):
        for start in range(0, trials.n_samples, chunk_size):
            process_chunk(session, trials.features[:, start : start + chunk_size, trial])
        decision = finalize_trial(session)
        predictions.append(decision.prediction)
        at_rest.append(decision.is_rest)
    return np.array(predictions), np.array(at_rest)


def least_passed(log_shares: Floats, of_rest: Floats, lost: float) -> float:
    """Trials without an effect that pass at the threshold of the likelihood ratio that loses that share.

    Args:
        log_shares: Log posteriors of trials of the classes; the first column is that of no effect.
        of_rest: Those of trials without an effect.
        lost: Share of trials of the classes.
    """
    ratios, at_rest = (logsumexp(each[:, 1:], axis=1) - each[:, 0] for each in (log_shares, of_rest))
    return float(np.mean(at_rest > np.quantile(ratios, lost)))


def simply_passed(model: NimbusLDA, new: BCIData, rest: BCIData, lost: float) -> float:
    """Trials without an effect within thresholds of entropy and outlier score, each of which loses half."""
    trials, at_rest = (predict_batch(model, data) for data in (new, rest))
    is_usual = np.ones(rest.n_trials, np.bool_)
    for name in ("entropy", "outlier_scores"):
        is_usual &= getattr(at_rest, name) <= np.quantile(getattr(trials, name), 1.0 - 0.5 * lost)
    return float(is_usual.mean())


def decode_simulated(paradigm: str, n_classes: int, chunk_size: int, effect: float) -> Outcome:
    """One strength of the effect; 1 is what the simulator takes for realistic."""

    def draw(n_trials: int, seed: int, strength: float) -> BCIData:
        return simulate(paradigm, n_trials=n_trials, seed=seed, n_classes=n_classes, effect=strength)

    known = draw(N_KNOWN, 1, effect)
    about = replace(known.metadata, chunk_size=chunk_size)
    model = train_model(NimbusLDA, BCIData(known.features, about, known.labels))
    new, rest = draw(N_NEW, 2, effect), draw(N_NEW, 3, 0.0)
    predictions, lost = stream(model, new, chunk_size)
    _, found = stream(model, rest, chunk_size)
    many, without = draw(N_REFERENCE, 4, effect), draw(N_REFERENCE, 5, 0.0)
    best = QuadraticDiscriminantAnalysis().fit(
        np.concatenate([without.vectors(), many.vectors()]),
        np.concatenate([np.zeros(N_REFERENCE), np.asarray(many.labels)]),
    )
    possible = least_passed(
        best.predict_log_proba(new.vectors()), best.predict_log_proba(rest.vectors()), float(lost.mean())
    )
    name = f"simulated {paradigm.replace('_', ' ')}, {n_classes} classes, effect {effect:g}"
    right = float(np.mean(predictions == new.labels))
    simple = simply_passed(model, new, rest, float(lost.mean()))
    return Outcome(name, right, float(lost.mean()), simple, float(1.0 - found.mean()), possible)


def without_flicker(epochs: Floats) -> Floats:
    """The epochs without their oscillations at the flicker frequencies, which are regressed out."""
    time = np.arange(epochs.shape[2]) / RATE
    waves = np.stack(
        [wave(2.0 * np.pi * line * time) for line in FLICKER for wave in (np.sin, np.cos)], axis=1
    )
    return np.asarray(epochs - epochs @ np.linalg.pinv(waves).T @ waves.T)


def decode_recorded() -> Outcome:
    """The SSVEP recording, each run in turn decoded after learning from the others."""
    found = load_recording("muse_ssvep_subject1")
    about = BCIMetadata(RATE, "ssvep", "bandpower", 8, 2, temporal_aggregation="logvar", chunk_size=CHUNK)
    flicker, rest = filter_lines(found.epochs), filter_lines(without_flicker(found.epochs))
    right, lost, simple, passed, log_shares, of_rest = [], [], [], [], [], []
    for known in choose_runs(found.runs, learn_from_one=False):
        data = BCIData(flicker[known].transpose(1, 2, 0), about, found.labels[known])
        model = train_model(NimbusLDA, data)
        predictions, at_rest = stream(model, BCIData(flicker[~known].transpose(1, 2, 0), about), CHUNK)
        right += (predictions == found.labels[~known]).tolist()
        lost += at_rest.tolist()
        passed += (~stream(model, BCIData(rest[~known].transpose(1, 2, 0), about), CHUNK)[1]).tolist()
        new, without = (BCIData(each[~known].transpose(1, 2, 0), about) for each in (flicker, rest))
        simple.append(simply_passed(model, new, without, float(np.mean(at_rest))))
        vectors, others = np.log(flicker.var(axis=2)), np.log(rest.var(axis=2))
        best = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(
            np.concatenate([others[known], vectors[known]]),
            np.concatenate([np.zeros(known.sum()), found.labels[known]]),
        )
        log_shares.append(best.predict_log_proba(vectors[~known]))
        of_rest.append(best.predict_log_proba(others[~known]))
    possible = least_passed(np.concatenate(log_shares), np.concatenate(of_rest), float(np.mean(lost)))
    name = "SSVEP recording, flicker regressed out"
    right_share, lost_share, by_simple, by_us = (
        float(np.mean(each)) for each in (right, lost, simple, passed)
    )
    return Outcome(name, right_share, lost_share, by_simple, by_us, possible)


def write(outcomes: list[Outcome]) -> None:
    """The section of the page."""
    heads = [
        "trials",
        "accuracy",
        "real trials lost",
        "trials without effect that pass entropy and outlier score",
        "that pass is_rest",
        "that pass a discriminant which knows them",
    ]
    rows = [
        [
            each.name,
            *(
                f"{share:.0%}"
                for share in (each.accuracy, each.lost, each.simple, each.passed, each.possible)
            ),
        ]
        for each in outcomes
    ]
    text = (
        "`is_rest` of a decision is to lose one real trial in twenty. It compares the trial with the classes "
        "and with trials without an effect, of which the model has seen none: each feature is then as in "
        "the classes whose effect leaves it as it is. How many trials without any effect pass depends on "
        "how far the classes are from them, and no test can do better than the likelihood ratio. The last "
        "column has that of a discriminant which has learned from a thousand trials without an effect, too. "
        "Beside `is_rest`, thresholds of entropy and outlier score for whole trials. All lose as many real "
        "ones. To use trials without an effect, make them a class of their own. In P300, a flash that "
        "nobody awaited is itself nearly without an effect.\n\n"
        f"{page.markdown(heads, rows)}\n\n"
        "`python -m tests.qualification.benchmarks.distinctness --write` measures this table."
    )
    page.put("Trials without an effect", text, PAGE)


def main() -> int:
    """Measure, print, and write the table where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.qualification.benchmarks.distinctness", description=__doc__
    )
    parser.add_argument("--write", action="store_true", help="into accuracy.md")
    chosen = parser.parse_args()
    outcomes = [
        decode_simulated(name, n_classes, size, effect)
        for name, n_classes, size, effects in SIMULATED
        for effect in effects
    ]
    outcomes.append(decode_recorded())
    print(*outcomes, sep="\n")
    if chosen.write:
        write(outcomes)
    return 0 if all(each.lost <= MOST_LOST for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
