"""Filters, normalization and decoder as one thing."""

import pickle
import re
from dataclasses import replace

import dask.array as da
import mne
import numpy as np
import pyriemann.spatialfilters
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    CoreDataError,
    CoreTypeError,
    ModelMismatchError,
    NimbusLDA,
    NimbusQDA,
    NotTrainedError,
    Pipeline,
    SpatialFilters,
    calibrate_model,
    calibrate_streaming,
    check_model_compatibility,
    estimate_normalization_params,
    finalize_trial,
    fit_csp,
    init_streaming,
    predict_batch,
    process_chunk,
    train_model,
)
from nimbus_sdk_core.data.normalization import apply_normalization


@pytest.fixture
def pipeline(training: mne.EpochsArray) -> Pipeline:
    """CSP, z-scores and a decoder, each learned from the training epochs."""
    filters = fit_csp(training, n_components=4)
    features = BCIData.from_epochs(training, paradigm="motor_imagery", transformer=filters)
    params = estimate_normalization_params(features)
    return Pipeline(
        filters, params, train_model(NimbusLDA, apply_normalization(features, params), name="mine")
    )


def evoked_epochs(seed: int) -> mne.EpochsArray:
    """EEG of 0.5 s in which targets have a wave at one channel."""
    random = np.random.default_rng(seed)
    codes = np.arange(80) % 2 + 1
    signals = random.normal(size=(80, 4, 50))
    signals[codes == 2, 3, 20:30] += 1.5
    events = np.column_stack([np.arange(80) * 200 + 100, np.zeros(80, int), codes])
    info = mne.create_info(["Fz", "C3", "C4", "Pz"], 100.0, "eeg")
    named = {"other": 1, "target": 2}
    return mne.EpochsArray(1e-5 * signals, info, events, event_id=named, verbose="error")


def test_raw_trials_are_decoded_as_the_parts_do_in_turn(pipeline: Pipeline, later: mne.EpochsArray) -> None:
    """Filtering, normalizing and decoding by hand gives the same, in memory, from float32 and in Dask."""
    raw = BCIData.from_epochs(later, paradigm="motor_imagery")
    filtered = BCIData.from_epochs(later, paradigm="motor_imagery", transformer=pipeline.filters)
    by_hand = predict_batch(pipeline.model, apply_normalization(filtered, pipeline.normalization))
    result = predict_batch(pipeline, raw)
    assert result.accuracy > 0.9
    assert (result.model_name, pipeline.metadata.unit) == ("mine", "V")
    pieces = BCIData(da.from_array(raw.features, chunks=(-1, -1, 25)), raw.metadata, raw.labels)
    for name in ("posteriors", "outlier_scores", "entropy"):
        np.testing.assert_allclose(getattr(result, name), getattr(by_hand, name), atol=1e-9, err_msg=name)
        lazy = getattr(predict_batch(pipeline, pieces), name)
        np.testing.assert_allclose(lazy.compute(), getattr(by_hand, name), atol=1e-9, err_msg=name)
    single = BCIData(raw.features.astype(np.float32), raw.metadata)
    np.testing.assert_allclose(predict_batch(pipeline, single).posteriors, by_hand.posteriors, atol=1e-3)


def test_a_pipeline_describes_the_raw_channels_it_reads(
    pipeline: Pipeline, training: mne.EpochsArray
) -> None:
    """Its metadata are those of raw epochs, and everything else is refused by name."""
    raw = BCIData.from_epochs(training, paradigm="motor_imagery")
    assert pipeline.metadata == raw.metadata
    assert check_model_compatibility(pipeline, raw)
    turned = training.copy().reorder_channels(training.ch_names[::-1])
    with pytest.raises(ModelMismatchError, match="channel 0, counted from 0, is C5 in place of C0"):
        predict_batch(pipeline, BCIData.from_epochs(turned, paradigm="motor_imagery"))
    fewer = training.copy().drop_channels(["C1"])
    with pytest.raises(ModelMismatchError, match=r"channels are not those .*: missing is C1\."):
        predict_batch(pipeline, BCIData.from_epochs(fewer, paradigm="motor_imagery"))
    slower = training.copy().resample(50.0, verbose="error")
    with pytest.raises(ModelMismatchError, match="sampling_rate is 50 Hz, but 'mine' was trained at 100 Hz"):
        predict_batch(pipeline, BCIData.from_epochs(slower, paradigm="motor_imagery"))
    with pytest.raises(ModelMismatchError, match="sampling_rate is 50 Hz"):
        init_streaming(pipeline, replace(raw.metadata, sampling_rate=50.0))
    filtered = BCIData.from_epochs(training, paradigm="motor_imagery", transformer=pipeline.filters)
    with pytest.raises(CoreDataError, match=r"have 4 channels on axis 0 .* 'mine' expects 6"):
        predict_batch(pipeline, filtered)
    assert not check_model_compatibility(pipeline, filtered)
    assert "4 features, 2 classes" in repr(pipeline)
    assert "zscore" in pipeline._repr_html_()
    again = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(
        predict_batch(again, raw).posteriors, predict_batch(pipeline, raw).posteriors
    )


