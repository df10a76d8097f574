"""Plots show the numbers of results."""

from functools import partial

import dask.array as da
import numpy as np
import pytest
from matplotlib.figure import Figure
from nimbus_sdk_core import (
    BatchResult,
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelCard,
    NimbusLDA,
    load_model,
    predict_batch,
    train_model,
)
from nimbus_sdk_core.decoding.streaming import finalize_trial, init_streaming, process_chunk
from nimbus_sdk_core.decoding.streaming_results import StreamingResult
from nimbus_sdk_core.plots import plot_calibration, plot_confusion, plot_posteriors

from tests.reference_core.support import render_pixels, simulated

NAMES = np.array(["left $hand$", "<b>right</b>", "feet", "tongue_and_more"])


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials of four imagined movements, labelled by names that look like markup and formulas."""
    drawn = simulated("motor_imagery", n_trials=160, seed=2)
    return BCIData(drawn.features, drawn.metadata, NAMES[drawn.labels - 1])


@pytest.fixture(scope="module")
def result(data: BCIData) -> BatchResult:
    """What a model trained on them says of them."""
    model = train_model(NimbusLDA, data)
    model.card = ModelCard("cost: 5$ or 6$", data.metadata, details={"simulated": True})
    return predict_batch(model, data)


@pytest.fixture(scope="module")
def streamed(data: BCIData) -> StreamingResult:
    """One trial in four chunks."""
    session = init_streaming(train_model(NimbusLDA, data), data.metadata)
    for start in range(0, 16, 4):
        process_chunk(session, data.features[:, start : start + 4, 0])
    return finalize_trial(session)


def test_confusion_has_shares_and_counts(result: BatchResult, data: BCIData) -> None:
    """Every field holds the numbers that were counted, rows by true class."""
    figure = plot_confusion(result, data.labels)
    axes = figure.axes[0]
    shown = [text.get_text() for text in axes.texts]
    for place, (true, predicted) in enumerate((t, p) for t in result.classes for p in result.classes):
        count = np.sum((data.labels == true) & (result.predictions == predicted))
        share = 100 * count / np.sum(data.labels == true)
        assert shown[place] == f"{share:.0f} %\n{count}"
    assert [text.get_text() for text in axes.get_yticklabels()] == result.classes.tolist()
    assert axes.get_title(loc="left") == f"{100 * result.accuracy:.1f} % of 160 trials correct"


def test_confusion_accepts_plain_labels_and_absent_classes() -> None:
    """Predictions of any program; classes that never occur are empty rows, and nothing is divided by zero."""
    figure = plot_confusion([1, 2, 2], [1, 1, 3])
    assert len(figure.axes[0].texts) == 9
    assert render_pixels(figure).std() > 0


@pytest.mark.qualification
def test_confusion_of_many_classes_is_drawn_in_colours_alone() -> None:
    """Size and texts stay those of 30 classes, so that it takes a moment and not minutes."""
    few, many = (plot_confusion(np.arange(n), np.arange(n)) for n in (30, 1_000))
    assert len(few.axes[0].texts) == 900
    assert len(few.axes[0].get_xticks()) == 30
    assert len(many.axes[0].texts) == 0
    assert many.get_size_inches().tolist() == few.get_size_inches().tolist()
    ticks = many.axes[0].get_yticks()
    assert len(ticks) <= 30
    assert [text.get_text() for text in many.axes[0].get_yticklabels()] == [str(at) for at in ticks]
    assert render_pixels(many).std() > 0


@pytest.mark.parametrize(
    ("predictions", "labels", "words"),
    [
        ([1, 2], [1], "2 predictions and 1 labels"),
        ([], [], "0 predictions"),
        ([1, 2], ["a", "b"], "type"),
    ],
)
def test_confusion_of_labels_that_do_not_fit_is_rejected(predictions, labels, words: str) -> None:
    """Numbers and kinds must agree."""
    with pytest.raises(CoreDataError, match=words):
        plot_confusion(predictions, labels)


def test_posteriors_of_a_batch_fill_the_axes(result: BatchResult) -> None:
    """The drawn shares of each class add up to its posteriors, and the names are in the legend."""
    figure = plot_posteriors(result)
    axes = figure.axes[0]
    areas = []
    for patch in axes.patches[:4]:
        values, edges, baseline = patch.get_data()
        areas.append(((values - baseline) * np.diff(edges)).sum())
    np.testing.assert_allclose(areas, result.posteriors.sum(axis=0))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == result.classes.tolist()
    assert "trained on simulated data" in axes.get_title(loc="left")


def test_large_batches_are_subsampled() -> None:
    """At most 2,000 columns are drawn."""
    data = simulated("p300", n_trials=60, seed=1)
    many = BCIData(np.tile(data.features, (1, 1, 100)), data.metadata)
    figure = plot_posteriors(predict_batch(train_model(NimbusLDA, data), many))
    assert len(figure.axes[0].patches[0].get_data().values) == 2_000
    assert figure.axes[0].get_xlim() == (0, 6_000)


def test_posteriors_of_a_streamed_trial_end_in_the_decision(streamed: StreamingResult) -> None:
    """A line a class over the chunks, and a mark for the decision."""
    axes = plot_posteriors(streamed).axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
    np.testing.assert_array_equal(
        np.transpose([line.get_ydata() for line in lines]), streamed.chunk_posteriors
    )
    marks = [np.ravel(line.get_ydata())[0] for line in axes.lines if line.get_marker() == "D"]
    np.testing.assert_array_equal(marks, streamed.posterior)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "3", "4", "all"]


def test_long_trials_have_readable_ticks(data: BCIData) -> None:
    """Of fifty chunks the first, the last and the decision are named."""
    session = init_streaming(train_model(NimbusLDA, data), data.metadata)
    for trial in range(50):
        process_chunk(session, data.features[:, :, trial])
    axes = plot_posteriors(finalize_trial(session)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "50", "all"]


def test_calibration_has_the_bins_with_trials(result: BatchResult) -> None:
    """Points are the accuracies of filled bins, bars the numbers of trials; the title has both errors."""
    above, below = plot_calibration(result).axes
    found = result.confidence_calibration
    filled = found.bin_counts > 0
    np.testing.assert_array_equal(above.lines[1].get_ydata(), found.bin_accuracies[filled])
    assert [bar.get_height() for bar in below.patches] == found.bin_counts.tolist()
    assert above.get_title(loc="left").endswith(f"({found.perfect_error:.3f} if perfect)")


def test_results_that_cannot_be_drawn_are_rejected(result: BatchResult, data: BCIData) -> None:
    """Results of other kinds, of no trials and without labels."""
    model = train_model(NimbusLDA, data)
    blind = predict_batch(model, BCIData(data.features, data.metadata))
    empty = predict_batch(model, BCIData(data.features[..., :0], data.metadata))
    for draw, given, words in (
        (plot_calibration, blind, "no calibration"),
        (plot_calibration, [0.5], "no calibration"),
        (plot_posteriors, empty, "no trials to draw"),
        (plot_posteriors, result.posteriors, "result is an ndarray"),
        (partial(plot_posteriors, names=["a", "b"]), result, r"names are \['a', 'b'\], but the classes are"),
        (partial(plot_confusion, labels=data.labels, names="abcd"), result, "Give a list with one name"),
        (partial(plot_calibration, ax=np.array([1])), result, "ax is an ndarray, not Axes of Matplotlib"),
    ):
        with pytest.raises(CoreDataError, match=words):
            draw(given)


def test_plots_need_a_computed_result(data: BCIData) -> None:
    """The result of a Dask array is rejected, and the message says how to compute it."""
    planned = BCIData(da.from_array(data.features, chunks=(-1, -1, 80)), data.metadata, data.labels)
    lazy = predict_batch(train_model(NimbusLDA, data), planned)
    for use in (plot_calibration, plot_posteriors, partial(plot_confusion, labels=data.labels)):
        with pytest.raises(CoreDataError, match=r"of a Dask array.* Call result.compute\(\) first"):
            use(lazy)
    plot_confusion(lazy.compute(), data.labels)


def test_classes_are_named_by_the_argument_or_the_card(streamed: StreamingResult) -> None:
    """The bundled model's classes 1 to 4 have names; others may be given, in every plot."""
    trials = simulated("motor_imagery", n_trials=40, seed=3)
    named = predict_batch(load_model(NimbusLDA, "motor_imagery_4class_v1"), trials)
    words = list(named.class_names)
    assert len(words) == 4
    session = init_streaming(load_model(NimbusLDA, "motor_imagery_4class_v1"), trials.metadata)
    process_chunk(session, trials.features[..., 0])
    for figure, names in (
        (plot_posteriors(named), words),
        (plot_posteriors(finalize_trial(session)), words),
        (plot_posteriors(named, names=["a", "b", "c", "d"]), ["a", "b", "c", "d"]),
        (plot_posteriors(streamed, names=["a", "b", "c", "d"]), ["a", "b", "c", "d"]),
    ):
        assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == names
    for figure, names in (
        (plot_confusion(named, trials.labels), words),
        (plot_confusion(named, trials.labels, names=named.classes), ["1", "2", "3", "4"]),
        (plot_confusion([1, 2], [1, 1], names=["rest", "move"]), ["rest", "move"]),
    ):
        axes = figure.axes[0]
        for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
            assert [text.get_text() for text in ticks] == names


