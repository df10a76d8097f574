"""``nimbus-sdk stream``: decode a live stream of the Lab Streaming Layer."""

from __future__ import annotations

import os
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast, get_args

import nimbus_sdk
from nimbus_sdk.cli.ui.options import flag, local_models, option
from nimbus_sdk.cli.ui.signals import exit_on_signals
from nimbus_sdk.errors import ConfigurationError, NimbusError

if TYPE_CHECKING:
    from nimbus_sdk import NimbusLDA, Pipeline

Band: TypeAlias = tuple[float, float] | Literal["model", "off"]

Kind: TypeAlias = Literal["Pipeline", "NimbusLDA", "NimbusQDA", "NimbusProbit"]

_KINDS: tuple[Kind, ...] = get_args(Kind)
_WINDOW = 1.0
_STEPS_A_WINDOW = 4

# How the core calls an option, and where its errors do so: with a value, or as what a sentence is about.
_OPTIONS = {"channel_names": "channels", "max_chunks": "max-chunks"} | {
    name: name for name in ("unit", "band", "window", "step", "confidence", "pause", "timeout")
}
_NAME = "|".join(_OPTIONS)
_MENTION = re.compile(
    rf"\b({_NAME})=(\[[^]]*\]|\([^)]*\)|'[^']*'|[\d.]+)|\b({_NAME})(?= is | are | hold |, in )"
)

# Where liblsl looks for its configuration, besides the file that LSLAPICFG names.
_LSL_CONFIGURATIONS = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")


def stream(
    name: Annotated[str, option("--name NAME", "The LSL stream.")],
    model: Annotated[str, option("--model FILE", "A pipeline or model: its file or its name.", local_models)],
    window: Annotated[
        float | None, option("--window SECONDS", "Length of a window.  [default: as in training, else 1]")
    ] = None,
    step: Annotated[
        float | None, option("--step SECONDS", "Time between windows.  [default: a quarter of a window]")
    ] = None,
    band: Annotated[
        str, option("--band LOW-HIGH", 'Pass band of the filter in Hz, "model" or "off".')
    ] = "model",
    confidence: Annotated[float, option("--confidence P", "Decide at this probability.")] = 0.9,
    max_chunks: Annotated[int, option("--max-chunks N", "Decide after N windows at the latest.")] = 20,
    pause: Annotated[float, option("--pause SECONDS", "Pause after each decision.")] = 1.0,
    channels: Annotated[
        str | None, option("--channels A,B,…", "Names of the channels, if the stream has none or others.")
    ] = None,
    unit: Annotated[
        str | None, option("--unit UNIT", "V or uV, if the stream does not say it.", ("V", "uV"))
    ] = None,
    duration: Annotated[
        float | None, option("--duration SECONDS", "End this long after the first window.")
    ] = None,
    timeout: Annotated[float, option("--timeout SECONDS", "Time limit for stream and samples.")] = 10.0,
    as_json: Annotated[bool, flag("--json", "Print a line of JSON for each result.")] = False,
) -> None:
    """Decode a live LSL stream: a bar for each class, and the decisions.

    Channels are chosen by name and scaled to the model's unit. Ctrl-C ends it. Needs mne-lsl.

    A window is "rejected" if it is unlike those of the training, for example during a movement. If
    most of them are, it says what to compare. A decision is "unsure" if it was made because --max-chunks
    windows had passed, and "rest" if none of the classes is likely.

    JSON lines: type ("window" or "decision"), timestamp, prediction, confidence,
    posterior {class: probability}, entropy, outlier_score, gap, problems; of windows rejected; of decisions
    n_chunks, is_rest

    Examples:
      nimbus-sdk stream --name Muse --model hands.nimbus
      nimbus-sdk stream --name Muse --model hands.nimbus --confidence 0.95
      nimbus-sdk stream --name Muse --model hands.nimbus --json --duration 60
    """
    import logging

    from nimbus_sdk.cli.ui.stream_display import open_display

    # What mne-lsl logs of a stream that ends, with a traceback, is in the error.
    logging.getLogger("mne_lsl").addFilter(lambda record: False)
    decoder = _load(model)
    if unit not in (None, "V", "uV"):
        raise ConfigurationError(
            f"--unit is {unit!r}.", hint="Give V or uV; omit it if the stream says its unit itself."
        )
    length = window if window is not None else _trained_window(decoder)
    began: float | None = None
    with _options_in_errors():
        results = nimbus_sdk.decode_stream(
            decoder,
            name,
            window=length,
            step=length / _STEPS_A_WINDOW if step is None else step,
            band=_read_band(band),
            confidence=confidence,
            max_chunks=max_chunks,
            pause=pause,
            channel_names=None if channels is None else [each.strip() for each in channels.split(",")],
            unit=cast("Literal['V', 'uV'] | None", unit),
            timeout=timeout,
        )
        with (
            exit_on_signals(),
            _silence_liblsl(),
            # What a warning of the core says, the display shows.
            warnings.catch_warnings(action="ignore", category=UserWarning),
            open_display(_class_names(decoder), confidence, as_json=as_json) as show,
        ):
            for result in results:
                began = time.monotonic() if began is None else began
                show(result)
                if duration is not None and time.monotonic() - began >= duration:
                    break


