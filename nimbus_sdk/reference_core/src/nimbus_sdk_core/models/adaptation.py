"""Adaptation of a model to a person whose signals drift, trial by trial.

With labels the model learns from each trial and forgets old ones: a power prior at every step, R. Kulhavý and
M. B. Zarrop, On a general concept of forgetting, Int. J. Control 58 (1993). If the last trials are unlike all
before, as after an electrode moved, it forgets more at once: a change point, R. P. Adams and D. J. C. MacKay,
Bayesian online changepoint detection (2007), with a few hypotheses in place of all run lengths. Without
labels only a common shift of the class means is tracked: C. Vidaurre et al., Toward unsupervised adaptation
of LDA for brain-computer interfaces, IEEE Trans. Biomedical Engineering 58 (2011).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, Protocol, SupportsFloat, TypeAlias, get_args

import numpy as np

from .._types import FloatArray
from ..data.argument_checks import check_choice, check_probability
from ..errors import CoreDataError, ModelMismatchError
from ..stats.power_prior import choose_weight
from ..stats.sufficient_statistics import Moments, merge_moments, scale_moments
from .gaussian import GaussianClassifier
from .protocol import Decoder

Adapt: TypeAlias = Literal["off", "labelled", "unlabelled"]

# The trials that may show a change, and its probability at each trial.
_RECENT = 12
_CHANGE = 0.02


class Adaptation(Protocol):
    """How a model follows the trials of a stream."""

    def update(self, vector: FloatArray, label: int | None) -> GaussianClassifier | None:
        """Return the model after a trial, or None if it stays.

        Args:
            vector: The trial's features, shape (n_features,).
            label: Index of its class in ``classes_``, or None.
        """
        ...


def start_adaptation(model: Decoder, adapt: Adapt, forgetting: SupportsFloat) -> Adaptation | None:
    """Return how a model is adapted, or None for not at all.

    Args:
        model: A trained model, which is left as it is.
        adapt: ``"off"``, ``"labelled"`` or ``"unlabelled"``.
        forgetting: What each trial leaves of the weight of those before, above 0 and up to 1.

    Raises:
        CoreDataError: There is no such way, or forgetting is out of range.
        ModelMismatchError: The model is of a kind that cannot be adapted.
    """
    factor = check_probability("forgetting", forgetting)
    check_choice("adapt", adapt, get_args(Adapt))
    if adapt == "off":
        return None
    if not factor:
        raise CoreDataError(
            "forgetting is 0, so that nothing learned would stay.", "Give a number such as 0.99."
        )
    if not isinstance(model, GaussianClassifier):
        raise ModelMismatchError(
            f"A {type(model).__name__} cannot be adapted while it decodes.",
            "Use NimbusLDA or NimbusQDA, or calibrate_model() between recordings.",
        )
    kind = LabelledAdaptation if adapt == "labelled" else UnlabelledAdaptation
    return kind(model, factor)


class LabelledAdaptation:
    """Learns from each labelled trial and forgets those before."""

    def __init__(self, model: GaussianClassifier, forgetting: float) -> None:
        self._model = model
        self._forgetting = forgetting
        self._past = model.learned_.moments
        self._recent: deque[tuple[FloatArray, int]] = deque()

    def update(self, vector: FloatArray, label: int | None) -> GaussianClassifier | None:
        """Return the model after a trial, or None if its label is not known."""
        if label is None:
            return None
        self._past = scale_moments(self._past, self._forgetting)
        self._recent.append((vector, label))
        if len(self._recent) > _RECENT:
            self._past = merge_moments(self._past, self._summarize([self._recent.popleft()]))
        recent = self._summarize(self._recent)
        weight = choose_weight(self._past, recent, self._model.learned_.choice, change=_CHANGE)
        self._past = scale_moments(self._past, weight)
        # The prior follows, too: that of another gain would make every trial seem to be a change.
        self._model = self._model.relearn(merge_moments(self._past, recent))
        return self._model

    def _summarize(self, trials: Iterable[tuple[FloatArray, int]]) -> Moments:
        vectors, labels = zip(*trials, strict=True)
        return self._model.summarize(np.array(vectors), np.array(labels))


class UnlabelledAdaptation:
    """Shifts the means of all classes together as the trials drift."""

    def __init__(self, model: GaussianClassifier, forgetting: float) -> None:
        self._model = model
        self._rate = 1.0 - forgetting

    def update(self, vector: FloatArray, label: int | None) -> GaussianClassifier | None:
        """Return the model after a trial, whose label is not used."""
        scores = self._model.score_trials(vector[None])
        moments = self._model.learned_.moments
        expected = scores.posteriors[0] @ self._model.posterior_.means
        # A trial far from all classes moves them no further than one at the edge of what is usual.
        distance = math.sqrt(float(scores.squared_distances[0].min()))
        usual = min(1.0, (math.sqrt(len(vector)) + 3.0) / max(distance, 1e-300))
        shift = self._rate * usual * (vector - expected)
        self._model = self._model.relearn(replace(moments, means=moments.means + shift))
        return self._model
