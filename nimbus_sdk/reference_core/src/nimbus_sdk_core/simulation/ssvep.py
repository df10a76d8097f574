"""SSVEP: the visual cortex follows a flickering light at its frequency and the harmonics of it.

What is modelled, per trial of 4 s at 256 Hz: an occipital source that oscillates at the frequency of the
attended light and its second and third harmonic, with a phase and a strength of their own in every trial;
the alpha rhythm of the same source; eight background sources with a 1/f spectrum; mixing onto 16 sensors;
white sensor noise. Harmonics in SSVEP: G. R. Müller-Putz et al., Journal of Neural Engineering 2 (2005).

People differ in how strongly they follow each frequency, and in the strength of alpha and background.

Features: the logarithm of the power that the best linear estimate of the occipital source has at each of
three harmonics of each frequency, in four successive windows of 1 s. A class is a frequency; none of them is
a harmonic of another's.
"""

from __future__ import annotations

import numpy as np

from .._types import FloatArray, IndexArray
from . import head, signals
from .person import Person

RATE = 1.0
FEATURE_TYPE = "bandpower"
CLASSES = ("9_hz", "11_hz", "13_hz", "15_hz")

_EEG_RATE = 256.0
_EEG_SAMPLES = 1024
_WINDOWS = 4
_FREQUENCIES = np.array([9.0, 11.0, 13.0, 15.0])
_HARMONICS = np.array([1.0, 2.0, 3.0])
_AMPLITUDES = np.array([1.0, 0.55, 0.3])
_STRENGTH_SPREAD = 0.5
_PLACE = np.array([[0.0, -0.9]])
_N_BACKGROUND = 8
_BACKGROUND_POWER = 8.0
_ALPHA_POWER = 10.0
_SENSOR_NOISE = 4.0
_BACKGROUND_OVER_PEOPLE = 0.4
_ALPHA_OVER_PEOPLE = 0.8
_RESPONSE_OVER_PEOPLE = 0.5


def features(
    index: IndexArray,
    n_classes: int,
    effect: float,
    person: Person,
    random: np.random.RandomState,
) -> FloatArray:
    """Simulate trials and give their features, shape (3·n_classes × 4 × n_trials)."""
    places = np.concatenate([_PLACE, head.draw_background_positions(_N_BACKGROUND, person.anatomy)])
    mix = head.mixing_matrix(places, person.anatomy)
    freqs = signals.frequencies(_EEG_SAMPLES, _EEG_RATE)
    background = np.tile(_BACKGROUND_POWER * signals.pink_spectrum(freqs), (mix.shape[1], 1))
    alpha = np.zeros_like(background)
    alpha[0] = _ALPHA_POWER * signals.rhythm_spectrum(freqs, 10.0, 1.0)
    powers = person.factors(_BACKGROUND_OVER_PEOPLE, 1) * background
    powers += person.factors(_ALPHA_OVER_PEOPLE, 1) * alpha
    response = effect * person.factors(_RESPONSE_OVER_PEOPLE, len(_FREQUENCIES))[index]
    sources = signals.draw_signals(random, (len(index), len(powers)), powers, _EEG_SAMPLES)
    sensors = signals.draw_signals(
        random, (len(index), len(mix)), np.full(len(freqs), _SENSOR_NOISE), _EEG_SAMPLES
    )
    filtered = _virtual_sensor(mix, background + alpha) @ (mix @ sources + sensors)
    ongoing = np.fft.irfft(filtered, _EEG_SAMPLES, axis=-1)
    trace = ongoing + _response(_FREQUENCIES[index], response, random)
    windows = np.fft.rfft(trace.reshape(len(index), _WINDOWS, -1), axis=-1)
    wanted = (_FREQUENCIES[:n_classes, None] * _HARMONICS).ravel().astype(np.intp)
    return np.asarray(np.log(np.abs(windows[:, :, wanted]) ** 2).transpose(2, 1, 0))


def _response(frequency: FloatArray, size: FloatArray, random: np.random.RandomState) -> FloatArray:
    """Oscillation of the occipital source, shape (n_trials × n_samples)."""
    strength = size[:, None] * np.exp(_STRENGTH_SPREAD * random.standard_normal((len(frequency), 1)))
    phase = random.uniform(0.0, 2.0 * np.pi, (len(frequency), len(_HARMONICS)))
    time = np.arange(_EEG_SAMPLES) / _EEG_RATE
    angle = 2.0 * np.pi * frequency[:, None, None] * _HARMONICS[:, None] * time + phase[:, :, None]
    return np.asarray(strength * np.einsum("h,nht->nt", _AMPLITUDES, np.sin(angle)))


def _virtual_sensor(mix: FloatArray, powers: FloatArray) -> FloatArray:
    """Best linear unbiased estimate of the occipital source, shape (N_SENSORS,)."""
    power = powers.mean(axis=1)
    noise = np.einsum("is,s,js->ij", mix, power, mix) + _SENSOR_NOISE * np.eye(len(mix))
    weighted = np.linalg.solve(noise, mix[:, 0])
    return np.asarray(weighted / (mix[:, 0] * weighted).sum())
