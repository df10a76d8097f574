"""``python -m tests.qualification.benchmarks.models``: the core's models beside scikit-learn's, in turns.

Every round runs all contenders, one after the other, so that whatever else the machine does meets them alike;
what is short runs several times in a row, so that none pays for caches that another left cold. Each has two
tries a round, with the BLAS threads of the environment and with one, and the better counts: threads help
where cores are idle, and cost much where another program uses them. A figure is the lower decile over the
rounds. The BLAS kernels are those of the environment as it is.

``--write`` puts the tables into the section "Models" of ``docs/performance.md``. It ends with 1 where a
promise is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from threadpoolctl import threadpool_limits

from tests.qualification.benchmarks.measures import Verdict

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "nimbus_sdk" / "reference_core" / "src"))

from nimbus_sdk_core import (  # noqa: E402
    BCIData,
    BCIMetadata,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    predict_batch,
)

PAGE = ROOT / "docs" / "performance.md"
N_FEATURES, N_CLASSES, N_SAMPLES = 16, 4, 250
LDA = "scikit-learn LDA"
RIVALS = {LDA: LinearDiscriminantAnalysis, "GaussianNB": GaussianNB}
TO_PREDICT = (1, 100, 1_000, 10_000, 100_000)
SHORTEST = 0.002
MOST_TO_INTEGRATE = 1_000
TO_TRAIN = ((200, 16), (200, 64), (1_000, 16), (10_000, 16))
"""Trials and features."""
TO_FIT_WITHIN = (1.0, 5.0, 2.0, 4.0)
"""Milliseconds, for each of these."""
TO_AGGREGATE = (1_000, 10_000)

Contenders = Mapping[str, Callable[[], object]]


@dataclass(frozen=True)
class Race:
    """Times of several contenders over the same rounds.

    Attributes:
        title: What was timed.
        times: Of each contender, in milliseconds, one a round.
        against: The contender that the others are compared with.
    """

    title: str
    times: Mapping[str, Sequence[float]]
    against: str

    def figure(self, name: str) -> float:
        """The time that nine of ten rounds took longer than, in milliseconds."""
        return float(np.quantile(self.times[name], 0.1))

    def ratio(self, name: str) -> float:
        """This contender's figure by that of the one it is compared with."""
        return self.figure(name) / self.figure(self.against)

    def row(self, names: Sequence[str]) -> str:
        """One row of a table in Markdown, empty for contenders who did not run."""
        cells = [f"{self.figure(name):.3f}" if name in self.times else "" for name in names]
        ratios = [f"{self.ratio(name):.2f}" if name in self.times else "" for name in ours(names)]
        return f"| {self.title} | {' | '.join([*cells, *ratios])} |"


def ours(names: Sequence[str]) -> list[str]:
    """The contenders from this repository."""
    return [name for name in names if name.startswith("Nimbus")]


def race(title: str, contenders: Contenders, against: str, rounds: int) -> Race:
    """Run all contenders in turns."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            free = timed(run)
            with threadpool_limits(limits=1, user_api="blas"):
                times[name].append(min(free, timed(run)))
    return Race(title, times, against)


def timed(run: Callable[[], object]) -> float:
    """Milliseconds a run, over as many as fit into two milliseconds, after one that does not count."""
    run()
    runs, started = 0, time.perf_counter()
    while not runs or time.perf_counter() - started < SHORTEST:
        run()
        runs += 1
    return 1e3 * (time.perf_counter() - started) / runs


def trials(
    n_trials: int, seed: int, n_features: int = N_FEATURES
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Gaussian trials of four classes that overlap, and their labels from 1."""
    random = np.random.default_rng(seed)
    places = np.random.default_rng(0).normal(size=(N_CLASSES, n_features))
    labels = random.integers(0, N_CLASSES, n_trials)
    return random.normal(size=(n_trials, n_features)) + places[labels], labels + 1


