"""P300: the wave over the parietal cortex that follows an awaited flash.

What is modelled, per flash, at 128 Hz for 1 s from the flash on: an early occipital response to every flash,
an N200 and a P300 to the awaited one, each a Gaussian in time whose latency and size vary from flash to
flash; an occipital alpha rhythm; eight background sources with a 1/f spectrum; mixing onto 16 sensors; white
sensor noise. The wave: S. Sutton et al., Science 150 (1965); its use for spelling: L. A. Farwell and
E. Donchin, Electroencephalography and Clinical Neurophysiology 70 (1988).

People differ in latency and size of the N200 and the P300, and in the strength of alpha and background:
J. Polich, Updating P300, Clinical Neurophysiology 118 (2007).

Features: what two virtual sensors, the best linear estimates of the N200 and the P300 source under the
head's true noise, read in four windows of 125 ms from 172 ms on. The 16 samples of a window are the sample
axis, so that their mean is the amplitude in microvolt. Latencies vary for awaited flashes only, so the
classes differ in spread as well as in place. Both classes are equally frequent here, unlike in a speller.
"""

from __future__ import annotations

import numpy as np

from .._types import FloatArray, IndexArray
from . import head, signals
from .person import Person

RATE = 128.0
FEATURE_TYPE = "erp"
CLASSES = ("non_target", "target")

_SAMPLES = 128
_FIRST, _WINDOWS, _WIDTH = 22, 4, 16
_PLACES = np.array([[0.0, -0.9], [0.5, -0.6], [0.0, -0.2]])
_LATENCY = np.array([0.11, 0.22, 0.38])
_LATENCY_SPREAD = np.array([0.005, 0.015, 0.045])
_DURATION = np.array([0.02, 0.03, 0.07])
_SIZE = np.array([[3.0, 0.0, 0.0], [3.0, -2.5, 5.5]])
_SIZE_SPREAD = 0.35
_N_BACKGROUND = 8
_BACKGROUND_POWER = 12.0
_ALPHA_POWER = 12.0
_SENSOR_NOISE = 4.0
_SIZE_OVER_PEOPLE = 0.4
_LATENCY_OVER_PEOPLE = np.array([0.01, 0.03, 0.06])
_NOISE_OVER_PEOPLE = 0.4


def features(
    index: IndexArray,
    n_classes: int,
    effect: float,
    person: Person,
    random: np.random.RandomState,
) -> FloatArray:
    """Simulate flashes and give their features in microvolt, shape (4·n_classes × 16 × n_trials)."""
    places = np.concatenate([_PLACES, head.draw_background_positions(_N_BACKGROUND, person.anatomy)])
    mix = head.mixing_matrix(places, person.anatomy)
    freqs = signals.frequencies(_SAMPLES, RATE)
    filters = _virtual_sensors(mix, freqs)[:n_classes]
    size = _SIZE * person.factors(_SIZE_OVER_PEOPLE, len(_LATENCY))
    latency = _LATENCY + person.deviations(1.0, len(_LATENCY)) * _LATENCY_OVER_PEOPLE
    noise = _noise(len(index), mix, freqs, person, random)
    evoked = _evoked(size[index] * effect, latency, random)
    recorded = np.fft.irfft(filters @ noise, _SAMPLES, axis=-1) + (filters @ mix[:, : len(_PLACES)]) @ evoked
    used = recorded[:, :, _FIRST : _FIRST + _WINDOWS * _WIDTH]
    return used.reshape(len(index), -1, _WIDTH).transpose(1, 2, 0)


def _evoked(size: FloatArray, of_person: FloatArray, random: np.random.RandomState) -> FloatArray:
    """Evoked potentials of the three sources, shape (n_trials × 3 × n_samples)."""
    latency = of_person + _LATENCY_SPREAD * random.standard_normal(size.shape)
    height = size * (1.0 + _SIZE_SPREAD * random.standard_normal(size.shape))
    time = np.arange(_SAMPLES) / RATE
    apart = (time - latency[:, :, None]) / _DURATION[:, None]
    return np.asarray(height[:, :, None] * np.exp(-0.5 * apart**2))


def _powers(n_sources: int, freqs: FloatArray) -> FloatArray:
    """Power of the ongoing activity of each source, shape (n_sources × n_frequencies)."""
    powers = np.tile(_BACKGROUND_POWER * signals.pink_spectrum(freqs), (n_sources, 1))
    powers[0] += _ALPHA_POWER * signals.rhythm_spectrum(freqs, 10.0, 1.0)
    return powers


def _noise(
    n_trials: int, mix: FloatArray, freqs: FloatArray, person: Person, random: np.random.RandomState
) -> signals.Spectrum:
    """Fourier coefficients of all that is not evoked, shape (n_trials × N_SENSORS × n_frequencies)."""
    powers = _powers(mix.shape[1], freqs) * person.factors(_NOISE_OVER_PEOPLE, 1)
    sources = signals.draw_signals(random, (n_trials, len(powers)), powers, _SAMPLES)
    sensors = signals.draw_signals(random, (n_trials, len(mix)), np.full(len(freqs), _SENSOR_NOISE), _SAMPLES)
    return mix @ sources + sensors


def _virtual_sensors(mix: FloatArray, freqs: FloatArray) -> FloatArray:
    """Best linear unbiased estimates of the N200 and the P300 source, shape (2 × N_SENSORS)."""
    power = _powers(mix.shape[1], freqs).mean(axis=1)
    noise = np.einsum("is,s,js->ij", mix, power, mix) + _SENSOR_NOISE * np.eye(len(mix))
    weighted = np.linalg.solve(noise, mix[:, 1 : len(_PLACES)])
    return np.asarray((weighted / np.einsum("is,is->s", mix[:, 1 : len(_PLACES)], weighted)).T)
