"""``python -m tests.qualification.sklearn_suite``: scikit-learn's own tests with our model as classifier.

Wherever the tests of pipelines, searches, calibration, ensembles, multi-class and multi-output wrappers,
feature selection, plots and scores import one of scikit-learn's simple classifiers, they find ``NimbusLDA``
instead. Counted are the tests that make an instance of it. Many of them can pass with no Gaussian classifier:
sparse matrices, several outputs, attributes of trees and support vectors; GaussianNB, run in the same way, is
the scale. It ends with 1 where fewer than `FEWEST` pass.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import sklearn

from tests.qualification.sklearn_replacement import ROOT

MODULES = (
    "ensemble.tests.test_bagging",
    "ensemble.tests.test_base",
    "ensemble.tests.test_stacking",
    "ensemble.tests.test_voting",
    "ensemble.tests.test_weight_boosting",
    "feature_selection.tests.test_from_model",
    "feature_selection.tests.test_rfe",
    "feature_selection.tests.test_sequential",
    "frozen.tests.test_frozen",
    "inspection._plot.tests.test_boundary_decision_display",
    "inspection.tests.test_partial_dependence",
    "inspection.tests.test_permutation_importance",
    "metrics._plot.tests.test_common_curve_display",
    "metrics._plot.tests.test_confusion_matrix_display",
    "metrics._plot.tests.test_det_curve_display",
    "metrics._plot.tests.test_precision_recall_display",
    "metrics._plot.tests.test_roc_curve_display",
    "metrics.tests.test_score_objects",
    "model_selection.tests.test_classification_threshold",
    "model_selection.tests.test_plot",
    "model_selection.tests.test_search",
    "model_selection.tests.test_successive_halving",
    "model_selection.tests.test_validation",
    "semi_supervised.tests.test_self_training",
    "tests.test_base",
    "tests.test_calibration",
    "tests.test_multiclass",
    "tests.test_multioutput",
    "tests.test_pipeline",
    "utils.tests.test_response",
)
FEWEST = 985
"""The number of tests that have to pass."""

Outcomes = dict[str, tuple[str, int, str]]


def run(classifier: str, module: str, report: Path) -> Outcomes:
    """Run a module with a classifier in place of scikit-learn's; the outcome of each test that used it."""
    plugin = ["-p", "tests.qualification.sklearn_replacement", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-c", os.devnull, *plugin),
            *("--continue-on-collection-errors", "--timeout", "120"),
            *("--pyargs", f"sklearn.{module}"),
        ],
        cwd=Path(sklearn.__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CLASSIFIER": classifier, "REPORT": str(report)},
        capture_output=True,
        text=True,
        check=False,
    )
    if not report.exists():
        raise RuntimeError(f"{done.stdout}\n{done.stderr}")
    outcomes: Outcomes = json.loads(report.read_text())
    return {
        name: (outcome, uses, reason)
        for name, (outcome, uses, reason) in outcomes.items()
        if uses and outcome != "skipped"
    }


def count_passed(outcomes: Outcomes) -> int:
    """The number of tests that passed."""
    return sum(outcome == "passed" for outcome, _, _ in outcomes.values())


def summarize(outcomes: Outcomes) -> str:
    """The reasons of failures by how often they occur."""
    reasons: Counter[str] = Counter()
    for outcome, _, reason in outcomes.values():
        errors = [line for line in reason.splitlines() if line.startswith("E ")]
        if outcome != "passed":
            reasons[(errors or [reason[-80:]])[-1].lstrip("E ")[:100]] += 1
    return "\n".join(f"{count:4} times {text}" for text, count in reasons.most_common())


def main() -> int:
    """Run all modules, print what passed of each as it ends, and end with 1 where it is too little."""
    parser = argparse.ArgumentParser(prog="python -m tests.qualification.sklearn_suite", description=__doc__)
    parser.add_argument("--classifier", default="NimbusLDA", help="NimbusLDA, NimbusQDA or GaussianNB")
    parser.add_argument("--report", type=Path, help="a file for every outcome")
    chosen = parser.parse_args()
    outcomes: Outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        for module in MODULES:
            found = run(chosen.classifier, module, Path(folder, f"{module}.json"))
            print(f"{module}: {count_passed(found)} of {len(found)}", flush=True)
            outcomes.update(found)
            if chosen.report is not None:
                chosen.report.write_text(json.dumps(outcomes))
    print(summarize(outcomes))
    passed = count_passed(outcomes)
    print(f"{chosen.classifier}: {passed} of {len(outcomes)} tests pass, at least {FEWEST} should")
    return 0 if passed >= FEWEST else 1


if __name__ == "__main__":
    sys.exit(main())
