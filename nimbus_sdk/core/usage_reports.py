"""Report each inference of the core to the service, if the user has enabled that."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from nimbus_sdk.account.usage.reporter import Reporter

R = TypeVar("R")

STREAMING = "streaming"
REPORTED = {"predict_batch": "batch", "finalize_trial": STREAMING}
"""Functions of the core that are inferences, and the type under which they are reported."""


def with_usage_report(function: Callable[..., R], inference_type: str) -> Callable[..., R]:
    """Return a function that reports each inference to the service, if the user has enabled that."""

    @functools.wraps(function)
    def reported(*arguments: object, **named: object) -> R:
        reporter = _find_reporter()
        if reporter is None:
            return function(*arguments, **named)
        started = time.perf_counter()
        try:
            result = function(*arguments, **named)
        except Exception as error:
            # Only the class: a message may contain decoded data.
            kind = type(error).__name__[:128]
            _report(reporter, inference_type, arguments, success=False, error_message=kind)
            raise
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        _report(reporter, inference_type, arguments, success=True, duration_ms=milliseconds)
        return result

    return reported


def with_decision_reports(function: Callable[..., Iterator[R]]) -> Callable[..., Iterator[R]]:
    """Return a function that reports each decision on a live stream, if the user has enabled that."""

    @functools.wraps(function)
    def reported(*arguments: object, **named: object) -> Iterator[R]:
        results = function(*arguments, **named)
        reporter = _find_reporter()
        return results if reporter is None else _report_decisions(reporter, results, arguments)

    return reported


def _report_decisions(reporter: Reporter, results: Iterator[R], arguments: tuple[object, ...]) -> Iterator[R]:
    try:
        for result in results:
            if hasattr(result, "n_chunks"):
                milliseconds = round(getattr(result, "latency_ms", 0.0), 3)
                _report(reporter, STREAMING, arguments, success=True, duration_ms=milliseconds)
            yield result
    except Exception as error:
        _report(reporter, STREAMING, arguments, success=False, error_message=type(error).__name__[:128])
        raise


def _find_reporter() -> Reporter | None:
    if os.environ.get("NIMBUS_SDK_USAGE", "0") in ("", "0"):
        return None
    try:
        from nimbus_sdk.account.usage.reporter import reporter

        return reporter()
    except Exception as error:  # noqa: BLE001 - a bad setting must not stop the inference
        _log_once(f"Usage is not reported: {error}")
        return None


def _report(
    reporter: Reporter, inference_type: str, arguments: tuple[object, ...], **outcome: object
) -> None:
    try:
        name = getattr(getattr(arguments[0], "card", None), "name", None) if arguments else None
        reporter.report(
            {
                "event_type": "inference" if outcome["success"] else "error",
                "inference_type": inference_type,
                "model_name": name[:128] if isinstance(name, str) and name else None,
                **outcome,
            }
        )
    except Exception as error:  # noqa: BLE001 - a report that fails must not cost the result
        _log_once(f"Usage was not reported ({type(error).__name__}).")


@functools.cache
def _log_once(message: str) -> None:
    import logging

    logging.getLogger("nimbus_sdk.usage").warning("%s", message)
