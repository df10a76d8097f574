"""What a model file holds of a pipeline beside its decoder: filters and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import cast, get_args

import numpy as np

from .._types import FloatArray
from ..data.csp import SpatialFilters
from ..data.normalization import Normalization, NormalizationParams
from ..errors import CoreDataError
from ..models.model_card import JsonValue
from ..models.pipeline import Pipeline
from ..models.protocol import Decoder

_PREFIX = "pipeline_"
_FILTERS = _PREFIX + "filters"
_STATISTICS = tuple(
    field.name
    for field in fields(NormalizationParams)
    if field.name not in ("method", "computed_from_n_trials")
)


def write_pipeline(pipeline: Pipeline) -> tuple[JsonValue, dict[str, FloatArray]]:
    """Return the entry of the header and the arrays that a pipeline adds to those of its decoder."""
    entry: dict[str, JsonValue] = {"filters": None, "normalization": None}
    arrays: dict[str, FloatArray] = {}
    filters, normalization = pipeline.filters, pipeline.normalization
    if filters is not None:
        entry["filters"] = {"channels": [*filters.channels], "learned_by": filters.learned_by}
        arrays[_FILTERS] = filters.filters
    if normalization is not None:
        entry["normalization"] = {
            "method": normalization.method,
            "computed_from_n_trials": normalization.computed_from_n_trials,
        }
        arrays |= {_PREFIX + name: getattr(normalization, name) for name in _STATISTICS}
    return entry, arrays


def split_arrays(arrays: Mapping[str, FloatArray]) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Return the arrays of a decoder, and those that its pipeline adds."""
    of_decoder = {name: array for name, array in arrays.items() if not name.startswith(_PREFIX)}
    return of_decoder, {name: array for name, array in arrays.items() if name.startswith(_PREFIX)}


def read_pipeline(entry: JsonValue, arrays: Mapping[str, FloatArray], model: Decoder) -> Pipeline:
    """Read what `write_pipeline` gave.

    Args:
        entry: The entry of the header.
        arrays: Those that the pipeline adds.
        model: The decoder.

    Raises:
        CoreDataError: They are not those of a pipeline, or do not fit the decoder.
    """
    if not isinstance(entry, dict) or set(entry) != {"filters", "normalization"}:
        raise CoreDataError("pipeline is not an object with filters and normalization.", "")
    expected = [_FILTERS] if entry["filters"] is not None else []
    expected += [_PREFIX + name for name in _STATISTICS] if entry["normalization"] is not None else []
    if set(arrays) != set(expected):
        raise CoreDataError(f"pipeline has the arrays {sorted(arrays)}, expected {sorted(expected)}.", "")
    return Pipeline(
        _read_filters(entry["filters"], arrays), _read_normalization(entry["normalization"], arrays), model
    )


def _read_filters(entry: JsonValue, arrays: Mapping[str, FloatArray]) -> SpatialFilters | None:
    if entry is None:
        return None
    if not isinstance(entry, dict) or set(entry) != {"channels", "learned_by"}:
        raise CoreDataError("filters is not an object with channels and learned_by.", "")
    channels, learned_by = entry["channels"], entry["learned_by"]
    if not isinstance(channels, list) or not all(isinstance(name, str) for name in channels):
        raise CoreDataError("channels is not a list of texts.", "")
    if not isinstance(learned_by, str):
        raise CoreDataError("learned_by is not a text.", "")
    return SpatialFilters(arrays[_FILTERS], tuple(cast(list[str], channels)), learned_by)


def _read_normalization(entry: JsonValue, arrays: Mapping[str, FloatArray]) -> NormalizationParams | None:
    if entry is None:
        return None
    if not isinstance(entry, dict) or set(entry) != {"method", "computed_from_n_trials"}:
        raise CoreDataError("normalization is not an object with method and computed_from_n_trials.", "")
    method, n_trials = entry["method"], entry["computed_from_n_trials"]
    if method not in get_args(Normalization) or type(n_trials) is not int:
        raise CoreDataError("The normalization has an unknown method, or no number of trials.", "")
    statistics = {name: arrays[_PREFIX + name] for name in _STATISTICS}
    shape = statistics["means"].shape
    if len(shape) != 1 or any(
        array.shape != shape or not np.isfinite(array).all() for array in statistics.values()
    ):
        raise CoreDataError("The normalization holds arrays of unequal lengths or values not finite.", "")
    return NormalizationParams(cast(Normalization, method), computed_from_n_trials=n_trials, **statistics)
