"""``python -m tests.qualification.benchmarks.decoding``: how well the models decode, beside others.

Every contender learns from the same trials and decodes the same others, on simulated sets and on real EEG. A
figure is the mean over the splits of a set; the spread is its standard deviation over them. Log loss is
compared with that of the base rate: probabilities that are the frequencies of the classes, whatever the
trial. ``--write`` puts the tables into ``docs/accuracy.md``. It ends with 1 where a promise is missed.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from tests.qualification.benchmarks import page
from tests.qualification.benchmarks.decoding_sets import ROOT, Floats, Labels, Split, TrialSet, trial_sets
from tests.qualification.benchmarks.measures import Verdict

from nimbus_sdk_core import NimbusLDA, NimbusQDA  # isort: skip
from nimbus_sdk_core.decoding import metrics  # isort: skip
from nimbus_sdk_core.decoding.confidence_calibration import measure_calibration  # isort: skip

PAGE = ROOT / "docs" / "accuracy.md"
OURS, SHRINKAGE = "NimbusLDA", "shrinkage LDA"
MEASURES = ("accuracy", "balanced accuracy", "AUC", "log loss", "calibration error")


def build_contenders() -> dict[str, object]:
    """Untrained classifiers of vectors, by name."""
    # Imported here: the default run imports this module in each of its processes, and calls it in one.
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        OURS: NimbusLDA(),
        "NimbusQDA": NimbusQDA(),
        "LDA": LinearDiscriminantAnalysis(),
        SHRINKAGE: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)),
        "GaussianNB": GaussianNB(),
    }


def build_riemannian() -> dict[str, object]:
    """Untrained classifiers of covariances, by name."""
    from pyriemann.classification import MDM
    from pyriemann.tangentspace import TangentSpace
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "MDM": MDM(),
        "tangent space": make_pipeline(TangentSpace(), StandardScaler(), LogisticRegression(max_iter=1_000)),
    }


@dataclass(frozen=True)
class Outcome:
    """What the contenders reached on the splits of a set.

    Attributes:
        name: Of the set.
        recorded: Whether it is real EEG.
        figures: By contender and measure, one for each split.
        base_rate: Log loss of the class frequencies, one for each split.
        reservation: Why no decoder of these vectors can know how certain to be, else empty.
    """

    name: str
    recorded: bool
    figures: Mapping[str, Mapping[str, Sequence[float]]]
    base_rate: Sequence[float]
    reservation: str = ""

    def mean(self, contender: str, measure: str) -> float:
        """Mean over the splits."""
        return float(np.mean(self.figures[contender][measure]))

    def best(self) -> str:
        """The contender with the lowest log loss, our default among them and no other of ours."""
        names = [name for name in self.figures if name == OURS or not name.startswith("Nimbus")]
        return min(names, key=lambda name: self.mean(name, "log loss"))

    def behind(self) -> float:
        """By how much the log loss of our default is above the lowest, in standard errors of the lowest.

        The rule of one standard error: L. Breiman et al., Classification and Regression Trees (1984), 3.4.3.
        """
        lowest = self.figures[self.best()]["log loss"]
        error = float(np.std(lowest, ddof=1)) / np.sqrt(len(lowest))
        return (self.mean(OURS, "log loss") - self.mean(self.best(), "log loss")) / error

    def by_base_rate(self) -> float:
        """The log loss of our default in parts of that of the base rate."""
        return self.mean(OURS, "log loss") / float(np.mean(self.base_rate))

    def auc_below_shrinkage(self) -> float:
        """By how much the AUC of our default is below that of LDA with automatic shrinkage."""
        return self.mean(SHRINKAGE, "AUC") - self.mean(OURS, "AUC")


def measure(probabilities: Floats, truth: npt.NDArray[np.intp]) -> dict[str, float]:
    """All measures of a decoded split."""
    best = probabilities.argmax(axis=1)
    calibration = measure_calibration(probabilities.max(axis=1), best == truth)
    return {
        "accuracy": float(np.mean(best == truth)),
        "balanced accuracy": metrics.balanced_accuracy(probabilities, truth),
        "AUC": metrics.roc_auc(probabilities, truth),
        "log loss": metrics.log_loss(probabilities, truth),
        "calibration error": calibration.expected_error,
    }


def decode_split(split: Split) -> tuple[dict[str, dict[str, float]], float]:
    """Measures of every contender, and the log loss of the base rate."""
    classes = np.unique(split.known_labels)
    truth = np.searchsorted(classes, split.new_labels)
    found = {
        name: measure(fit_and_decode(model, split.known, split.known_labels, split.new), truth)
        for name, model in build_contenders().items()
    }
    if split.known_covariances is not None and split.new_covariances is not None:
        for name, model in build_riemannian().items():
            decoded = fit_and_decode(
                model, split.known_covariances, split.known_labels, split.new_covariances
            )
            found[name] = measure(decoded, truth)
    shares = np.bincount(np.searchsorted(classes, split.known_labels)) / len(split.known_labels)
    return found, float(-np.log(shares[truth]).mean())


def fit_and_decode(model: object, known: Floats, labels: Labels, new: Floats) -> Floats:
    """Probabilities of the classes for trials that the model has not seen."""
    with warnings.catch_warnings():
        # Plain LDA warns of features that depend on each other where trials are fewer than features.
        warnings.simplefilter("ignore")
        decoded: Floats = model.fit(known, labels).predict_proba(new)  # type: ignore[attr-defined]
    return decoded


def decode_set(trials: TrialSet) -> Outcome:
    """All splits of a set."""
    results = [decode_split(split) for split in trials.splits()]
    figures = {
        contender: {name: [found[contender][name] for found, _ in results] for name in MEASURES}
        for contender in results[0][0]
    }
    base_rates = [base for _, base in results]
    return Outcome(trials.name, trials.recorded, figures, base_rates, trials.reservation)


def verdicts(outcomes: Sequence[Outcome]) -> list[Verdict]:
    """What was promised of the figures."""
    within = float(np.mean([outcome.behind() <= 1.0 for outcome in outcomes]))
    promise = "first or within a standard error of it in log loss"
    found = [Verdict(promise, within, 0.8, "of the sets", at_least=True)]
    for outcome in outcomes:
        if outcome.recorded:
            if not outcome.reservation:
                promise = f"log loss by the base rate's, {outcome.name}"
                found.append(Verdict(promise, outcome.by_base_rate(), 1.0, "times"))
            less = outcome.auc_below_shrinkage()
            found.append(Verdict(f"AUC below that of shrinkage LDA, {outcome.name}", less, 0.01, ""))
    less = float(np.mean([outcome.auc_below_shrinkage() for outcome in outcomes]))
    found.append(Verdict("AUC below that of shrinkage LDA, mean of all sets", less, 0.01, ""))
    return found


def summary(outcomes: Sequence[Outcome]) -> str:
    """Where our default loses, first, and then the rest."""
    lost = sorted((each for each in outcomes if each.behind() > 1.0), key=lambda each: -each.behind())
    places = "; ".join(
        f"{each.name} ({each.best()} {each.mean(each.best(), 'log loss'):.3f}, "
        f"{OURS} {each.mean(OURS, 'log loss'):.3f})"
        for each in lost
    )
    behind = [each for each in outcomes if each.auc_below_shrinkage() > 0.01]
    rankings = "; ".join(
        f"{each.name} ({each.mean(SHRINKAGE, 'AUC'):.3f}, {each.mean(OURS, 'AUC'):.3f})" for each in behind
    )
    texts = [
        f"{OURS} is worse than the base rate on: {each.name} ({np.mean(each.base_rate):.3f}, "
        f"{OURS} {each.mean(OURS, 'log loss'):.3f})"
        + (f": {each.reservation}" if each.reservation else "")
        + "."
        for each in outcomes
        if each.by_base_rate() > 1.0
    ]
    if lost:
        beyond = "by more than one standard error of the first"
        texts.append(f"{OURS} loses in log loss, {beyond}, on: {places}.")
    if behind:
        texts.append(f"Its AUC is more than 0.01 below that of {SHRINKAGE} on: {rankings}.")
    among = f"On {len(outcomes) - len(lost)} of {len(outcomes)} sets"
    texts.append(f"{among} it is first in log loss, or within one standard error of the first.")
    return "\n\n".join(texts)


def table_of_losses(outcomes: Sequence[Outcome]) -> str:
    """Log loss of every contender on every set, the lowest in bold."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.figures))
    rows = []
    for outcome in outcomes:
        cells = []
        for name in names:
            if name not in outcome.figures:
                cells.append("")
                continue
            lowest = min(outcome.mean(other, "log loss") for other in outcome.figures)
            loss = outcome.mean(name, "log loss")
            cells.append(f"**{loss:.3f}**" if loss == lowest else f"{loss:.3f}")
        rows.append([outcome.name, f"{np.mean(outcome.base_rate):.3f}", *cells])
    return page.markdown(["set", "base rate", *names], rows)


