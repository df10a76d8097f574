"""A whole pipeline in one file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from nimbus_sdk_core import (
    BCIData,
    BCIMetadata,
    ModelFileError,
    ModelMismatchError,
    NimbusLDA,
    NimbusProbit,
    NimbusQDA,
    NormalizationParams,
    Pipeline,
    SpatialFilters,
    estimate_normalization_params,
    load_model,
    predict_batch,
    save_model,
    train_model,
)
from nimbus_sdk_core.data.normalization import apply_normalization
from nimbus_sdk_core.io.model_file import from_bytes, to_bytes

from tests.reference_core.support import forge_file

CHANNELS = ("C3", "Cz", "C4")
FILTERS = SpatialFilters([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]], CHANNELS, "hand")


def recorded(seed: int, n_channels: int = 3) -> BCIData:
    """Two classes of noise that differ in power."""
    random, labels = np.random.default_rng(seed), np.arange(40) % 2
    signals = random.normal(size=(n_channels, 30, 40)) * (1.0 + np.arange(n_channels)[:, None, None] * labels)
    about = BCIMetadata(
        100.0,
        "motor_imagery",
        "raw_filtered",
        n_channels,
        2,
        temporal_aggregation="logvar",
        channel_names=CHANNELS,
    )
    return BCIData(signals, about, labels)


def build_pipeline(
    kind: type[NimbusLDA], filters: SpatialFilters | None, params: NormalizationParams | None
) -> Pipeline:
    """A trained pipeline of these parts."""
    raw = recorded(1)
    data = raw
    if filters is not None:
        about = BCIMetadata(
            100.0, "motor_imagery", "csp", 2, 2, temporal_aggregation="logvar", channel_names=CHANNELS
        )
        data = BCIData(np.tensordot(filters.filters, raw.features, 1), about, raw.labels)
    if params is not None:
        params = estimate_normalization_params(data, method=params.method)
        data = apply_normalization(data, params)
    return Pipeline(filters, params, train_model(kind, data, name="mine", description="ü"))


@pytest.mark.parametrize("kind", [NimbusLDA, NimbusQDA, NimbusProbit])
@pytest.mark.parametrize("filters", [FILTERS, None])
@pytest.mark.parametrize("method", ["zscore", "robust", None])
def test_a_pipeline_is_saved_and_loaded_whole(
    kind: type[NimbusLDA], filters: SpatialFilters | None, method: str | None, tmp_path: Path
) -> None:
    """One file decodes raw channels as before, whatever its parts are."""
    params = None if method is None else estimate_normalization_params(recorded(1), method=method)  # type: ignore[arg-type]
    pipeline = build_pipeline(kind, filters, params)
    again = load_model(Pipeline, save_model(pipeline, tmp_path / "whole.nimbus"))
    assert isinstance(load_model("Pipeline", tmp_path / "whole.nimbus"), Pipeline)
    assert again.metadata == pipeline.metadata
    assert repr(again) == repr(pipeline)
    raw = recorded(2)
    np.testing.assert_array_equal(
        predict_batch(again, raw).posteriors, predict_batch(pipeline, raw).posteriors
    )
    assert to_bytes(again) == to_bytes(pipeline)


def test_pipelines_and_decoders_are_not_confused(tmp_path: Path) -> None:
    """Loading one as the other names both."""
    pipeline = build_pipeline(NimbusLDA, FILTERS, None)
    whole, part = tmp_path / "whole.nimbus", tmp_path / "part.nimbus"
    save_model(pipeline, whole)
    save_model(pipeline.model, part)
    with pytest.raises(ModelMismatchError, match="is a Pipeline, not a NimbusLDA"):
        load_model(NimbusLDA, whole)
    with pytest.raises(ModelMismatchError, match="is a NimbusLDA, not a Pipeline"):
        load_model(Pipeline, part)


def change_pipeline(**changes: object) -> Callable[[dict], None]:
    """A change of the pipeline's entry of a header."""
    return lambda header: header["model"]["pipeline"].update(changes)


def rename_array(header: dict, name: str, other: str) -> None:
    """Give an array of the header another name."""
    for entry in header["arrays"]:
        entry["name"] = other if entry["name"] == name else entry["name"]


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["model"].update(pipeline=None),
        lambda header: header["model"].update(pipeline=[1]),
        lambda header: header["model"].pop("pipeline"),
        change_pipeline(more=1),
        change_pipeline(filters=None),
        change_pipeline(filters=3),
        change_pipeline(filters={"channels": ["C3", "C4"], "learned_by": "x"}),
        change_pipeline(filters={"channels": ["C3", "Cz", 4], "learned_by": "x"}),
        change_pipeline(filters={"channels": "C3", "learned_by": "x"}),
        change_pipeline(filters={"channels": ["C3", "Cz", "C4"], "learned_by": 1}),
        change_pipeline(filters={"channels": ["C3", "Cz", "C4"]}),
        change_pipeline(filters={"channels": ["C3", "C4", "Cz"], "learned_by": "x"}),
        change_pipeline(normalization=None),
        change_pipeline(normalization=3),
        change_pipeline(normalization={"method": "evil", "computed_from_n_trials": 40}),
        change_pipeline(normalization={"method": "zscore", "computed_from_n_trials": 1.5}),
        lambda header: rename_array(header, "pipeline_means", "pipeline_modes"),
        lambda header: rename_array(header, "pipeline_means", "middle"),
    ],
)
def test_malformed_pipelines_are_refused(change: Callable[[dict], None]) -> None:
    """A file with a checksum that fits and an entry that does not is no pipeline."""
    params = estimate_normalization_params(recorded(1))
    content = to_bytes(build_pipeline(NimbusLDA, FILTERS, params))
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(content, change))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["pipeline_filters", "pipeline_means", "pipeline_mads"])
def test_numbers_that_are_not_finite_are_refused(name: str, value: float) -> None:
    """In filters and in normalization."""
    pipeline = build_pipeline(NimbusLDA, FILTERS, estimate_normalization_params(recorded(1)))
    content = to_bytes(pipeline)
    assert pipeline.filters is not None
    assert pipeline.normalization is not None
    part = (
        pipeline.filters.filters if name == "pipeline_filters" else getattr(pipeline.normalization, name[9:])
    )
    changed = part.copy()
    changed.flat[0] = value
    payload = content[:-32].replace(part.tobytes(), changed.tobytes())
    assert payload != content[:-32]
    start = content.index(part.tobytes())
    assert start > 0
    with pytest.raises(ModelFileError, match="malformed"):
        from_bytes(forge_file(payload + content[-32:], lambda header: None))
