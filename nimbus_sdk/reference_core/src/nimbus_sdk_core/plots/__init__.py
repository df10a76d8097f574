"""Figures of results. Matplotlib is imported when the first one is drawn.

Every function returns a ``matplotlib.figure.Figure`` that belongs to no window and to no list of open
figures: save it with ``figure.savefig("name.png")``, or let a notebook show it. Works without a display. With
``ax`` it draws there and returns the figure that contains it. Classes are named by ``names``, or else by the
model's card, or else by their labels. Colours can be distinguished by colour-blind people, and in print (M.
Okabe and K. Ito, Color Universal Design).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .._types import FloatArray, LabelArray
from ..data.argument_checks import describe_kind
from ..data.labels import encode_labels, find_classes, read_labels
from ..decoding.batch_result import BatchResult
from ..decoding.confidence_calibration import N_BINS, ConfidenceCalibration, describe_error
from ..decoding.dask_result import require_computed
from ..decoding.streaming_results import StreamingResult
from ..errors import CoreDataError
from .figures import (
    FAINT,
    INK,
    MAX_NAMED,
    add_legend,
    class_colour,
    disable_math,
    find_figure,
    get_axes,
    name_classes,
    new_figure,
    result_title,
    set_tick_names,
    set_titles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_COLUMNS = 2_000


def plot_confusion(
    predictions: BatchResult | npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    ax: Axes | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Draw a confusion matrix: how often trials of each class were predicted as which class.

    Rows are true classes and add up to 100 %; each cell has the share and the number of trials. Above 30
    classes the shares are indicated by colour alone, and not every class is named.

    Args:
        predictions: A result, or predicted labels of shape (n_trials,).
        labels: The true labels, shape (n_trials,).
        ax: Where to draw; None for a figure of its own.
        names: Names of the classes, in the order of the sorted labels.

    Raises:
        CoreDataError: No trials, or labels or names that do not fit.
        MissingLibraryError: Matplotlib is not installed.

    Examples:
        >>> figure = plot_confusion(["left", "left", "right"], ["left", "right", "right"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['100 %\\n1', '0 %\\n0', '50 %\\n1', '50 %\\n1']
    """
    require_computed(predictions)
    classes, counts = _confusion(predictions, labels)
    called = name_classes(classes, _card_class_names(predictions) if names is None else names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = max(3.2, 1.2 + 0.75 * min(len(classes), MAX_NAMED))
    axes = get_axes(ax, size + 0.6, size)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    # Matplotlib takes minutes to lay out thousands of texts, and they would not be readable.
    if len(classes) <= MAX_NAMED:
        _write_shares(axes, shares, counts)
    right = np.trace(counts) / counts.sum()
    set_tick_names(axes, "x", called)
    set_tick_names(axes, "y", called)
    set_titles(axes, f"{100 * right:.1f} % of {counts.sum()} trials correct", "predicted", "true")
    axes.spines[:].set_visible(False)
    return find_figure(axes)


def plot_posteriors(
    result: BatchResult | StreamingResult, *, ax: Axes | None = None, names: Sequence[str] | None = None
) -> Figure:
    """Draw the posteriors of the trials of a batch, or of the chunks of one trial.

    Trials of a batch are sorted by predicted class and confidence, the most confident first, and drawn as
    columns that the classes share, the predicted one at the bottom; of more than 2,000 trials evenly chosen
    ones are drawn. A streamed trial is drawn chunk by chunk, with the decision beside it.

    Args:
        result: From `predict_batch` or `finalize_trial`.
        ax: Where to draw; None for a figure of its own.
        names: Names of the classes, in the order of ``result.classes``.

    Raises:
        CoreDataError: Not such a result, no trials, or names that do not fit.
        MissingLibraryError: Matplotlib is not installed.
    """
    require_computed(result)
    if not isinstance(result, BatchResult | StreamingResult):
        raise CoreDataError(
            f"result is {describe_kind(result)}.", "Give what predict_batch() or finalize_trial() returned."
        )
    called = name_classes(result.classes, _card_class_names(result) if names is None else names)
    if isinstance(result, StreamingResult):
        axes = get_axes(ax, 6.0, 3.2)
        _draw_chunks(axes, result)
    elif len(result):
        axes = get_axes(ax, 7.0, 3.2)
        _draw_trials(axes, result)
    else:
        raise CoreDataError("There are no trials to draw.", "Decode at least one.")
    add_legend(axes, called)
    return find_figure(axes)


def plot_calibration(result: BatchResult, *, ax: Axes | None = None) -> Figure:
    """Draw a reliability diagram: share of correct predictions against confidence.

    On the dashed line a confidence of 80 % is right in 80 % of the trials; points below it are overconfident.
    In a figure of its own, bars below show the number of trials; bins without trials are omitted.

    Args:
        result: From `predict_batch` with labels.
        ax: Where to draw, without the bars; None for a figure of its own.

    Raises:
        CoreDataError: The data had no labels.
        MissingLibraryError: Matplotlib is not installed.
    """
    require_computed(result)
    found = result.confidence_calibration if isinstance(result, BatchResult) else None
    if found is None:
        raise CoreDataError(
            "There is no calibration to draw.",
            "Decode trials with labels: predict_batch(model, BCIData(features, metadata, labels)).",
        )
    title = f"expected calibration error {describe_error(found)}"
    if ax is not None:
        axes = get_axes(ax, 4.6, 3.6)
        _draw_reliability(axes, found)
        set_titles(axes, title, "confidence", "accuracy")
        return find_figure(axes)
    figure = new_figure(4.6, 5.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _draw_reliability(above, found)
    set_titles(above, title, "", "accuracy")
    below.bar(found.bin_edges[:-1], found.bin_counts, width=1 / N_BINS, align="edge", color=class_colour(0))
    set_titles(below, "", "confidence", "trials")
    below.yaxis.get_major_locator().set_params(integer=True, nbins=3)
    return figure


def _card_class_names(result: object) -> Sequence[str] | None:
    """Names of the classes from the card of the model, if there are any."""
    return result.class_names if isinstance(result, BatchResult | StreamingResult) else None


def _confusion(
    predictions: BatchResult | npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[LabelArray, npt.NDArray[np.intp]]:
    truth = read_labels(labels)
    guesses = predictions.predictions if isinstance(predictions, BatchResult) else read_labels(predictions)
    if len(truth) != len(guesses) or not len(truth):
        raise CoreDataError(
            f"There are {len(guesses)} predictions and {len(truth)} labels.", "Give one label per trial."
        )
    if isinstance(predictions, BatchResult):
        classes = predictions.classes
    else:
        if truth.dtype.kind != guesses.dtype.kind:
            raise CoreDataError(
                f"Predictions are of type {guesses.dtype}, labels of type {truth.dtype}.",
                "Give both as numbers, or both as texts.",
            )
        classes = find_classes(np.concatenate([guesses, truth]))[0]
    n_classes = len(classes)
    place = encode_labels(truth, classes) * n_classes + encode_labels(guesses, classes)
    return classes, np.bincount(place, minlength=n_classes**2).reshape(n_classes, n_classes)


def _write_shares(axes: Axes, shares: FloatArray, counts: npt.NDArray[np.intp]) -> None:
    for row, column in np.ndindex(*counts.shape):
        disable_math(
            axes.text(
                column,
                row,
                f"{100 * shares[row, column]:.0f} %\n{counts[row, column]}",
                ha="center",
                va="center",
                color="white" if shares[row, column] > 0.55 else INK,
            )
        )


def _draw_trials(axes: Axes, result: BatchResult) -> None:
    best = result.posteriors.argmax(axis=1)
    order = np.lexsort((-result.confidences, best))
    shown = order[np.linspace(0, len(order) - 1, min(len(order), _MAX_COLUMNS)).astype(np.intp)]
    edges = np.linspace(0, len(result), len(shown) + 1)
    height = result.confidences[shown].copy()
    for k in range(len(result.classes)):
        # The predicted class is at the bottom, the others above it.
        share, predicted = result.posteriors[shown, k], best[shown] == k
        foot = np.where(predicted, 0.0, height)
        axes.stairs(foot + share, edges, baseline=foot, fill=True, color=class_colour(k))
        height += np.where(predicted, 0.0, share)
    axes.set(xlim=(0, len(result)), ylim=(0, 1))
    set_titles(axes, result_title(result.model_name, result.simulated), "trials, sorted", "posterior")


def _draw_chunks(axes: Axes, result: StreamingResult) -> None:
    chunks = np.arange(1, result.n_chunks + 1)
    end = result.n_chunks + 1
    for k in range(len(result.classes)):
        axes.plot(chunks, result.chunk_posteriors[:, k], color=class_colour(k), marker="o", linewidth=1.5)
        axes.plot(end, result.posterior[k], color=class_colour(k), marker="D", markersize=8)
    axes.axvline(end - 0.5, color=FAINT, linestyle="--", linewidth=1)
    axes.set(xlim=(0.5, end + 0.5), ylim=(-0.03, 1.03))
    axes.set_xticks([*chunks, end] if end < 20 else [1, result.n_chunks, end])
    axes.set_xticklabels([*(str(int(at)) for at in axes.get_xticks()[:-1]), "all"])
    set_titles(axes, result_title(result.model_name, result.simulated), "chunk", "posterior")


def _draw_reliability(axes: Axes, found: ConfidenceCalibration) -> None:
    filled = found.bin_counts > 0
    axes.plot([0, 1], [0, 1], color=FAINT, linestyle="--", linewidth=1)
    axes.plot(
        found.bin_confidences[filled],
        found.bin_accuracies[filled],
        color=class_colour(0),
        marker="o",
        linewidth=1.5,
        clip_on=False,
    )
    # Without a margin, accuracies of 0 and 1 would be drawn on the frame.
    axes.set(xlim=(0, 1), ylim=(-0.05, 1.05))