def table_of_measures(outcome: Outcome) -> str:
    """All measures of one set, with their standard deviation over the splits."""
    rows = []
    for contender, figures in outcome.figures.items():
        cells = [f"{np.mean(figures[name]):.3f} ± {np.std(figures[name], ddof=1):.3f}" for name in MEASURES]
        rows.append([contender, *cells])
    return page.markdown(["contender", *MEASURES], rows)


def write(outcomes: Sequence[Outcome]) -> None:
    """The page of the documentation."""
    page.put("Where it loses", summary(outcomes), PAGE)
    page.put("Log loss", f"The lowest of each set is in bold.\n\n{table_of_losses(outcomes)}", PAGE)
    recorded = [outcome for outcome in outcomes if outcome.recorded]
    text = "\n\n".join(f"{outcome.name}:\n\n{table_of_measures(outcome)}" for outcome in recorded)
    page.put("Real EEG", f"Means over the runs, with their standard deviation.\n\n{text}", PAGE)
    others = [outcome for outcome in outcomes if not outcome.recorded]
    text = "\n\n".join(f"{outcome.name}:\n\n{table_of_measures(outcome)}" for outcome in others)
    page.put("Simulated sets", f"Means over the splits, with their standard deviation.\n\n{text}", PAGE)
    made = f"scikit-learn {version('scikit-learn')}, NumPy {np.__version__}; {page.machine()}"
    command = "`python -m tests.qualification.benchmarks.decoding --write` measures this page"
    page.put("How it was measured", f"{command}. {made}", PAGE)


def main() -> int:
    """Decode all sets, print the tables, and end with 1 where a promise is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.qualification.benchmarks.decoding", description=__doc__
    )
    parser.add_argument("--splits", type=int, default=20, help="of the simulated sets (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="into accuracy.md")
    chosen = parser.parse_args()
    outcomes = [decode_set(trials) for trials in trial_sets(chosen.splits)]
    print(summary(outcomes), table_of_losses(outcomes), sep="\n\n")
    for outcome in outcomes:
        print(f"\n{outcome.name} ({outcome.behind():+.1f})", table_of_measures(outcome), sep="\n")
    found = verdicts(outcomes)
    print(*found, sep="\n")
    if chosen.write:
        write(outcomes)
    return 0 if all(verdict.kept for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())
