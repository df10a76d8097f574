"""Pictures of results. Matplotlib is imported when the first one is drawn.

Every function returns a ``matplotlib.figure.Figure`` that belongs to no window and to no list of open
figures: save it with ``figure.savefig("name.png")``, or let a notebook show it. Works without a display.
Colours can be told apart by colour-blind people, and in print (M. Okabe and K. Ito, Color Universal Design).
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .arrays import FloatArray, LabelArray
from .calibration import N_BINS
from .errors import CoreDataError, MissingLibraryError
from .labels import as_labels, classes_in, index_of
from .result import BatchResult
from .streamed import StreamingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

_INK, _FAINT = "#333333", "#bbbbbb"
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
_WIDEST = 2_000
_MOST_NAMED = 30


def plot_confusion(predictions: BatchResult | npt.ArrayLike, labels: npt.ArrayLike) -> Figure:
    """How often trials of each class were taken for which class.

    Rows are true classes and add up to 100 %; each field shows the share and the number of trials.
    Of more than 30 classes the shares are shown by colour alone, and not every class is named.

    Args:
        predictions: A result, or predicted labels of shape (n_trials,).
        labels: The true labels, shape (n_trials,).

    Raises:
        CoreDataError: No trials, or labels that do not fit.
        MissingLibraryError: Matplotlib is not installed.

    >>> figure = plot_confusion(["left", "left", "right"], ["left", "right", "right"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['100 %\\n1', '0 %\\n0', '50 %\\n1', '50 %\\n1']
    """
    classes, counts = _confusion(predictions, labels)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(3.2, 1.2 + 0.75 * min(len(classes), _MOST_NAMED))
    figure, axes = _figure(size + 0.6, size)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    # Matplotlib takes minutes to lay out thousands of texts that nobody can read.
    if len(classes) <= _MOST_NAMED:
        _write_shares(axes, shares, counts)
    right = np.trace(counts) / counts.sum()
    _name_ticks(axes, "x", classes)
    _name_ticks(axes, "y", classes)
    _describe(axes, f"{100 * right:.1f} % of {counts.sum()} trials right", "predicted", "true")
    axes.spines[:].set_visible(False)
    return figure


def plot_posteriors(result: BatchResult | StreamingResult) -> Figure:
    """How sure the model is of each class: over the trials of a batch, or over the chunks of one trial.

    Trials of a batch are sorted by predicted class and confidence, the surest first, and drawn as columns
    that the classes share, the predicted one at the bottom; of more than 2,000 trials evenly chosen ones are
    drawn. A streamed trial is drawn
    chunk by chunk, with the decision beside it.

    Args:
        result: From `predict_batch` or `finalize_trial`.

    Raises:
        CoreDataError: Something else, or no trials.
        MissingLibraryError: Matplotlib is not installed.
    """
    if isinstance(result, StreamingResult):
        return _over_chunks(result)
    if not isinstance(result, BatchResult):
        raise CoreDataError(
            f"result is a {type(result).__name__}.",
            "Give what predict_batch() or finalize_trial() returned; of a Dask array, result.compute().",
        )
    if not len(result):
        raise CoreDataError("There are no trials to draw.", "Decode at least one.")
    return _over_trials(result)


def plot_calibration(result: BatchResult) -> Figure:
    """Whether confidences keep their promise: share of right predictions against confidence.

    On the dashed line a confidence of 80 % is right in 80 % of the trials; points below it are overconfident.
    The bars below show how many trials there are; bins without trials are left out.

    Args:
        result: From `predict_batch` with labels.

    Raises:
        CoreDataError: The data had no labels.
        MissingLibraryError: Matplotlib is not installed.
    """
    found = result.confidence_calibration if isinstance(result, BatchResult) else None
    if found is None:
        raise CoreDataError(
            "There is no calibration to draw.",
            "Decode trials with labels: predict_batch(model, BCIData(features, metadata, labels)).",
        )
    figure, axes = _figure(4.6, 5.0)
    axes.remove()
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    filled = found.bin_counts > 0
    above.plot([0, 1], [0, 1], color=_FAINT, linestyle="--", linewidth=1)
    above.plot(
        found.bin_confidences[filled],
        found.bin_accuracies[filled],
        color=_COLOURS[0],
        marker="o",
        linewidth=1.5,
        clip_on=False,
    )
    above.set(xlim=(0, 1), ylim=(0, 1))
    _describe(above, f"expected calibration error {found.expected_error:.3f}", "", "share right")
    below.bar(found.bin_edges[:-1], found.bin_counts, width=1 / N_BINS, align="edge", color=_COLOURS[0])
    _describe(below, "", "confidence", "trials")
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    return figure


def _confusion(
    predictions: BatchResult | npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[LabelArray, npt.NDArray[np.intp]]:
    truth = as_labels(labels)
    guesses = predictions.predictions if isinstance(predictions, BatchResult) else as_labels(predictions)
    if len(truth) != len(guesses) or not len(truth):
        raise CoreDataError(
            f"There are {len(guesses)} predictions and {len(truth)} labels.", "Give one label a trial."
        )
    if isinstance(predictions, BatchResult):
        classes = predictions.classes
    else:
        if truth.dtype.kind != guesses.dtype.kind:
            raise CoreDataError(
                f"Predictions are of type {guesses.dtype}, labels of type {truth.dtype}.",
                "Give both as numbers, or both as texts.",
            )
        classes = classes_in(np.concatenate([guesses, truth]))[0]
    n_classes = len(classes)
    place = index_of(truth, classes) * n_classes + index_of(guesses, classes)
    return classes, np.bincount(place, minlength=n_classes**2).reshape(n_classes, n_classes)


def _write_shares(axes: Axes, shares: FloatArray, counts: npt.NDArray[np.intp]) -> None:
    for row, column in np.ndindex(*counts.shape):
        _plain(
            axes.text(
                column,
                row,
                f"{100 * shares[row, column]:.0f} %\n{counts[row, column]}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.55 else _INK,
            )
        )


def _over_trials(result: BatchResult) -> Figure:
    best = result.posteriors.argmax(axis=1)
    order = np.lexsort((-result.confidences, best))
    shown = order[np.linspace(0, len(order) - 1, min(len(order), _WIDEST)).astype(np.intp)]
    figure, axes = _figure(7.0, 3.2)
    edges = np.linspace(0, len(result), len(shown) + 1)
    height = result.confidences[shown].copy()
    for k in range(len(result.classes)):
        # The predicted class stands at the bottom, the others upon it.
        share, predicted = result.posteriors[shown, k], best[shown] == k
        foot = np.where(predicted, 0.0, height)
        axes.stairs(foot + share, edges, baseline=foot, fill=True, color=_colour(k))
        height += np.where(predicted, 0.0, share)
    axes.set(xlim=(0, len(result)), ylim=(0, 1))
    _describe(axes, _title(result.model_name, result.simulated), "trials, sorted", "posterior")
    _legend(axes, result.classes)
    return figure


def _over_chunks(result: StreamingResult) -> Figure:
    figure, axes = _figure(6.0, 3.2)
    chunks = np.arange(1, result.n_chunks + 1)
    end = result.n_chunks + 1
    for k in range(len(result.classes)):
        axes.plot(chunks, result.chunk_posteriors[:, k], color=_colour(k), marker="o", linewidth=1.5)
        axes.plot(end, result.posterior[k], color=_colour(k), marker="D", markersize=8)
    axes.axvline(end - 0.5, color=_FAINT, linestyle="--", linewidth=1)
    axes.set(xlim=(0.5, end + 0.5), ylim=(-0.03, 1.03))
    axes.set_xticks([*chunks, end] if end < 20 else [1, result.n_chunks, end])
    axes.set_xticklabels([*(str(int(at)) for at in axes.get_xticks()[:-1]), "all"])
    _describe(axes, _title(result.model_name, result.simulated), "chunk", "posterior")
    _legend(axes, result.classes)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    try:
        matplotlib_figure = import_module("matplotlib.figure")
    except ModuleNotFoundError:
        raise MissingLibraryError(
            "Pictures are drawn by Matplotlib, which is not installed.",
            "Run `pip install 'nimbusbci-sdk[plot]'` (or `pip install matplotlib`), then try again.",
        ) from None
    if "ipykernel" in sys.modules and find_spec("matplotlib_inline") is not None:
        # This teaches a notebook how to show a figure; else only pyplot's first figure would.
        import_module("matplotlib_inline.backend_inline")
    figure: Figure = matplotlib_figure.Figure(figsize=(width, height), layout="constrained", dpi=120)
    return figure, figure.subplots()


def _describe(axes: Axes, title: str, below: str, left: str) -> None:
    _plain(axes.set_title(title, fontsize=10, color=_INK, loc="left"))
    _plain(axes.set_xlabel(below, color=_INK))
    _plain(axes.set_ylabel(left, color=_INK))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)


def _name_ticks(axes: Axes, which: str, classes: LabelArray) -> None:
    named = axes.set_xticks if which == "x" else axes.set_yticks
    shown = range(0, len(classes), -(-len(classes) // _MOST_NAMED))
    names = [str(label) for label in classes[shown].tolist()]
    turned = 45 if which == "x" and max(map(len, names)) > 6 else 0
    named(shown, names, rotation=turned, ha="right" if turned or which == "y" else "center")
    for text in axes.get_xticklabels() if which == "x" else axes.get_yticklabels():
        _plain(text)


def _legend(axes: Axes, classes: LabelArray) -> None:
    patch = import_module("matplotlib.patches").Patch
    handles = [patch(color=_colour(k), label=str(label)) for k, label in enumerate(classes.tolist())]
    legend = axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    for text in legend.get_texts():
        _plain(text)


def _plain(text: Text) -> None:
    """Names are text: a dollar sign in one starts no formula."""
    text.set_parse_math(False)


def _title(model_name: str, simulated: bool) -> str:
    return f"{model_name} (trained on simulated data)" if simulated else model_name


def _colour(k: int) -> str | tuple[float, ...]:
    if k < len(_COLOURS):
        return _COLOURS[k]
    shade: tuple[float, ...] = import_module("matplotlib").colormaps["turbo"]((0.618 * k) % 1.0)
    return shade
