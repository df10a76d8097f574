"""The benchmark of decoding still runs, in a small form; its claims about real EEG hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from tests.qualification.benchmarks import decoding
from tests.qualification.benchmarks.decoding import OURS, SHRINKAGE, Outcome
from tests.qualification.benchmarks.decoding_sets import TrialSet, trial_sets


def first_splits(name: str, count: int) -> TrialSet:
    """A set with its first splits alone."""
    (found,) = [each for each in trial_sets(2) if each.name == name]
    return TrialSet(found.name, found.recorded, lambda: islice(found.splits(), count))


@pytest.mark.parametrize(
    "name",
    [
        "SSVEP, one run to learn from",
        pytest.param("P300, one run to learn from", marks=pytest.mark.qualification),
    ],
)
def test_real_eeg_is_decoded_better_than_by_the_base_rate(name: str) -> None:
    """And within a hundredth of the AUC of LDA with shrinkage, at a lower log loss than plain LDA."""
    outcome = decoding.decode_set(first_splits(name, 2))
    assert outcome.mean(OURS, "log loss") < sum(outcome.base_rate) / 2
    assert outcome.mean(OURS, "log loss") < outcome.mean("LDA", "log loss")
    assert outcome.auc_below_shrinkage() < 0.01


def invent(name: str, losses: dict[str, list[float]], auc: float) -> Outcome:
    """An outcome with these log losses."""
    figures = {
        contender: {
            measure: list(values)
            if measure == "log loss"
            else [auc if contender == OURS else 0.8] * len(values)
            for measure in decoding.MEASURES
        }
        for contender, values in losses.items()
    }
    return Outcome(name, True, figures, [0.7, 0.7])


def test_a_set_above_the_base_rate_is_named_before_all_others() -> None:
    """With the reason, if there is one why no decoder can do better."""
    worse = invent("leaky", {OURS: [0.79, 0.81], SHRINKAGE: [0.9, 0.9]}, auc=0.8)
    text = decoding.summary([replace(worse, reservation="its trials were seen")])
    assert text.startswith(
        "NimbusLDA is worse than the base rate on: leaky (0.700, NimbusLDA 0.800): its trials were seen."
    )
    assert decoding.summary([worse]).startswith("NimbusLDA is worse than the base rate on: leaky (0.700, ")


def test_sets_that_are_lost_are_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the page and in the verdicts; a loss within one standard error of the first is none."""
    lost = invent("hard", {OURS: [0.5, 0.6], SHRINKAGE: [0.2, 0.21], "MDM": [0.9, 0.9]}, auc=0.7)
    near = invent("easy", {OURS: [0.3, 0.4], SHRINKAGE: [0.25, 0.4], "NimbusQDA": [0.1, 0.1]}, auc=0.8)
    text = decoding.summary([near, lost])
    assert text.startswith(
        "NimbusLDA loses in log loss, by more than one standard error of the first, on: hard ("
    )
    assert "AUC is more than 0.01 below that of shrinkage LDA on: hard (0.800, 0.700)" in text
    assert "On 1 of 2 sets" in text
    kept = [verdict.kept for verdict in decoding.verdicts([near, lost])]
    assert kept == [False, True, True, True, False, False]
    page = tmp_path / "accuracy.md"
    page.write_text("# Accuracy\n", encoding="utf-8")
    monkeypatch.setattr(decoding, "PAGE", page)
    decoding.write([near, lost])
    written = page.read_text(encoding="utf-8")
    assert written.index("## Where it loses") < written.index("## Log loss") < written.index("## Real EEG")
    assert "| easy | 0.700 | 0.350 | 0.325 | **0.100** |" in written
