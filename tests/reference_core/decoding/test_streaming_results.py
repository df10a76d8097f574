"""Results of chunks and of streamed trials."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, ModelCard, NimbusLDA, train_model
from nimbus_sdk_core.decoding.streaming import StreamingSession, finalize_trial, init_streaming, process_chunk

from tests.reference_core.support import simulated, stream


@pytest.fixture(scope="module")
def model() -> NimbusLDA:
    """A model of four imagined movements."""
    return train_model(NimbusLDA, simulated("motor_imagery", n_trials=200, seed=1), name="a <b> & c")


@pytest.fixture(scope="module")
def data() -> BCIData:
    """Trials it has not seen, of 16 samples."""
    return simulated("motor_imagery", n_trials=200, seed=2)


@pytest.fixture
def session(model: NimbusLDA, data: BCIData) -> StreamingSession:
    """A session with chunks of 4 samples."""
    return init_streaming(copy.copy(model), replace(data.metadata, chunk_size=4))


def test_displays_are_escaped_and_mark_simulated_models(session, data: BCIData) -> None:
    """Session, chunk and result have tables in which a model's name is text and no markup."""
    session.model.card = ModelCard("a <b> & c", data.metadata, details={"simulated": True})
    chunk = process_chunk(session, data.features[:, :4, 0])
    for shown in (session, chunk, finalize_trial(session)):
        html = shown._repr_html_()
        assert "a &lt;b&gt; &amp; c" in html
        assert "<b>" not in html
        assert "simulated data" in html
        assert "simulated data" in repr(shown)


def test_classes_with_names_are_displayed_by_name(session, data: BCIData) -> None:
    """The name of the predicted class is beside its label, in chunks and decisions."""
    names = ["left", "right", "feet", "tongue"]
    session.model.card = ModelCard("named", data.metadata, details={"class_names": names})
    chunk = process_chunk(session, data.features[:, :4, 0])
    for shown in (chunk, finalize_trial(session)):
        words = f"{names[shown.prediction - 1]} ({shown.prediction})"
        assert f"prediction {words}" in repr(shown)
        assert words in shown._repr_html_()


def test_a_trial_without_an_effect_is_displayed_as_such(session, data: BCIData) -> None:
    """A decision that means rest says so."""
    stream(session, data.features[:, :, 0])
    assert "rest" not in repr(finalize_trial(session))
    stream(session, 100.0 + data.features[:, :, 0])
    decision = finalize_trial(session)
    assert decision.is_rest
    assert "rest none of the classes is likely" in repr(decision)


def test_results_can_be_pickled(session, data: BCIData) -> None:
    """A decision survives the way to another process."""
    stream(session, data.features[:, :, 0])
    copied = pickle.loads(pickle.dumps(session))
    result = pickle.loads(pickle.dumps(finalize_trial(session)))
    np.testing.assert_array_equal(finalize_trial(copied).posterior, result.posterior)
