"""Errors for arguments of a wrong kind, and for masked arrays."""

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    ModelMismatchError,
    ModelNotFoundError,
    NimbusCoreError,
    NimbusLDA,
    OwnWord,
    aggregate_chunks,
    get_paradigm_defaults,
    init_streaming,
    load_model,
    predict_batch,
    process_chunk,
    simulate,
    train_model,
)
from nimbus_sdk_core.checks.validation import validate_data
from nimbus_sdk_core.data.argument_checks import describe_kind
from nimbus_sdk_core.data.normalization import apply_normalization, estimate_normalization_params
from nimbus_sdk_core.decoding.trial_quality import assess_trial_quality
from nimbus_sdk_core.errors import CoreTypeError
from nimbus_sdk_core.models.compatibility import get_n_classes, get_n_features, get_paradigm

from tests.reference_core.support import simulated


def noise(n_features: int = 3, n_samples: int = 500, n_trials: int = 30) -> np.ndarray:
    """Unremarkable features."""
    return np.random.default_rng(5).normal(size=(n_features, n_samples, n_trials))


def test_masked_arrays_are_neither_scaled_nor_assessed() -> None:
    """Masked values would be treated as measured."""
    masked = np.ma.masked_greater(noise(), 1.0)
    params = estimate_normalization_params(noise())
    for use in (estimate_normalization_params, lambda features: apply_normalization(features, params)):
        with pytest.raises(CoreDataError, match="features are a masked array"):
            use(masked)
    with pytest.raises(CoreDataError, match="posteriors are a masked array"):
        assess_trial_quality(np.ma.array([[0.9, 0.1]], mask=[[0, 1]]))


def test_arguments_of_the_wrong_kind_are_named() -> None:
    """The message names the given type and the expected one."""
    for ask in (get_n_features, get_n_classes, get_paradigm):
        with pytest.raises(CoreTypeError, match="model is a NoneType, not a model"):
            ask(None)
    with pytest.raises(CoreTypeError, match="params is a NoneType, not a NormalizationParams"):
        apply_normalization(noise(), None)
    with pytest.raises(CoreTypeError, match="data is a list, not a BCIData"):
        validate_data([])


def metadata(paradigm: str = "p300", feature_type: str = "erp", **named: object) -> BCIMetadata:
    """Metadata of 16 features and 4 classes."""
    return BCIMetadata(250.0, paradigm, feature_type, 16, 4, **named)


def trials() -> BCIData:
    """Some trials of the simulated movements."""
    return simulated("motor_imagery", n_trials=80, seed=1)


@pytest.mark.parametrize(
    ("use", "meant"),
    [
        (lambda: metadata("motor imagery"), "motor_imagery"),
        (lambda: metadata("Motor-Imagery"), "motor_imagery"),
        (lambda: metadata("MOTOR_IMAGERY"), "motor_imagery"),
        (lambda: metadata("motor_imagry"), "motor_imagery"),
        (lambda: metadata("ssvp"), "ssvep"),
        (lambda: metadata(feature_type="CSP"), "csp"),
        (lambda: metadata(feature_type="band power"), "bandpower"),
        (lambda: metadata(feature_type="bandpowr"), "bandpower"),
        (lambda: metadata(temporal_aggregation="log-var"), "logvar"),
        (lambda: simulate("P300", n_trials=5, seed=1), "p300"),
        (lambda: get_paradigm_defaults("SSVEP"), "ssvep"),
        (lambda: estimate_normalization_params(noise(), method="z-score"), "zscore"),
        (lambda: aggregate_chunks([1], [0.9], n_classes=2, method="weighted"), "weighted_vote"),
        (lambda: init_streaming(lda(), trials().metadata, adapt="Labeled"), "labelled"),
        (lambda: train_model("nimbus_lda", trials()), "NimbusLDA"),
        (lambda: train_model("QDA", trials()), "NimbusQDA"),
        (lambda: load_model("pipeline", "mine"), "Pipeline"),
        (lambda: load_model(NimbusLDA, "motor_imagery_4classes_v1"), "motor_imagery_4class_v1"),
        (lambda: train_model(NimbusLDA, trials(), dof_ofset=2), "dof_offset"),
    ],
)
def test_a_misspelt_word_names_the_one_that_was_meant(use, meant: str) -> None:
    """Every argument with a set of words names the nearest one, whatever is wrong in the spelling."""
    with pytest.raises(NimbusCoreError) as raised:
        use()
    assert isinstance(raised.value, CoreDataError | ModelMismatchError | ModelNotFoundError)
    assert f"Did you mean {meant!r}?" in raised.value.hint


@pytest.mark.parametrize(
    "word", ["fbcsp", "errp", "sssep", "p300_speller", "raw", "imagery", OwnWord("attention")]
)
def test_a_word_of_ones_own_is_taken(word: str) -> None:
    """What is no misspelling of a known word is a paradigm or a kind of feature of one's own."""
    assert (metadata(word).paradigm, metadata(feature_type=word).feature_type) == (word, word)


def test_a_word_that_is_like_none_lists_them() -> None:
    """Without a similar word, the message lists all of them and suggests none."""
    with pytest.raises(CoreDataError, match=r"^adapt is 7\. Use one of off, labelled, unlabelled\.$"):
        init_streaming(lda(), trials().metadata, adapt=7)


def lda() -> NimbusLDA:
    """A model of spatial patterns."""
    return train_model(NimbusLDA, trials())


def test_raw_channels_for_a_model_of_spatial_patterns_name_the_filters() -> None:
    """Where channels are given instead of what filters make of them, the hint says what to do with them."""
    model = lda()
    raw = metadata("motor_imagery", "raw_filtered")
    session = init_streaming(model, trials().metadata)
    for use in (
        lambda: process_chunk(session, np.ones((22, 250))),
        lambda: validate_data(BCIData(np.ones((22, 250, 3)), trials().metadata)),
        lambda: init_streaming(model, raw),
        lambda: predict_batch(model, BCIData(np.ones((16, 250, 3)), raw)),
    ):
        with pytest.raises(
            NimbusCoreError, match=r"filters\.transform.*Pipeline\(filters, normalization, model\)"
        ):
            use()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Epochs", "an Epochs"),
        ("ndarray", "an ndarray"),
        ("Xdawn", "an Xdawn"),
        ("LDA", "an LDA"),
        ("XMLReader", "an XMLReader"),
        ("NoneType", "a NoneType"),
        ("Series", "a Series"),
        ("UserDict", "a UserDict"),
        ("str", "a str"),
    ],
)
def test_kinds_have_the_article_of_their_sound(name: str, words: str) -> None:
    """A person reads the message aloud without a slip."""
    assert describe_kind(type(name, (), {})()) == words
