"""How results are displayed."""

import pytest
from nimbus_sdk_core import BCIData, ModelCard, NimbusLDA, predict_batch, train_model
from nimbus_sdk_core.decoding.streaming import init_streaming

from tests.reference_core.support import simulated


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen."""
    return simulated("motor_imagery", n_trials=200, seed=2)


def test_notebooks_show_a_table_with_every_value_escaped(model: NimbusLDA, data: BCIData) -> None:
    """A model's name cannot bring markup into the page."""
    html = predict_batch(model, data)._repr_html_()
    assert "a &lt;b&gt; &amp; c" in html
    assert "<b>" not in html
    assert "accuracy" in html


def test_measures_that_class_frequencies_do_not_flatter_are_displayed(
    model: NimbusLDA, data: BCIData
) -> None:
    """With labels the balanced accuracy, the AUC and the log loss are beside the accuracy, in both forms."""
    result = predict_batch(model, data)
    for shown in (repr(result), result._repr_html_()):
        for words in (
            f"{100 * result.balanced_accuracy:.1f} %",
            f"{result.roc_auc:.3f}",
            f"{result.log_loss:.3f}",
        ):
            assert words in shown
    unlabelled = repr(predict_batch(model, BCIData(data.features, data.metadata)))
    assert not any(words in unlabelled for words in ("accuracy", "AUC", "log loss"))
    one_kind = repr(predict_batch(model, data[data.labels == 1]))
    assert "log loss" in one_kind
    assert "nan" not in one_kind


def test_what_belongs_to_a_result_has_a_table_of_its_own(model: NimbusLDA, data: BCIData) -> None:
    """Calibration, metadata and card are tables in a notebook, with every value escaped."""
    found = predict_batch(model, data).confidence_calibration
    assert f"{found.perfect_error:.3f} if perfect" in repr(found)
    for shown, words in (
        (found, f"{found.perfect_error:.3f} if perfect"),
        (data.metadata, "motor_imagery"),
        (model.card, "a &lt;b&gt; &amp; c"),
    ):
        html = shown._repr_html_()
        assert words in html
        assert html.startswith("<table>")
        assert "<b>" not in html


def test_simulated_models_are_marked_in_displays(model: NimbusLDA, data: BCIData) -> None:
    """Whoever looks at model or result sees that no brain was involved."""
    model = NimbusLDA().restore(model.classes_, model.arrays())
    model.card = ModelCard("toy", data.metadata, details={"simulated": True})
    result = predict_batch(model, data)
    assert "simulated data" in repr(model)
    assert "simulated data" in repr(result)
    assert "simulated data" in result._repr_html_()


def test_names_are_escaped_in_terminals(model: NimbusLDA, data: BCIData) -> None:
    """Control characters and marks that turn the reading direction are shown as escapes, letters as such."""
    model = NimbusLDA().restore(model.classes_, model.arrays())
    model.card = ModelCard("ü\x1b]0;owned\x07\x9b2J\n\u202e", data.metadata)
    for shown in (repr(predict_batch(model, data)), repr(init_streaming(model, data.metadata))):
        assert shown.isprintable()
        assert r"ü\x1b]0;owned\x07\x9b2J\n\u202e" in shown