def test_names_that_do_not_fit_the_classes_are_ignored(data: BCIData) -> None:
    """A file may hold anything there."""
    for details in ({}, {"class_names": "abcd"}, {"class_names": ["a"]}):
        assert ModelCard("mine", data.metadata, details=details).class_names is None


def test_the_lowest_and_the_highest_point_are_inside_the_frame() -> None:
    """Bins that are never right, or always, are seen whole."""
    about = BCIMetadata(1.0, "p300", "erp", 1, 2, temporal_aggregation="none")
    data = BCIData(np.array([[[-1.0, -1.1, 1.0, 1.1]]]), about, [0, 0, 1, 1])
    model = train_model(NimbusLDA, data, dof_offset=2, mean_prior_precision=0.01)
    axes = plot_calibration(predict_batch(model, BCIData([[[-1.0, 0.01]]], about, [0, 0]))).axes[0]
    low, high = axes.get_ylim()
    assert sorted(axes.lines[1].get_ydata()) == [0.0, 1.0]
    assert low < 0.0
    assert high > 1.0


def test_every_plot_draws_something(result: BatchResult, data: BCIData, streamed) -> None:
    """Saved without a display; more classes than colours are drawn as well."""
    for figure in (
        plot_confusion(result, data.labels),
        plot_posteriors(result),
        plot_posteriors(streamed),
        plot_calibration(result),
        plot_confusion(np.arange(12), np.arange(12)),
    ):
        assert isinstance(figure, Figure)
        assert render_pixels(figure)[..., :3].std() > 0.05
