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
