"""Checks of chunks."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from nimbus_sdk_core import BCIData, CoreDataError, NimbusLDA, train_model
from nimbus_sdk_core.checks.validation import validate_chunk
from nimbus_sdk_core.decoding.streaming import StreamingSession, init_streaming, process_chunk

from tests.reference_core.support import simulated


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


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (np.zeros((16, 5)), r"shape \(16, 5\), expected \(16, 4\): metadata.chunk_size is 4"),
        (np.zeros((4, 16)), r"shape \(4, 16\), expected \(16, 4\). .* Its transpose, chunk.T"),
        (np.zeros(16), r"shape \(16,\), expected \(16, 4\)"),
        (np.zeros((16, 4, 1)), r"shape \(16, 4, 1\)"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        (np.full((16, 4), np.nan), "64 value"),
        (np.full((16, 4), "a"), "not real numbers"),
        (np.ma.masked_less(np.zeros((16, 4)), 1), "masked"),
    ],
)
def test_an_unusable_chunk_is_rejected_and_not_counted(session, chunk: object, words: str) -> None:
    """The message has the expected and actual shape, and the trial continues without the chunk."""
    with pytest.raises(CoreDataError, match=words):
        process_chunk(session, chunk)
    with pytest.raises(CoreDataError, match=words):
        validate_chunk(chunk, session.metadata)
    assert session.chunk_history == []
