"""Common spatial patterns: filters learned by MNE or pyriemann, stored as plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from .._repr import Summary, format_html_table, format_line
from .._types import FloatArray, LabelArray
from ..errors import CoreDataError, MissingLibraryError
from .argument_checks import check_whole_number
from .mne_epochs import EpochsLike, read_epochs


@dataclass(frozen=True, slots=True, eq=False)
class SpatialFilters:
    """Weights of all channels for each feature. Using them needs neither MNE nor pyriemann.

    Attributes:
        filters: Shape (n_components × n_channels).
        channels: Names of the channels, in order.
        learned_by: The library that learned them.
    """

    filters: FloatArray
    channels: tuple[str, ...]
    learned_by: str

    def transform(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803
        """Apply the filters to epochs, or to one chunk of a stream.

        Args:
            X: Shape (n_epochs × n_channels × n_times), or (n_channels × n_times).

        Returns:
            The same with components in place of channels.

        Raises:
            CoreDataError: Another number of channels.

        Examples:
            >>> difference = SpatialFilters(np.array([[1.0, -1.0]]), ("C3", "C4"), "hand")
            >>> difference.transform([[5.0, 7.0], [1.0, 2.0]])
            array([[4., 5.]])
        """
        epochs = np.asarray(X, dtype=np.float64)
        if epochs.ndim not in (2, 3) or epochs.shape[-2] != len(self.channels):
            raise CoreDataError(
                f"X has shape {epochs.shape}, expected {len(self.channels)} channels before the last axis.",
                "Give the channels that the filters were learned on, in the same order.",
            )
        return np.asarray(self.filters @ epochs)

    def check_channels(self, names: Sequence[str]) -> None:
        """Raise CoreDataError unless these are the channels of the filters, in order."""
        if tuple(names) != self.channels:
            raise CoreDataError(
                f"The epochs have the channels {', '.join(names)}; the filters were learned on "
                f"{', '.join(self.channels)}.",
                "Give the same channels in the same order: epochs.reorder_channels(list(filters.channels)).",
            )

    def __repr__(self) -> str:
        return format_line("SpatialFilters", self._summary())

    def _repr_html_(self) -> str:
        """A small table for notebooks; every value escaped."""
        return format_html_table("SpatialFilters", self._summary())

    def _summary(self) -> Summary:
        n_components, n_channels = self.filters.shape
        return [
            ("components", str(n_components)),
            ("channels", str(n_channels)),
            ("learned by", self.learned_by),
        ]


def fit_csp(epochs: EpochsLike, *, n_components: SupportsIndex = 8) -> SpatialFilters:
    """Learn common spatial patterns from labelled epochs, with MNE or else with pyriemann.

    Learn from the training epochs only, and use the same filters for everything the model reads later. The
    epochs should be filtered to the band of interest before (8 to 30 Hz for imagined movements).

    Args:
        epochs: ``mne.Epochs`` with two or more kinds of events.
        n_components: How many filters, at most one for each channel.

    Raises:
        CoreDataError: Only one kind of event, or numbers that cannot be used.
        MissingLibraryError: Neither library is installed.
    """
    found = read_epochs(epochs)
    recording, labels = found.signals, found.labels
    n_channels = recording.shape[1]
    n_filters = check_whole_number("n_components", n_components, least=1, most=n_channels)
    if len(np.unique(labels)) < 2:
        raise CoreDataError(
            f"The epochs hold one kind of event: {np.unique(labels).tolist()}.", "CSP compares at least two."
        )
    if not np.isfinite(recording).all():
        raise CoreDataError("The epochs hold values that are not finite.", "Drop or repair these epochs.")
    for library, fit in (("mne", _fit_with_mne), ("pyriemann", _fit_with_pyriemann)):
        if find_spec(library) is not None:
            filters = np.ascontiguousarray(fit(recording, labels, n_filters), dtype=np.float64)
            return SpatialFilters(filters, found.channel_names, library)
    raise MissingLibraryError(
        "Common spatial patterns are learned by MNE or pyriemann, and neither is installed.",
        "Install mne in this environment (`pip install mne`), then try again.",
    )


def _fit_with_mne(recording: FloatArray, labels: LabelArray, n_components: int) -> FloatArray:
    with import_module("mne").use_log_level("warning"):
        csp = import_module("mne.decoding").CSP(n_components=n_components, transform_into="csp_space")
        filters: FloatArray = csp.fit(recording, labels).filters_[:n_components]
    return filters


def _fit_with_pyriemann(recording: FloatArray, labels: LabelArray, n_components: int) -> FloatArray:
    covariances = import_module("pyriemann.estimation").Covariances().transform(recording)
    csp = import_module("pyriemann.spatialfilters").CSP(nfilter=n_components)
    filters: FloatArray = csp.fit(covariances, labels).filters_
    return filters
