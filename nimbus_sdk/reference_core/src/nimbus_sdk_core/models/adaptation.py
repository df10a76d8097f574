"""Adaptation of a model to a person whose signals drift, trial by trial.

With labels the model learns from each trial and forgets old ones: a power prior at every step, R. Kulhavý and
M. B. Zarrop, On a general concept of forgetting, Int. J. Control 58 (1993). If the last trials have another
gain or zero, all that was learned follows: these are few numbers, known after few trials. If they are unlike
all before in another way, as after an electrode moved, it forgets more at once: a change point, R. P. Adams
and D. J. C. MacKay, Bayesian online changepoint detection (2007), with a few hypotheses in place of all run
lengths. Nothing is learned from single trials that are far from all others. Without labels a common shift of
the class means is tracked, C. Vidaurre et al., Toward unsupervised adaptation of LDA for brain-computer
interfaces, IEEE Trans. Biomedical Engineering 58 (2011), and the gain.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from itertools import compress
from typing import Literal, Protocol, SupportsFloat, TypeAlias, get_args

import numpy as np

from .._types import FloatArray, IndexArray
from ..data.argument_checks import check_choice, check_probability
from ..errors import CoreDataError, ModelMismatchError
from ..stats.common_change import CommonChange, estimate_change, find_change, find_gain
from ..stats.niw import PriorChoice, build_prior, update_posterior
from ..stats.power_prior import choose_weight
from ..stats.student_t import prepare_predictive, score_vectors
from ..stats.sufficient_statistics import Moments, merge_moments, scale_moments
from .gaussian import GaussianClassifier
from .protocol import Decoder
from .scoring import standardize_distance

Adapt: TypeAlias = Literal["off", "labelled", "unlabelled"]

# The trials that may show a change, the fewest of them, and its probability at each trial.
_RECENT = 12
_FEWEST = 3
_CHANGE = 0.02

# The outlier score above which a single trial is an artefact, from which nothing is learned.
_ARTEFACT = 6.0


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
        self._choice = model.learned_.choice
        self._recent: deque[tuple[FloatArray, int]] = deque()
        # The recent trials are then those since a common change, which is estimated from ever more of them.
        self._change: CommonChange | None = None

    def update(self, vector: FloatArray, label: int | None) -> GaussianClassifier | None:
        """Return the model after a trial, or None if its label is not known."""
        if label is None:
            return None
        self._past = scale_moments(self._past, self._forgetting)
        self._recent.append((vector, label))
        if len(self._recent) > _RECENT:
            (self._past, self._choice), self._change = self._changed(), None
            self._learn_first(1)
        past, choice = self._changed()
        credible = self._find_credible(past, choice)
        if self._follow_change(credible):
            past, choice = self._changed()
            credible = self._find_credible(past, choice)
        self._past = scale_moments(self._past, weight := self._weigh(past, choice, credible))
        # The prior follows, too: that of another gain would make every trial seem to be a change.
        self._model = self._model.relearn(self._extend(scale_moments(past, weight), credible))
        if self._change is None:
            self._choice = self._model.learned_.choice
        return self._model

    def _changed(self) -> tuple[Moments, PriorChoice]:
        """The past and its prior as if it had been after the change, too."""
        if self._change is None:
            return self._past, self._choice
        scale = self._change.gain**2 * self._choice.scale
        return self._change.apply(self._past), self._choice._replace(scale=scale)

    def _follow_change(self, credible: list[bool]) -> bool:
        """Look for a change that all trials share, or estimate it again; whether there is one."""
        if sum(credible) < _FEWEST:
            return False
        vectors, labels = _separate(self._choose(credible))
        beliefs = update_posterior(build_prior(self._past, self._choice), self._past)
        before = prepare_predictive(beliefs, self._model.priors_), beliefs.means
        if self._change is not None:
            self._change = estimate_change(*before, vectors, labels)
            return True
        self._change = find_change(*before, vectors, labels, probability=_CHANGE)
        if self._change is None:
            return False
        self._learn_first(
            [at for at, is_credible in enumerate(credible) if is_credible][-self._change.n_trials]
        )
        return True

    def _find_credible(self, past: Moments, choice: PriorChoice) -> list[bool]:
        """Whether each recent trial is no artefact.

        All are credible if most of them or the last ones are far off; all of a class, if its last ones are.
        """
        beliefs = update_posterior(build_prior(past, choice), past)
        predictive = prepare_predictive(beliefs, self._model.priors_)
        scores = (score_vectors(predictive, vector[None]) for vector, _ in self._recent)
        n_features = past.means.shape[1]
        is_far = [standardize_distance(each, n_features) > _ARTEFACT for each in scores]
        has_changed = 2 * sum(is_far) > len(is_far) or all(is_far[-_FEWEST:])
        if len(is_far) >= _FEWEST and has_changed:
            return [True] * len(is_far)
        labels = [label for _, label in self._recent]
        of_class = {each: list(compress(is_far, (each == label for label in labels))) for each in set(labels)}
        moved = {each for each, own in of_class.items() if len(own) >= _FEWEST and all(own[-_FEWEST:])}
        return [not far or label in moved for far, label in zip(is_far, labels, strict=True)]

    def _learn_first(self, n_trials: int) -> None:
        """Make the first of the recent trials a part of the past, but for artefacts."""
        credible = self._find_credible(self._past, self._choice)[:n_trials]
        self._past = self._extend(self._past, credible)
        for _ in credible:
            self._recent.popleft()

    def _weigh(self, past: Moments, choice: PriorChoice, credible: list[bool]) -> float:
        """How much the past counts for the recent trials, without the last, which may be artefacts."""
        decisive = self._choose(credible[: len(credible) - _FEWEST + 1])
        if not decisive:
            return 1.0
        return choose_weight(past, self._summarize(decisive), choice, change=_CHANGE)

    def _extend(self, past: Moments, credible: list[bool]) -> Moments:
        """The past with the chosen ones of the recent trials."""
        chosen = self._choose(credible)
        return merge_moments(past, self._summarize(chosen)) if chosen else past

    def _choose(self, credible: list[bool]) -> list[tuple[FloatArray, int]]:
        return list(compress(self._recent, credible))

    def _summarize(self, trials: Iterable[tuple[FloatArray, int]]) -> Moments:
        return self._model.summarize(*_separate(trials))


def _separate(trials: Iterable[tuple[FloatArray, int]]) -> tuple[FloatArray, IndexArray]:
    vectors, labels = zip(*trials, strict=True)
    return np.array(vectors), np.array(labels)


class UnlabelledAdaptation:
    """Shifts the means of all classes together as the trials drift, and follows another gain."""

    def __init__(self, model: GaussianClassifier, forgetting: float) -> None:
        self._model = model
        self._rate = 1.0 - forgetting
        self._recent: deque[FloatArray] = deque(maxlen=_RECENT)

    def update(self, vector: FloatArray, label: int | None) -> GaussianClassifier | None:
        """Return the model after a trial, whose label is not used."""
        self._recent.append(vector)
        change = find_gain(self._model.learned_.predictive, np.array(self._recent), probability=_CHANGE)
        if change is not None:
            self._model = self._model.relearn(change.apply(self._model.learned_.moments))
        scores = self._model.score_trials(vector[None])
        moments = self._model.learned_.moments
        expected = scores.posteriors[0] @ self._model.posterior_.means
        # A trial far from all classes moves them no further than one at the edge of what is usual.
        distance = math.sqrt(float(scores.squared_distances[0].min()))
        usual = min(1.0, (math.sqrt(len(vector)) + 3.0) / max(distance, 1e-300))
        shift = self._rate * usual * (vector - expected)
        self._model = self._model.relearn(replace(moments, means=moments.means + shift))
        return self._model