def as_data(vectors: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> BCIData:
    """The same as labelled data of one sample per trial."""
    about = BCIMetadata(250.0, "own", "own", N_FEATURES, N_CLASSES, temporal_aggregation="none")
    return BCIData(np.ascontiguousarray(vectors.T)[:, np.newaxis, :], about, labels)


def diagnosed(model: NimbusLDA, data: BCIData) -> tuple[object, ...]:
    """Predict and read every diagnostic of the result, so that none could be left for later."""
    result = predict_batch(model, data)
    return tuple(getattr(result, field.name) for field in fields(result))


def fitted(kind: Callable[[], NimbusLDA], vectors: npt.ArrayLike, labels: npt.ArrayLike) -> NimbusLDA:
    """Train a new model."""
    return kind().fit(vectors, labels)


def predictions(rounds: int) -> list[Race]:
    """predict_batch with every diagnostic and labels, against bare predict_proba on the same vectors."""
    vectors, labels = trials(2_000, 1)
    kinds = {kind.__name__: kind().fit(vectors, labels) for kind in (NimbusLDA, NimbusQDA, NimbusProbit)}
    rivals = {name: kind().fit(vectors, labels) for name, kind in RIVALS.items()}
    races = []
    for n_trials in TO_PREDICT:
        new, truth = trials(n_trials, 2)
        data = as_data(new, truth)
        if n_trials > MOST_TO_INTEGRATE:
            kinds.pop("NimbusProbit", None)
        contenders = {name: partial(diagnosed, model, data) for name, model in kinds.items()}
        contenders |= {name: partial(rival.predict_proba, new) for name, rival in rivals.items()}
        times = rounds if n_trials < 100_000 else max(5, rounds // 4)
        races.append(race(f"{n_trials:,}", contenders, LDA, times))
    return races


def trainings(rounds: int) -> list[Race]:
    """fit against fit."""
    races = []
    for n_trials, n_features in TO_TRAIN:
        vectors, labels = trials(n_trials, 3, n_features)
        kinds = {"NimbusLDA": NimbusLDA, "NimbusQDA": NimbusQDA, **RIVALS}
        contenders = {name: partial(fitted, kind, vectors, labels) for name, kind in kinds.items()}
        races.append(race(f"{n_trials:,} by {n_features}", contenders, LDA, rounds))
    return races


def aggregations(rounds: int) -> list[Race]:
    """From 250 samples a trial to one vector, against the plain NumPy reduction of the same array."""
    plain: dict[str, Callable[[npt.NDArray[np.float64]], object]] = {
        "mean": lambda features: features.mean(axis=1),
        "logvar": lambda features: np.log(features.var(axis=1)),
    }
    races = []
    for n_trials in TO_AGGREGATE:
        features = np.random.default_rng(4).normal(size=(N_FEATURES, N_SAMPLES, n_trials))
        for way, reduce in plain.items():
            about = BCIMetadata(250.0, "own", "own", N_FEATURES, N_CLASSES, temporal_aggregation=way)
            data = BCIData(features, about)
            contenders = {"Nimbus": data.vectors, "NumPy": partial(reduce, features)}
            races.append(race(f"{way}, {n_trials:,}", contenders, "NumPy", max(5, rounds // 4)))
    return races


def verdicts(predicted: list[Race], trained: list[Race], aggregated: list[Race]) -> list[Verdict]:
    """What was promised of the figures."""
    found = [Verdict("one trial", predicted[0].figure("NimbusLDA"), 1.0, "ms")]
    found += [
        Verdict(f"NimbusProbit, {each.title} trials", each.figure("NimbusProbit"), 5.0, "ms")
        for each in predicted
        if "NimbusProbit" in each.times
    ]
    for each in predicted:
        if int(each.title.replace(",", "")) >= 10_000:
            promise = f"NimbusLDA's predict_batch by scikit-learn's predict_proba, {each.title} trials"
            found.append(Verdict(promise, each.ratio("NimbusLDA"), 1.4, "times"))
    # The prior is chosen by the trials at each fit.
    for each, most in zip(trained, TO_FIT_WITHIN, strict=True):
        for kind in ("NimbusLDA", "NimbusQDA"):
            found.append(Verdict(f"{kind}'s fit, {each.title} features", each.figure(kind), most, "ms"))
        promise = f"NimbusLDA's fit by scikit-learn's, {each.title} features"
        found.append(Verdict(promise, each.ratio("NimbusLDA"), 1.0, "times"))
    for each in aggregated:
        promise = f"aggregation by the plain reduction, {each.title} trials"
        found.append(Verdict(promise, each.ratio("Nimbus"), 1.2, "times"))
    return found


def markdown(title: str, races: list[Race]) -> str:
    """A table of races, each a row."""
    names = list(races[0].times)
    heads = [*names]
    heads += [f"{name} / {races[0].against}" for name in ours(names)]
    lines = [f"| trials | {' | '.join(heads)} |", f"| {' | '.join(['---:'] * (len(heads) + 1))} |"]
    return "\n".join([f"{title}\n", *lines, *[each.row(names) for each in races]])


def environment() -> str:
    """On what the figures were taken."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    settings = {name: value for name, value in os.environ.items() if re.match("OPENBLAS|OMP|MKL", name)}
    said = ", ".join(f"{name}={value}" for name, value in sorted(settings.items())) or "no BLAS settings"
    return (
        f"Measured on {time.strftime('%Y-%m-%d')}: "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, NumPy {np.__version__} ({blas}), "
        f"scikit-learn {sklearn.__version__}; environment: {said}; "
        f"load average at the end {os.getloadavg()[0]:.1f}."
    )


def section(predicted: list[Race], trained: list[Race], aggregated: list[Race]) -> str:
    """The text of the section on models."""
    about = (
        "`python -m tests.qualification.benchmarks.models --write` "
        "measures this section: milliseconds, the lower decile "
        "of interleaved rounds, with as many BLAS threads as the environment gives or with one, whichever "
        "is faster for the contender. " + environment()
    )
    what = (
        "`predict_batch` with labels and all diagnostics (posteriors, confidences, entropy, distances, "
        "outlier scores, balance, accuracy, calibration) on 16 features and 4 classes, against bare "
        "`predict_proba`:"
    )
    return "\n\n".join(
        [
            "## Models",
            textwrap.fill(about, 116),
            markdown(textwrap.fill(what, 116), predicted),
            markdown("`fit` with the default prior, which the trials choose; trials by features:", trained),
            markdown("Aggregation of 250 samples a trial, against the plain NumPy reduction:", aggregated),
            "",
        ]
    )


def write(text: str) -> None:
    """Put the section into the page, in place of the old one or at the end."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Performance\n"
    old = re.search(r"^## Models\n.*?(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    if old is None:
        page = f"{page.rstrip()}\n\n{text}"
    else:
        after = page[old.end() :]
        page = page[: old.start()] + text + ("\n" + after if after else "")
    PAGE.write_text(page, encoding="utf-8")


def main() -> int:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.qualification.benchmarks.models", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=101, help="of each race (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    chosen = parser.parse_args()
    measured = predictions(chosen.rounds), trainings(chosen.rounds), aggregations(chosen.rounds)
    text, found = section(*measured), verdicts(*measured)
    print(text, *found, sep="\n")
    if chosen.write:
        write(text)
    return 0 if all(verdict.kept for verdict in found) else 1


if __name__ == "__main__":
    sys.exit(main())