def test_large_batches_are_filtered_in_pieces(pipeline: Pipeline, later: mne.EpochsArray) -> None:
    """Where pieces meet, nothing is lost or mixed up."""
    raw = BCIData.from_epochs(later, paradigm="motor_imagery")
    once = predict_batch(pipeline, raw).posteriors
    many = BCIData(np.tile(raw.features, 40), raw.metadata)
    np.testing.assert_allclose(predict_batch(pipeline, many).posteriors, np.tile(once, (40, 1)), atol=1e-12)


def fit_filters(name: str, epochs: mne.EpochsArray) -> object:
    """Linear filters of several libraries, fitted."""
    signals, codes = epochs.get_data(), epochs.events[:, 2]
    if name == "Xdawn":
        return mne.preprocessing.Xdawn(n_components=2, signal_cov=None, correct_overlap=False).fit(epochs)
    kinds = {
        "XdawnTransformer": mne.decoding.XdawnTransformer(n_components=2),
        "CSP": mne.decoding.CSP(n_components=3, transform_into="csp_space"),
        "pyriemann": pyriemann.spatialfilters.Xdawn(nfilter=2),
    }
    return kinds[name].fit(signals, codes)


@pytest.mark.parametrize("name", ["Xdawn", "XdawnTransformer", "CSP", "pyriemann"])
def test_linear_filters_of_other_libraries_are_read(name: str) -> None:
    """Xdawn's and any others, with the samples of their components as features, as Vectorizer gives them."""
    epochs, test = evoked_epochs(1), evoked_epochs(2)
    with mne.use_log_level("error"):
        transformer = fit_filters(name, epochs)
        filtered, expected = (
            transformer.transform(each.get_data())  # type: ignore[attr-defined]
            for each in (epochs, test)
        )
    n_features = filtered.shape[1] * filtered.shape[2]
    about = BCIMetadata(
        100.0,
        "p300",
        "erp",
        n_features,
        2,
        temporal_aggregation="none",
        channel_names=epochs.ch_names,
        unit="V",
    )
    labels = epochs.events[:, 2]
    model = train_model(NimbusLDA, BCIData(filtered.reshape(80, -1).T[:, None], about, labels))
    pipeline = Pipeline(transformer, None, model)  # type: ignore[arg-type]
    assert pipeline.metadata.feature_type == "raw_filtered"
    raw = BCIData.from_epochs(
        test,
        paradigm="p300",
        labels={"other": 1, "target": 2},
        temporal_aggregation=pipeline.metadata.temporal_aggregation,
    )
    by_hand = predict_batch(model, BCIData(expected.reshape(80, -1).T[:, None], about))
    result = predict_batch(pipeline, raw)
    np.testing.assert_allclose(result.posteriors, by_hand.posteriors, atol=1e-8)
    assert result.accuracy > 0.7
    short = BCIData(raw.features[:, :40], raw.metadata)
    with pytest.raises(CoreDataError, match="Trials have 40 samples, but the decoder was trained on 50"):
        predict_batch(pipeline, short)


