"""simulate: labelled trials from a seeded signal model of EEG."""

from __future__ import annotations

from types import ModuleType
from typing import Literal, TypeAlias

import numpy as np

from ..data.argument_checks import check_choice, check_whole_number
from ..data.bci_data import BCIData
from ..data.metadata import BCIMetadata
from ..errors import CoreDataError
from . import motor_imagery, p300, ssvep
from .person import Person
from .signals import quantize

GENERATOR = "nimbus_sdk_core.simulate/2"
"""Name and version of the generator; the number rises when the same seed gives other data."""

SimulatedParadigm: TypeAlias = Literal["motor_imagery", "p300", "ssvep"]

_PARADIGMS: dict[str, ModuleType] = {"motor_imagery": motor_imagery, "p300": p300, "ssvep": ssvep}


def simulate(
    paradigm: SimulatedParadigm,
    *,
    n_trials: int,
    seed: int,
    n_classes: int | None = None,
    subject: int = 0,
    effect: float = 1.0,
) -> BCIData:
    """Simulate labelled trials of a BCI experiment, as features ready for a model.

    The signal model of each paradigm is described in `nimbus_sdk_core.simulation`. Classes are as equal in
    number as possible and in random order. The same arguments give the same data on every machine. These are
    not measurements: use them to try things out and to test, not to estimate how well a decoder works with
    participants.

    Subjects differ as people do, in the frequency and strength of their rhythms, in the size and latency of
    evoked potentials, and in how much a class changes them; subject 0 is average. A model that was trained on
    one subject is worse with others, until it is calibrated.

    Args:
        paradigm: ``"motor_imagery"`` (left hand, right hand, feet, tongue), ``"p300"`` (non-target, target)
            or ``"ssvep"`` (light at 9, 11, 13 or 15 Hz).
        n_trials: How many trials.
        seed: Seed of what differs between recordings of one subject, from 0 to 2³² - 1.
        n_classes: How many classes, labelled from 1; by default all that the paradigm has.
        subject: Seed of anatomy and physiology; the bundled models were trained on subject 0.
        effect: Strength of the differences between the classes: 0 none, 1 realistic.

    Raises:
        CoreDataError: There is no such paradigm, or a number is out of range.

    Examples:
        >>> simulate("motor_imagery", n_trials=8, seed=1)
        BCIData(16 features × 16 samples × 8 trials, motor_imagery, csp, labelled)
    """
    simulator = _find_simulator(paradigm)
    most = len(simulator.CLASSES)
    n_classes = most if n_classes is None else check_whole_number("n_classes", n_classes, least=2, most=most)
    n_trials = check_whole_number("n_trials", n_trials, least=1, most=10**7)
    if not isinstance(effect, int | float) or not 0.0 <= effect <= 4.0:
        raise CoreDataError(f"effect is {effect!r}.", "Give a number from 0 to 4.")
    random, anatomy = _random_stream("seed", seed), _random_stream("subject", subject)
    index = random.permutation(np.arange(n_trials) % n_classes)
    person = Person(anatomy, is_average=subject == 0)
    features = quantize(simulator.features(index, n_classes, effect, person, random))
    metadata = BCIMetadata(simulator.RATE, paradigm, simulator.FEATURE_TYPE, len(features), n_classes)
    return BCIData(features, metadata, labels=index + 1)


def class_names(paradigm: SimulatedParadigm) -> tuple[str, ...]:
    """Return the names of the classes 1, 2, … of a simulated paradigm.

    Raises:
        CoreDataError: There is no such paradigm.

    Examples:
        >>> class_names("motor_imagery")
        ('left_hand', 'right_hand', 'feet', 'tongue')
    """
    names: tuple[str, ...] = _find_simulator(paradigm).CLASSES
    return names


def _find_simulator(paradigm: str) -> ModuleType:
    check_choice("paradigm", paradigm, _PARADIGMS)
    return _PARADIGMS[paradigm]


def _random_stream(name: str, seed: int) -> np.random.RandomState:
    # RandomState, not Generator: NumPy promises that its stream never changes (NEP 19).
    return np.random.RandomState(check_whole_number(name, seed, least=0, most=2**32 - 1))
