"""What a core must offer, by name, to be installed and used.

A core is a wheel of the distribution ``nimbus_sdk_core`` with one package of that name. The SDK knows no
more of it than this protocol, so a core can be closed or open. Names and parameters follow the
documentation of NimbusSDK.jl; typed signatures are in ``surface.pyi`` beside this file.

Required:

``__version__``
    The version, as text.
``BCIData(features, metadata, labels=None)``
    Features of shape (n_features, n_samples, n_trials), what is known of them, and one label a trial.
``BCIMetadata(sampling_rate, paradigm, feature_type, n_features, n_classes, …)``
    What is known of a recording; ``sampling_rate`` in Hz. Further: ``chunk_size`` in samples, or None, and
    ``temporal_aggregation``, one of mean, median, logvar, none.
``NimbusLDA``
    The kind of model whose classes share one covariance.
``load_model(kind, name_or_path, *, search=())``
    A model of that kind, by its name among those that come with the core and those in the folders of
    ``search``, or by the path of its file; a FileNotFoundError (or a class of it) where a name is in none.
``predict_batch(model, data, *, iterations=10)``
    Predictions, confidences, posteriors and diagnostics for every trial.

Optional; a core without one of them is installed all the same, and only the use of that name is refused:

``NimbusQDA``, ``NimbusProbit``
    Kinds of model with a covariance for each class, and of Bayesian multinomial probit regression.
    ``NimbusProbit`` takes ``iterations``, ``N``, ``xi_beta``, ``W_beta``, ``W_df`` and ``W_scale``.
``train_model(kind, data, …)``, ``calibrate_model(base, data, …)``, ``save_model(model, path)``
    A new model, one adapted to a person, and its file. Both take ``iterations``; ``train_model`` also
    ``showprogress``, ``name``, ``description`` and the kind's hyper-parameters.
``init_streaming(model, metadata)``, ``process_chunk(session, chunk)``, ``finalize_trial(session)``
    Decoding while a trial is under way; a chunk has shape (n_features, n_samples).
``calculate_ITR(accuracy, n_classes, trial_duration)``
    Bits per minute; the duration of a trial is in seconds.
``assess_trial_quality(result)``
    Whether what was predicted is good enough to be used.
``BatchResult``, ``ChunkResult``, ``StreamingResult``, ``StreamingSession``, ``TrialQuality``
    The classes of what these give, for programs that name them.

Errors of a core are best classes of ``nimbus_sdk.NimbusError``, so that a program catches all alike.

A core may tell ``PROTOCOL_VERSION = n``; one that does not is taken to follow version 1.
"""

from __future__ import annotations

PROTOCOL_VERSION = 1
"""The version of this list; it rises when a name is added to :data:`REQUIRED` or changes its meaning."""

DISTRIBUTION = "nimbus_sdk_core"
"""The wheel's project and the package that is imported."""

MODEL_SUFFIX = ".nimbus"
"""How the file of a model is named."""

REQUIRED = ("BCIData", "BCIMetadata", "NimbusLDA", "load_model", "predict_batch", "__version__")
"""Names that every core offers."""

OPTIONAL = (
    "save_model",
    "train_model",
    "calibrate_model",
    "init_streaming",
    "process_chunk",
    "finalize_trial",
    "calculate_ITR",
    "assess_trial_quality",
    "NimbusQDA",
    "NimbusProbit",
    "BatchResult",
    "ChunkResult",
    "StreamingResult",
    "StreamingSession",
    "TrialQuality",
)
"""Names that a core may offer."""

ALIASES = {"RxLDAModel": "NimbusLDA", "RxGMMModel": "NimbusQDA", "RxPolyaModel": "NimbusProbit"}
"""Older names of the kinds of model, and what they stand for."""
