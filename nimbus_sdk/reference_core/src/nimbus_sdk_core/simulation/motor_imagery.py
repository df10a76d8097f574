"""Motor imagery: sensorimotor rhythms that shrink over the cortex of the imagined movement.

What is modelled, per trial of 4 s at 256 Hz: four sensorimotor sources (right hand knob, left hand knob,
midline foot area, tongue area), each with a mu and a beta rhythm; eight background sources with a 1/f
spectrum; mixing onto 16 sensors; white sensor noise. Imagery lowers the rhythms of the class's own source
(event-related desynchronisation, ERD) and raises the others a little; every rhythm has a strength of its own
in every trial. ERD: G. Pfurtscheller and F. H. Lopes da Silva, Clinical Neurophysiology 110 (1999).

People differ in the frequency of both rhythms, in their strength over each source, in how much imagery lowers
them, and in the strength of the background: C. Vidaurre and B. Blankertz, Towards a cure for BCI illiteracy,
Brain Topography 23 (2010).

Features: filter-bank common spatial patterns (K. K. Ang et al., IJCNN 2008): in four bands, for each class
the spatial filter whose output loses most power in that class; the logarithm of the power of its output in
16 successive windows of 250 ms. Filters come from the head's true covariances.
"""

from __future__ import annotations

import numpy as np

from .._types import FloatArray, IndexArray
from . import head, signals
from .person import Person

RATE = 4.0
FEATURE_TYPE = "csp"
CLASSES = ("left_hand", "right_hand", "feet", "tongue")

_EEG_RATE = 256.0
_EEG_SAMPLES = 1024
_WINDOWS = 16
_BANDS = ((8.0, 10.5), (10.5, 13.0), (16.0, 20.0), (20.0, 26.0))
_RHYTHMS = ((10.5, 1.2), (21.0, 2.5))
_PLACES = np.array([[0.6, 0.0], [-0.6, 0.0], [0.0, 0.25], [-0.75, -0.7]])
_N_BACKGROUND = 8
_SENSOR_NOISE = 0.02
_ERD = 0.66
_ERS = 0.12
_TRIAL_SPREAD = 0.68
_ERD_OVER_PEOPLE = 0.2
_STRENGTH_OVER_PEOPLE = 0.5
_SHIFT_OVER_PEOPLE = 0.06
_BACKGROUND_OVER_PEOPLE = 0.3


def features(
    index: IndexArray,
    n_classes: int,
    effect: float,
    person: Person,
    random: np.random.RandomState,
) -> FloatArray:
    """Simulate trials and give their features, shape (4·n_classes × 16 × n_trials)."""
    places = np.concatenate([_PLACES, head.draw_background_positions(_N_BACKGROUND, person.anatomy)])
    mix = head.mixing_matrix(places, person.anatomy)
    freqs = signals.frequencies(_EEG_SAMPLES, _EEG_RATE)
    eeg = _record(index, n_classes, effect, mix, freqs, person, random)
    powers = []
    for low, high in _BANDS:
        gain = signals.bandpass_gain(freqs, low, high)
        filters = _patterns(mix, freqs, gain, n_classes, effect)
        output = np.fft.irfft((filters @ eeg) * gain, _EEG_SAMPLES, axis=-1)
        power = (output.reshape(len(index), n_classes, _WINDOWS, -1) ** 2).mean(axis=-1)
        powers.append(np.log(power))
    return np.concatenate(powers, axis=1).transpose(1, 2, 0)


def _gains(n_classes: int, effect: float, erd: FloatArray) -> FloatArray:
    """Power of each sensorimotor source in each class, relative to rest, shape (n_classes × 4)."""
    gains = np.full((n_classes, len(_PLACES)), 1.0 + _ERS * effect)
    own = np.arange(n_classes)
    gains[own, own] = np.maximum(0.02, 1.0 - erd[own] * effect)
    return gains


def _record(
    index: IndexArray,
    n_classes: int,
    effect: float,
    mix: FloatArray,
    freqs: FloatArray,
    person: Person,
    random: np.random.RandomState,
) -> signals.Spectrum:
    """Fourier coefficients of the EEG, shape (n_trials × N_SENSORS × n_frequencies)."""
    n_trials, n_motor = len(index), len(_PLACES)
    erd = np.minimum(0.95, _ERD * person.factors(_ERD_OVER_PEOPLE, n_motor))
    of_person = person.factors(_STRENGTH_OVER_PEOPLE, len(_RHYTHMS), n_motor)
    shift = person.deviations(_SHIFT_OVER_PEOPLE, 1)[0]
    background = 0.1 * person.factors(_BACKGROUND_OVER_PEOPLE, 1)[0]
    gains = _gains(n_classes, effect, erd)[index]
    sources = signals.draw_signals(
        random, (n_trials, mix.shape[1]), background * signals.pink_spectrum(freqs), _EEG_SAMPLES
    )
    for own, (average_centre, width) in zip(of_person, _RHYTHMS, strict=True):
        centre, strength = average_centre * (1.0 + shift), own * gains
        of_trial = np.exp(_TRIAL_SPREAD * random.standard_normal((n_trials, n_motor)))
        power = (strength * of_trial)[:, :, None] * signals.rhythm_spectrum(freqs, centre, width)
        sources[:, :n_motor] += signals.draw_signals(random, (n_trials, n_motor), power, _EEG_SAMPLES)
    noise = signals.draw_signals(
        random, (n_trials, len(mix)), np.full(len(freqs), _SENSOR_NOISE), _EEG_SAMPLES
    )
    return mix @ sources + noise


def _patterns(
    mix: FloatArray, freqs: FloatArray, gain: FloatArray, n_classes: int, effect: float
) -> FloatArray:
    """The CSP filter of each class in a band, shape (n_classes × N_SENSORS)."""
    weights = gain**2 / (gain**2).sum()
    rhythms = sum((signals.rhythm_spectrum(freqs, *shape) for shape in _RHYTHMS), np.zeros(len(freqs)))
    own = _gains(n_classes, max(effect, 0.1), np.full(len(_PLACES), _ERD)) * (rhythms * weights).sum()
    power = np.full((n_classes, mix.shape[1]), (0.1 * signals.pink_spectrum(freqs) * weights).sum())
    power[:, : own.shape[1]] += own
    covariances = np.einsum("is,ks,js->kij", mix, power, mix) + _SENSOR_NOISE * np.eye(len(mix))
    lower = np.linalg.cholesky(covariances.mean(axis=0))
    whitener = np.linalg.inv(lower)
    rotations = np.linalg.eigh(whitener @ covariances @ whitener.T)[1]
    return rotations[:, :, 0] @ whitener
