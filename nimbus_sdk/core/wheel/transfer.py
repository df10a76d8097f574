"""The conversation that brings an asset of a release to this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.download import Download
from nimbus_sdk.core.wheel.github import OUT_OF_RANGE, open_asset
from nimbus_sdk.core.wheel.release import Asset
from nimbus_sdk.errors import (
    CoreDownloadError,
    CoreIntegrityError,
    NimbusConnectionError,
    ResponseFormatError,
)
from nimbus_sdk.transport.flow import Flow, run_blocking

if TYPE_CHECKING:
    from pydantic import SecretStr

SLOWEST_BYTES_PER_SECOND = 64 * 1024
ROUNDS = 3


def download(settings: Settings, asset: Asset, token: SecretStr, sink: Download) -> Flow[str]:
    """Fetch an asset into a download, resuming what is there, and check it.

    Args:
        settings: Where GitHub is, and which repository.
        asset: What to fetch.
        token: The temporary token.
        sink: Receives it; it knows size and SHA-256.

    Returns:
        The path of the whole, checked file; the sink's ``discard`` removes it.

    Raises:
        CoreDownloadError: It did not arrive whole; what arrived is kept for the next run.
        CoreIntegrityError: What arrived is not what was published.
        CoreInstallError: The disk refused.
    """
    try:
        yield from run_blocking(sink.open)
        return (yield from rounds(sink, lambda: _round(settings, asset, token, sink)))
    finally:
        sink.set_aside()


def rounds(sink: Download, fetch: Callable[[], Flow[object]]) -> Flow[str]:
    """Fetch into a download that is open until it is whole, and check it.

    Bytes that were put together from several attempts and turn out wrong are fetched once more, whole.

    Args:
        sink: Receives it.
        fetch: One request for what is not there yet.

    Returns:
        The path of the whole, checked file.

    Raises:
        CoreDownloadError: It did not arrive whole; what arrived is kept for the next run.
        CoreIntegrityError: What arrived is not what was published.
        CoreInstallError: The disk refused.
    """
    left = ROUNDS
    while True:
        left -= 1
        try:
            if not sink.complete:
                yield from fetch()
            if sink.complete or not left:
                return (yield from run_blocking(sink.finish))
        except CoreIntegrityError:
            if not (sink.resumed and left):
                raise


def _round(settings: Settings, asset: Asset, token: SecretStr, sink: Download) -> Flow[None]:
    fetched = open_asset(
        settings,
        token,
        asset.id,
        name="asset",
        subject=asset.name,
        sink=sink,
        allowance=asset.size / SLOWEST_BYTES_PER_SECOND,
    )
    try:
        answer = yield from fetched
    except (NimbusConnectionError, CoreDownloadError, ResponseFormatError) as error:
        kept = f" {sink.received} of {sink.size} bytes are kept." if sink.received else ""
        resumes = " Run again, it goes on from there." if sink.received else ""
        raise CoreDownloadError(f"{error.message}{kept}", hint=f"{error.hint}{resumes}") from error
    if answer.status == OUT_OF_RANGE:
        yield from run_blocking(sink.restart)
