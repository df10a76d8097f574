"""Training and calibration of models: train_model and calibrate_model."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Literal, TypeVar, cast, overload

import numpy as np

from .._repr import escape_unprintable
from .._types import LabelArray
from ..data.argument_checks import check_probability, check_whole_number, list_choices
from ..data.bci_data import BCIData
from ..data.labels import encode_labels
from ..errors import CoreDataError, ModelMismatchError
from ..stats.power_prior import choose_weight
from ..stats.sufficient_statistics import scale_moments
from .base import HyperValue
from .compatibility import check_data_fits, check_is_data
from .gaussian import GaussianClassifier
from .model_card import JsonValue, ModelCard
from .pipeline import Pipeline
from .protocol import Decoder
from .registry import KINDS, KindName, find_kind_name
from .tempering import cross_fit_tempers, with_tempers

M = TypeVar("M", bound=Decoder)
Base = TypeVar("Base", bound=Decoder | Pipeline)

_JULIA_SPELLINGS = {"ξβ": "xi_beta", "Wβ": "W_beta"}


@overload
def train_model(
    kind: type[M],
    data: BCIData,
    *,
    iterations: int = 50,
    showprogress: bool = False,
    name: str = "",
    description: str = "",
    **hyper: HyperValue,
) -> M: ...
@overload
def train_model(
    kind: KindName,
    data: BCIData,
    *,
    iterations: int = 50,
    showprogress: bool = False,
    name: str = "",
    description: str = "",
    **hyper: HyperValue,
) -> Decoder: ...
def train_model(
    kind: type[Decoder] | KindName,
    data: BCIData,
    *,
    iterations: int = 50,
    showprogress: bool = False,
    name: str = "",
    description: str = "",
    **hyper: HyperValue,
) -> Decoder:
    """Train a model on labelled trials.

    If ``data.metadata.chunk_size`` is given, the model also learns how certain chunks of that length are
    together (`finalize_trial`), by five further trainings on parts of the trials.

    Args:
        kind: `NimbusLDA`, `NimbusQDA`, `NimbusProbit`, or the name of one.
        data: Labelled trials of at least two classes; all ``metadata.n_classes`` must occur.
        iterations: Largest number of iterations of `NimbusProbit`. It ends earlier if nothing moves any
            more, and warns if something still does; ``n_iter_`` is the number it took. The other kinds have
            a closed form and ignore the number. It belongs to the learning and not to the model, so it is in
            ``get_params()`` but not in ``hyper`` or the file.
        showprogress: Write one line to standard error when done.
        name: What to call the model; by default kind and paradigm.
        description: Free text, stored with the model.
        hyper: Hyper-parameters of the kind, such as ``dof_offset`` and ``mean_prior_precision``; ξβ and Wβ,
            as in NimbusSDK.jl, are other names of ``xi_beta`` and ``W_beta``.

    Returns:
        A trained model of that kind.

    Raises:
        CoreTypeError: ``data`` are not BCIData.
        CoreDataError: Data without labels, with classes missing, constant features, a hyper-parameter that
            is unknown or out of range, a name or a description that is not a text.
        ModelMismatchError: There is no such kind, or it is a model instead of a class.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, simulate
        >>> train_model(NimbusLDA, simulate("motor_imagery", n_trials=80, seed=1), name="mine")
        <NimbusLDA 'mine', 16 features, 4 classes>
    """
    if isinstance(kind, tuple(KINDS.values())):
        raise ModelMismatchError(
            f"kind is {kind!r}, a model already.",
            f"Give the class, and its hyper-parameters by name: train_model({type(kind).__name__}, data, …).",
        )
    kind_name = find_kind_name(kind)
    check_whole_number("iterations", iterations, least=1, most=2**31 - 1)
    check_is_data(data)
    labels = _require_all_classes(data)
    details: dict[str, JsonValue] = {"trained_trials": data.n_trials}
    card = ModelCard(name or f"{kind_name}_{data.metadata.paradigm}", data.metadata, description, details)
    untrained = _set_iterations(_build_untrained(kind_name, hyper), iterations)
    model = copy.copy(untrained).fit(data.vectors(), labels)
    size = data.metadata.chunk_size
    tempers = None if size is None else cross_fit_tempers(untrained, data, size)
    model.card = card if tempers is None else with_tempers(card, tempers)
    if showprogress:
        n_iterations = getattr(model, "n_iter_", None)
        steps = "one exact step" if n_iterations is None else f"{n_iterations} iterations"
        sys.stderr.write(f"trained {escape_unprintable(card.name)} on {data.n_trials} trials in {steps}\n")
    return model


def calibrate_model(
    base: Base, data: BCIData, *, iterations: int = 20, base_weight: float | Literal["auto"] = 1.0
) -> Base:
    """Adapt a trained model to a participant or a session: its posterior is the prior for the new trials.

    For `NimbusLDA` and `NimbusQDA` this is exact, so calibrating on two sets in turn equals calibrating on
    both at once. For `NimbusProbit` it is not, as described there. The hyper-parameters stay; ``base`` is
    left as it was.

    Args:
        base: A trained model, or a `Pipeline`, whose filters and normalization stay.
        data: Labelled trials; labels among ``base.classes_``, some classes may be absent.
        iterations: Largest number of iterations of `NimbusProbit`; the other kinds have a closed form.
        base_weight: How much each trial of the base counts beside a new one, above 0 and up to 1: a power
            prior. "auto" takes the weight under which the new trials are most probable, which is small for a
            person or a day that is unlike those of the base. For `NimbusLDA` and `NimbusQDA`.

    Raises:
        CoreTypeError: ``base`` is not a model, or ``data`` are not BCIData.
        CoreDataError: Data without labels, unknown labels, another number of features or classes, or a
            weight that is out of range or that the kind does not have.
        ModelMismatchError: Data of another paradigm, feature type or temporal aggregation.
        NotTrainedError: ``base`` is not trained.

    Examples:
        >>> from nimbus_sdk_core import NimbusLDA, load_model, simulate
        >>> base = load_model(NimbusLDA, "motor_imagery_4class_v1")
        >>> mine = calibrate_model(base, simulate("motor_imagery", n_trials=40, seed=2, subject=5))
        >>> mine.card.details["calibrated_trials"]
        40
    """
    check_whole_number("iterations", iterations, least=1, most=2**31 - 1)
    check_data_fits(base, data)
    if isinstance(base, Pipeline):
        calibrated = _calibrate_decoder(base.model, base.transform(data), iterations, base_weight)
        return cast(Base, base.with_model(calibrated))
    return cast(Base, _calibrate_decoder(base, data, iterations, base_weight))


def _calibrate_decoder(
    base: Decoder, data: BCIData, iterations: int, base_weight: float | Literal["auto"]
) -> Decoder:
    labels = _require_labels(data)
    untrained = _set_iterations(copy.copy(base), iterations)
    known: Decoder = untrained if base_weight == 1.0 else _weigh_base(untrained, base_weight, data)
    model = known.partial_fit(data.vectors(), labels)
    if base.card is not None:
        before = base.card.details.get("calibrated_trials", 0)
        total = data.n_trials + (before if isinstance(before, int) else 0)
        details = {**base.card.details, "calibrated_trials": total}
        model.card = ModelCard(base.card.name, base.card.metadata, base.card.description, details)
    return model


def _weigh_base(base: Decoder, weight: float | str, data: BCIData) -> GaussianClassifier:
    """The base as if each of its trials had counted less."""
    if not isinstance(base, GaussianClassifier):
        raise CoreDataError(
            f"A {type(base).__name__} has no base_weight.", "Leave it out, or use NimbusLDA or NimbusQDA."
        )
    known = base.learned_
    if not isinstance(weight, str):
        number = check_probability("base_weight", weight)
    elif weight == "auto":
        new = base.summarize(data.vectors(), encode_labels(_require_labels(data), known.classes))
        number = choose_weight(known.moments, new, known.choice)
    else:
        raise CoreDataError(f"base_weight is {weight!r}.", 'Give "auto" or a number from 0 to 1.')
    if not number:
        raise CoreDataError("base_weight is 0.", "Give a number above 0, or train a new model.")
    return base.relearn(scale_moments(known.moments, number))


def _require_labels(data: BCIData) -> LabelArray:
    if data.labels is None:
        raise CoreDataError("The data have no labels.", "Give BCIData(features, metadata, labels).")
    return data.labels


def _require_all_classes(data: BCIData) -> LabelArray:
    labels = _require_labels(data)
    occurring = np.unique(labels)
    if len(occurring) != data.metadata.n_classes:
        raise CoreDataError(
            f"labels hold {len(occurring)} of metadata.n_classes = {data.metadata.n_classes} classes: "
            f"{[item.item() for item in occurring]}.",
            "Add trials of the missing classes, or correct n_classes.",
        )
    return labels


def _build_untrained(kind: str, hyper: Mapping[str, HyperValue]) -> Decoder:
    model: Decoder = KINDS[kind]()
    given = {_JULIA_SPELLINGS.get(name, name): value for name, value in hyper.items()}
    unknown = sorted(set(given) - set(model.hyper))
    if unknown:
        raise CoreDataError(
            f"{kind} has no hyper-parameter {', '.join(unknown)}.", list_choices(unknown[0], model.hyper)
        )
    return model.set_params(**given)


def _set_iterations(model: M, iterations: int) -> M:
    if "iterations" in model.get_params():
        model.set_params(iterations=iterations)
    return model
