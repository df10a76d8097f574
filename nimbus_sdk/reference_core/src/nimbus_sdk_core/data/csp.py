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
from .argument_checks import check_whole_number, strip_stop
from .mne_epochs import EpochsLike, Transformer, read_epochs

_RANK_TOLERANCE = 1e-10
_DEFAULT_COMPONENTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class SpatialFilters:
    """Weights of all channels for each feature. Using them needs neither MNE nor pyriemann.

    Attributes:
        filters: Shape (n_components × n_channels).
        channels: Names of the channels, in order.
        learned_by: The library and the method that learned them, such as ``"mne CSP"`` or ``"mne Xdawn"``.

    Raises:
        CoreDataError: Another shape, numbers that are not finite, or not one name for each channel.
    """

    filters: FloatArray
    channels: tuple[str, ...]
    learned_by: str = ""

    def __post_init__(self) -> None:
        hint = "Give one row for each component and one column for each channel, and all names of channels."
        channels = tuple(map(str, self.channels))
        try:
            filters = np.array(self.filters, dtype=np.float64)
        except (TypeError, ValueError):
            raise CoreDataError("filters hold something that is not a number.", hint) from None
        if filters.ndim != 2 or not len(filters) or filters.shape[1] != len(channels):
            raise CoreDataError(
                f"filters have shape {filters.shape}, and there are {len(channels)} names of channels.", hint
            )
        if not np.isfinite(filters).all():
            raise CoreDataError("filters hold values that are not finite.", "Learn them again.")
        filters.flags.writeable = False
        object.__setattr__(self, "filters", filters)
        object.__setattr__(self, "channels", channels)

    @classmethod
    def from_transformer(cls, transformer: Transformer, channels: Sequence[str]) -> SpatialFilters:
        """Read the filters of any fitted transformer that is linear, whichever library it comes from.

        It is asked what it makes of single channels, and of mixtures of them for comparison.

        Args:
            transformer: Something fitted with a method ``transform`` from (n_epochs × n_channels × n_times)
                to (n_epochs × n_components × n_times), such as ``mne.preprocessing.Xdawn``, pyriemann's
                ``Xdawn``, or ``mne.decoding.CSP(transform_into="csp_space")``.
            channels: Names of the channels that it was fitted on, in order.

        Raises:
            CoreDataError: It does not take that many channels, or is not linear.

        Examples:
            >>> class Reference:
            ...     def transform(self, X):
            ...         return X - X.mean(axis=1, keepdims=True)
            >>> SpatialFilters.from_transformer(Reference(), ["C3", "C4"]).filters
            array([[ 0.5, -0.5],
                   [-0.5,  0.5]])
        """
        hint = (
            "Give a transformer whose output has components in place of channels, such as "
            "CSP(transform_into='csp_space'); or SpatialFilters(filters, channels)."
        )
        kind, n_channels = type(transformer).__name__, len(channels)
        mixture = np.random.RandomState(0).standard_normal((1, n_channels, n_channels))
        try:
            of_single, of_mixture = (
                np.asarray(transformer.transform(given), dtype=np.float64)
                for given in (np.eye(n_channels)[np.newaxis], mixture)
            )
        except Exception as error:
            raise CoreDataError(
                f"The {kind} cannot filter {n_channels} channels: {strip_stop(error)}.", hint
            ) from error
        has_channels = of_single.ndim == 3 and of_single.shape[::2] == (1, n_channels)
        rounding = 1e-9 * float(abs(of_mixture).max(initial=0.0))
        if not has_channels or not np.allclose(of_single[0] @ mixture[0], of_mixture[0], atol=rounding):
            powers = "; or fit_csp(epochs)" if kind == "CSP" else ""
            raise CoreDataError(f"The {kind} is not a linear filter of channels.", hint[:-1] + powers + ".")
        library = type(transformer).__module__.split(".")[0]
        return cls(of_single[0], tuple(channels), f"{library} {kind}")

    @property
    def finds_rhythms(self) -> bool:
        """Whether they are common spatial patterns, which make rhythms differ in power."""
        return self.learned_by.endswith(" CSP")

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


def fit_csp(epochs: EpochsLike, *, n_components: SupportsIndex | None = None) -> SpatialFilters:
    """Learn common spatial patterns from labelled epochs, with MNE or else with pyriemann.

    Learn from the training epochs only, and use the same filters for everything the model reads later. The
    epochs should be filtered to the band of interest before (8 to 30 Hz for imagined movements).

    Channels that depend on each other, after an average reference, ICA or interpolation, have a rank below
    their number. The patterns are then learned in the space that the channels span, and there are at most as
    many filters as that has dimensions.

    Args:
        epochs: ``mne.Epochs`` with two or more kinds of events.
        n_components: How many filters, at most one for each channel; by default 8, or one for each channel if
            there are fewer.

    Raises:
        CoreDataError: Only one kind of event, or numbers that cannot be used.
        MissingLibraryError: Neither library is installed.
    """
    found = read_epochs(epochs)
    recording, labels = found.signals, found.labels
    n_channels = recording.shape[1]
    chosen = min(_DEFAULT_COMPONENTS, n_channels) if n_components is None else n_components
    n_filters = check_whole_number("n_components", chosen, least=1, most=n_channels)
    if len(np.unique(labels)) < 2:
        raise CoreDataError(
            f"The epochs hold one kind of event: {np.unique(labels).tolist()}.", "CSP compares at least two."
        )
    if not np.isfinite(recording).all():
        raise CoreDataError("The epochs hold values that are not finite.", "Drop or repair these epochs.")
    for library, fit in (("mne", _fit_with_mne), ("pyriemann", _fit_with_pyriemann)):
        if find_spec(library) is not None:
            basis = _find_basis(recording)
            filters = fit(basis @ recording, labels, min(n_filters, len(basis))) @ basis
            return SpatialFilters(filters, found.channel_names, f"{library} CSP")
    raise MissingLibraryError(
        "Common spatial patterns are learned by MNE or pyriemann, and neither is installed.",
        "Install mne in this environment (`pip install mne`), then try again.",
    )


def _find_basis(recording: FloatArray) -> FloatArray:
    """Filters onto independent combinations of the channels: all of them if they are independent themselves.

    Returns:
        Shape (rank × n_channels).
    """
    deviations = recording - recording.mean(axis=2, keepdims=True)
    covariance = np.einsum("nct,ndt->cd", deviations, deviations, optimize=True)
    scale = np.sqrt(np.diagonal(covariance))
    varies = scale > 1e-12 * scale.max()
    scale = np.where(varies, scale, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    is_independent = values > _RANK_TOLERANCE * values[-1]
    if is_independent.all():
        return np.eye(len(scale))
    # Rounding alone leaves power of this size in a combination that is zero.
    return np.asarray(vectors[:, is_independent].T / scale)


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