def _load(model: str) -> NimbusLDA | Pipeline:
    """Load a model of any kind."""
    for kind in _KINDS[:-1]:
        try:
            return cast("NimbusLDA | Pipeline", nimbus_sdk.load_model(kind, model))
        except NimbusError as error:
            # The error for a model of another kind, which is a TypeError too.
            if not isinstance(error, TypeError):
                raise
    return cast("NimbusLDA", nimbus_sdk.load_model(_KINDS[-1], model))


def _trained_window(decoder: NimbusLDA | Pipeline) -> float:
    metadata = None if decoder.card is None else decoder.card.metadata
    if metadata is None or metadata.chunk_size is None:
        return _WINDOW
    return metadata.chunk_size / metadata.sampling_rate


def _class_names(decoder: NimbusLDA | Pipeline) -> list[str]:
    names = None if decoder.card is None else decoder.card.class_names
    return [str(name) for name in (decoder.classes_.tolist() if names is None else names)]


def _read_band(text: str) -> Band:
    if text in ("model", "off"):
        return cast("Literal['model', 'off']", text)
    low, dash, high = text.partition("-")
    try:
        return float(low), float(high if dash else "")
    except ValueError:
        raise ConfigurationError(
            f"--band is {text!r}.", hint='Give the lowest and the highest frequency, as in 8-30; or "off".'
        ) from None


@contextmanager
def _options_in_errors() -> Iterator[None]:
    """Turn errors of the core about its arguments into errors about the options of the command."""
    try:
        yield
    except NimbusError as error:
        message, hint = (_MENTION.sub(_as_option, text) for text in (error.message, error.hint))
        if (message, hint) == (error.message, error.hint):
            raise
        raise ConfigurationError(message, hint=hint) from error


def _as_option(mention: re.Match[str]) -> str:
    name, value, subject = mention.groups()
    if subject is not None:
        return f"--{_OPTIONS[subject]}"
    between = "," if "'" in value else "-"
    return f"--{_OPTIONS[name]} {value.strip('[()]').replace(chr(39), '').replace(', ', between)}"


@contextmanager
def _silence_liblsl() -> Iterator[None]:
    """Let liblsl log nothing, unless the user has a configuration of it: it writes across the display."""
    if os.environ.get("LSLAPICFG") or any(
        Path(os.path.expanduser(each)).exists() for each in _LSL_CONFIGURATIONS
    ):
        yield
        return
    with TemporaryDirectory() as folder:
        configuration = Path(folder, "lsl_api.cfg")
        configuration.write_text("[log]\nlevel = -3\n", encoding="ascii")
        os.environ["LSLAPICFG"] = str(configuration)
        try:
            yield
        finally:
            del os.environ["LSLAPICFG"]
