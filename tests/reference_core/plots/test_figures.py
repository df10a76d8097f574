"""Figures need no display, and names are plain text."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from nimbus_sdk_core import (
    BatchResult,
    BCIData,
    MissingLibraryError,
    ModelCard,
    NimbusLDA,
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


def test_names_are_not_read_as_formulas(result: BatchResult, data: BCIData, streamed) -> None:
    """Dollar signs and angle brackets are drawn as they are, in titles, ticks and legends."""
    for figure in (plot_confusion(result, data.labels), plot_posteriors(result), plot_posteriors(streamed)):
        axes = figure.axes[0]
        texts = [*axes.get_xticklabels(), *axes.texts, axes._left_title]
        texts += axes.get_legend().get_texts() if axes.get_legend() else axes.get_yticklabels()
        named = [text for text in texts if set(text.get_text()) & set("$<")]
        assert named
        assert not any(text.get_parse_math() for text in named)


def test_plots_are_drawn_in_the_given_axes(result: BatchResult, data: BCIData, streamed) -> None:
    """Four in one figure, one of them in a part of it, which is what comes back."""
    whole = Figure(figsize=(8, 6), layout="constrained")
    left, right = whole.subfigures(1, 2)  # type: ignore[misc]
    spots = [*left.subplots(3, 1), right.subplots()]
    for draw, ax in zip(
        (
            partial(plot_confusion, result, data.labels),
            partial(plot_posteriors, result),
            partial(plot_posteriors, streamed),
            partial(plot_calibration, result),
        ),
        spots,
        strict=True,
    ):
        assert draw(ax=ax) is whole
        assert ax.has_data()
    assert len(whole.axes) == 4
    assert spots[-1].get_xlabel() == "confidence"
    assert render_pixels(whole)[..., :3].std() > 0.05


def test_many_classes_have_a_colour_each(data: BCIData) -> None:
    """The ninth class and later ones differ from those before."""
    random = np.random.default_rng(1)
    labels = np.arange(240) % 12
    features = random.normal(size=(16, 1, 240)) + 3 * random.normal(size=(16, 1, 12))[..., labels]
    about = type(data.metadata)(4.0, "my_own", "csp", 16, 12)
    result = predict_batch(train_model(NimbusLDA, BCIData(features, about, labels)), BCIData(features, about))
    colours = {patch.get_facecolor() for patch in plot_posteriors(result).axes[0].patches}
    assert len(colours) == 12


@pytest.mark.qualification
def test_no_window_and_no_display_is_needed(tree: Path) -> None:
    """In a process without a display and without pyplot, with every warning an error."""
    code = (
        "import io, sys\n"
        "from nimbus_sdk_core.plots import plot_confusion\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plot_confusion([1, 2, 1], [1, 2, 2]).savefig(io.BytesIO(), format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    environ = {
        name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**environ, "PYTHONPATH": str(tree / "src")},
        check=True,
        timeout=60,
    )


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra."""
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingLibraryError, match="pip install matplotlib"):
        plot_confusion([1, 2], [1, 2])
