"""The names that a core must offer to be installed and used.

A core is a wheel of the distribution ``nimbus_sdk_core`` with one package of that name. The SDK relies on
nothing but this protocol, so a core can be closed or open. Names and parameters follow the documentation of
NimbusSDK.jl; type checkers and editors take signatures and docstrings from the open reference core.

Required:

``__version__``
    The version, as text.
``BCIData(features, metadata, labels=None)``
    Features of shape (n_features, n_samples, n_trials), what is known of them, and one label per trial.
``BCIMetadata(sampling_rate, paradigm, feature_type, n_features, n_classes, …)``
    What is known of a recording; ``sampling_rate`` in Hz. Further: ``chunk_size`` in samples, or None,
    ``temporal_aggregation``, one of mean, median, logvar, none, and ``channel_names``, ``unit`` and ``band``,
    each of them or None.
``NimbusLDA``
    The model whose classes share one covariance.
``load_model(kind, name_or_path, *, search=())``
    Load a model by its name, from the core itself or from the folders of ``search``, or by the path of its
    file; raises FileNotFoundError (or a subclass) if there is no model of that name.
``predict_batch(model, data, *, iterations=10, dtype=np.float64)``
    Return predictions, confidences, posteriors and diagnostics for every trial.

Optional; a core without one of them can be installed, and only the use of that name is refused:

``NimbusQDA``, ``NimbusProbit``
    Models with a covariance for each class, and of Bayesian multinomial probit regression.
    ``NimbusProbit`` takes ``iterations``, ``N``, ``xi_beta``, ``W_beta``, ``W_df`` and ``W_scale``.
``Pipeline(filters, normalization, model)``
    Spatial filters, normalization and a model in one object, which reads raw channels. ``save_model``,
    ``load_model``, ``predict_batch`` and ``init_streaming`` take it in place of a model.
``train_model(kind, data, …)``, ``calibrate_model(base, data, …)``, ``save_model(model, path)``
    Train a new model, adapt one to a person, write its file. The first two take ``iterations``,
    ``train_model`` also ``showprogress``, ``name``, ``description`` and the kind's hyper-parameters.
``init_streaming(model, metadata)``, ``process_chunk(session, chunk)``, ``finalize_trial(session)``
    Decode while a trial is under way; a chunk has shape (n_features, n_samples).
``should_stop(session, *, confidence=0.9, min_chunks=1)``, ``calibrate_streaming(model, data, *, chunk_size)``
    Whether the chunks so far are enough to decide; a copy of the model that knows how certain chunks are
    together.
``decode_stream(model, stream, *, window, step, …)``
    Decode a live stream: an iterator of ``ChunkResult`` and ``StreamingResult``. The stream is the name of
    one of the Lab Streaming Layer, a connected ``StreamLSL``, or an iterable of ``(samples, timestamps)``.
    Further: ``band``, ``confidence``, ``min_chunks``, ``max_chunks``, ``pause``, ``channel_names``, ``unit``,
    ``sampling_rate`` and ``timeout``.
``calculate_ITR(accuracy, n_classes, trial_duration)``
    Return the bits per minute; the duration of a trial is in seconds.
``assess_trial_quality(result)``
    Return whether predictions are good enough to be used.
``BatchResult``, ``ChunkResult``, ``StreamingResult``, ``StreamingSession``, ``TrialQuality``
    The classes of the results, for programs that name them.

Errors of a core should derive from ``nimbus_sdk.NimbusError``, so that programs can catch them all.

A core may define ``PROTOCOL_VERSION = n``; one that does not follows version 1.
"""

from __future__ import annotations

PROTOCOL_VERSION = 1
"""The version of this list; it rises when a name is added to ``REQUIRED`` or changes its meaning."""

DISTRIBUTION = "nimbus_sdk_core"
"""The name of the wheel's project and of the package."""

LARGEST_WHEEL_BYTES = 2 * 2**30
"""The largest wheel that is downloaded or bundled."""

MODEL_SUFFIX = ".nimbus"
"""The file extension of models."""

REQUIRES = ("numpy",)
"""What every core needs in the environment, since the protocol's arrays are NumPy's."""

REQUIRED = ("BCIData", "BCIMetadata", "NimbusLDA", "load_model", "predict_batch", "__version__")
"""Names that every core offers."""

ALIASES = {"RxLDAModel": "NimbusLDA", "RxGMMModel": "NimbusQDA", "RxPolyaModel": "NimbusProbit"}
"""Older names of the models, and the names that replaced them."""
