"""Metrics are those of scikit-learn."""

import dask
import dask.array as da
import numpy as np
import pytest
from nimbus_sdk_core import BatchResult, BCIData, BCIMetadata, NimbusLDA, predict_batch, train_model
from sklearn import metrics


def noisy_trials(n_classes: int, n_trials: int = 200, apart: float = 1.0) -> BCIData:
    """Overlapping classes of unequal frequency, with repeated trials, so that there are ties."""
    random = np.random.default_rng(n_classes)
    labels = random.choice(n_classes, n_trials, p=np.arange(1, n_classes + 1) / sum(range(1, n_classes + 1)))
    vectors = np.round(random.normal(size=(n_trials, 3)) + apart * np.eye(n_classes, 3)[labels])
    about = BCIMetadata(1.0, "own", "own", 3, n_classes, temporal_aggregation="none")
    return BCIData(vectors.T[:, None, :], about, labels)


def expected_metrics(result: BatchResult, labels: np.ndarray) -> dict[str, float]:
    """The same, computed by scikit-learn."""
    scores = result.posteriors[:, 1] if len(result.classes) == 2 else result.posteriors
    return {
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, result.predictions),
        "roc_auc": metrics.roc_auc_score(labels, scores, multi_class="ovr"),
        "log_loss": metrics.log_loss(labels, result.posteriors),
        "brier_score": metrics.brier_score_loss(labels, scores),
        "kappa": metrics.cohen_kappa_score(labels, result.predictions),
    }


@pytest.mark.parametrize("n_classes", [2, 3])
def test_metrics_equal_scikit_learns(n_classes: int) -> None:
    """Of two classes and of more, with unequal frequencies and ties, in memory and in Dask."""
    data = noisy_trials(n_classes)
    assert data.labels is not None
    model = train_model(NimbusLDA, data)
    result = predict_batch(model, data)
    lazy = predict_batch(
        model, BCIData(da.from_array(data.features, chunks=(-1, -1, 70)), data.metadata, data.labels)
    )
    for name, value in expected_metrics(result, data.labels).items():
        assert getattr(result, name) == pytest.approx(value, abs=1e-12), name
        assert dask.compute(getattr(lazy, name))[0] == pytest.approx(value, abs=1e-12), name  # type: ignore[attr-defined]
        assert getattr(lazy.compute(), name) == pytest.approx(value, abs=1e-12), name


def test_metrics_need_labels() -> None:
    """Without labels, or without trials, each is None; what one class alone leaves undefined is NaN."""
    data = noisy_trials(2)
    assert data.labels is not None
    model = train_model(NimbusLDA, data)
    names = ("balanced_accuracy", "roc_auc", "log_loss", "brier_score", "kappa")
    for unlabelled in (BCIData(data.features, data.metadata), data[:0]):
        assert [getattr(predict_batch(model, unlabelled), name) for name in names] == [None] * 5
    one = predict_batch(model, data[data.labels == 1])
    assert one.balanced_accuracy == one.accuracy
    assert np.isnan(one.roc_auc)
    assert one.log_loss is not None


def test_a_certain_error_has_a_finite_log_loss() -> None:
    """A probability of 0 for the true class counts as the smallest that scikit-learn knows."""
    random = np.random.default_rng(1)
    about = BCIMetadata(1.0, "own", "own", 1, 2, temporal_aggregation="none")
    labels = np.arange(600) % 2
    features = (labels + 1e-6 * random.normal(size=600))[None, None, :]
    model = train_model(NimbusLDA, BCIData(features, about, labels))
    result = predict_batch(model, BCIData(features, about, 1 - labels))
    assert result.log_loss == pytest.approx(metrics.log_loss(1 - labels, result.posteriors))