def test_what_is_not_linear_is_refused(training: mne.EpochsArray) -> None:
    """Powers, and what takes another number of channels, are no filters of channels."""
    with mne.use_log_level("error"):
        csp = mne.decoding.CSP(n_components=4).fit(training.get_data(), training.events[:, 2])
    with pytest.raises(CoreDataError, match="The CSP is not a linear filter of channels"):
        SpatialFilters.from_transformer(csp, training.ch_names)
    with pytest.raises(CoreDataError, match="The CSP cannot filter 2 channels"):
        SpatialFilters.from_transformer(csp, ["C3", "C4"])

    class Shifted:
        def transform(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            return X + 1.0

    with pytest.raises(CoreDataError, match="The Shifted is not a linear filter"):
        SpatialFilters.from_transformer(Shifted(), ["C3", "C4"])


def test_parts_that_do_not_fit_are_refused(pipeline: Pipeline, training: mne.EpochsArray) -> None:
    """Filters, normalization and decoder must be of one training."""
    filters, params, model = pipeline.filters, pipeline.normalization, pipeline.model
    assert filters is not None
    other = SpatialFilters(filters.filters, ("a", "b", "c", "d", "e", "f"))
    fewer = SpatialFilters(filters.filters[:3], filters.channels)
    narrow = estimate_normalization_params(np.ones((3, 2, 2)))
    bare = NimbusLDA().fit([[0.0], [0.2], [1.0], [1.2]], [0, 0, 1, 1])
    nameless = train_model(
        NimbusQDA, BCIData(np.random.default_rng(1).normal(size=(6, 50, 40)), make_raw(6), np.arange(40) % 2)
    )
    cases: list[tuple[tuple[object, object, object], type[Exception], str]] = [
        (
            (fewer, params, model),
            CoreDataError,
            "3 filters, but",
        ),
        ((other, params, model), CoreDataError, "filters are for the channels a, b, c"),
        (
            (filters, narrow, model),
            CoreDataError,
            "is for 3 features",
        ),
        ((filters, params, bare), CoreDataError, "no metadata of its data"),
        ((filters, params, NimbusLDA()), NotTrainedError, "not trained"),
        ((filters, params, "model"), CoreTypeError, "model is a str, not a decoder"),
        ((filters, params, pipeline), CoreTypeError, "model is a Pipeline, not a decoder"),
        ((filters, "zscore", model), CoreTypeError, "normalization is a str"),
        (("csp", params, model), CoreTypeError, "filters is a str, not a SpatialFilters"),
        ((mne.decoding.CSP(), None, nameless), CoreDataError, "does not know the names of its channels"),
    ]
    for parts, kind, words in cases:
        with pytest.raises(kind, match=re.escape(words)):
            Pipeline(*parts)  # type: ignore[arg-type]


def make_raw(n_channels: int) -> BCIMetadata:
    """Metadata of channels without names."""
    return BCIMetadata(100.0, "motor_imagery", "raw_filtered", n_channels, 2, temporal_aggregation="logvar")


def test_a_decoder_alone_is_a_pipeline_too(training: mne.EpochsArray) -> None:
    """Without filters it reads what the decoder reads; normalization alone is applied."""
    raw = BCIData.from_epochs(training, paradigm="motor_imagery")
    params = estimate_normalization_params(raw, method="robust")
    model = train_model(NimbusLDA, apply_normalization(raw, params))
    bare = Pipeline(None, params, model)
    assert bare.metadata == raw.metadata
    expected = predict_batch(model, apply_normalization(raw, params)).posteriors
    np.testing.assert_allclose(predict_batch(bare, raw).posteriors, expected, atol=1e-12)
    transformed = bare.transform(raw)
    np.testing.assert_allclose(predict_batch(model, transformed).posteriors, expected, atol=1e-12)


def test_a_stream_of_raw_chunks_is_decoded_by_a_pipeline(random: np.random.Generator) -> None:
    """Chunks and trials are those that the decoder sees filtered, and the pipeline learns how they count."""
    labels = np.arange(60) % 2
    recording = random.normal(size=(3, 80, 60))
    recording[0] *= 1.0 + labels
    raw_about = BCIMetadata(100.0, "motor_imagery", "raw_filtered", 3, 2, temporal_aggregation="logvar")
    about = BCIMetadata(100.0, "motor_imagery", "csp", 2, 2, temporal_aggregation="logvar")
    filters = SpatialFilters([[1.0, 0.0, 0.1], [0.0, 1.0, 0.0]], ["a", "b", "c"])
    filtered = BCIData(np.tensordot(filters.filters, recording, 1), about, labels)
    raw, model = BCIData(recording, raw_about, labels), train_model(NimbusLDA, filtered)
    pipeline = calibrate_streaming(Pipeline(filters, None, model), raw, chunk_size=20)
    assert pipeline.model.card.details == calibrate_streaming(model, filtered, chunk_size=20).card.details
    sessions = init_streaming(pipeline, raw_about), init_streaming(pipeline.model, about)
    for start in range(0, 80, 20):
        piece = np.s_[:, start : start + 20, 3]
        of_raw = process_chunk(sessions[0], recording[piece])
        of_filtered = process_chunk(sessions[1], filtered.features[piece])
        np.testing.assert_allclose(of_raw.posterior, of_filtered.posterior, rtol=1e-9)
    of_raw, of_filtered = (finalize_trial(session) for session in sessions)
    np.testing.assert_allclose(of_raw.posterior, of_filtered.posterior, rtol=1e-9)
    assert of_raw.outlier_score == pytest.approx(of_filtered.outlier_score)


def test_a_pipeline_is_calibrated_with_raw_trials(pipeline: Pipeline, later: mne.EpochsArray) -> None:
    """Its decoder learns from what the filters make of them; the given pipeline stays as it was."""
    raw = BCIData.from_epochs(later, paradigm="motor_imagery")
    before = predict_batch(pipeline, raw).posteriors
    mine = calibrate_model(pipeline, raw, base_weight=0.5)
    by_hand = calibrate_model(pipeline.model, pipeline.transform(raw), base_weight=0.5)
    expected = predict_batch(by_hand, pipeline.transform(raw)).posteriors
    np.testing.assert_allclose(predict_batch(mine, raw).posteriors, expected, atol=1e-9)
    np.testing.assert_array_equal(predict_batch(pipeline, raw).posteriors, before)
    assert mine.card.details["calibrated_trials"] == len(raw)
