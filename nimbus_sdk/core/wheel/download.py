"""Download an asset of a release, resuming and repeating until it is complete."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nimbus_sdk.config.settings import Settings
from nimbus_sdk.core.wheel.file_sink import FileSink
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

MAX_ROUNDS = 3


def download_asset(settings: Settings, asset: Asset, token: SecretStr, sink: FileSink) -> Flow[str]:
    """Fetch an asset into a download, check it, and return its path."""

    def fetch() -> Flow[None]:
        try:
            response = yield from open_asset(settings, token, asset.id, "asset", asset.name, sink)
        except (NimbusConnectionError, CoreDownloadError, ResponseFormatError) as error:
            stored = f" {sink.received} of {sink.size} bytes are stored." if sink.received else ""
            resumes = " The next run resumes there." if sink.received else ""
            raise CoreDownloadError(f"{error.message}{stored}", hint=f"{error.hint}{resumes}") from error
        if response.status == OUT_OF_RANGE:
            yield from run_blocking(sink.restart)

    return download_until_complete(sink, fetch)


def download_until_complete(sink: FileSink, fetch: Callable[[], Flow[object]]) -> Flow[str]:
    """Send requests with ``fetch`` until a file is complete, check it, and return its path.

    What earlier runs received is resumed, and after an error is stored for the next one. A response that
    ends early is continued, up to three times without progress. A file that was assembled from several
    attempts and has wrong content is fetched once more from the start.
    """
    rounds, is_second = MAX_ROUNDS, False
    try:
        yield from run_blocking(sink.open)
        while True:
            progress = sink.progress
            try:
                if not sink.complete:
                    yield from fetch()
                rounds = MAX_ROUNDS if sink.progress > progress else rounds - 1
                if sink.complete or not rounds:
                    return (yield from run_blocking(sink.finish))
            except CoreIntegrityError:
                if is_second or not sink.resumed:
                    raise
                rounds, is_second, sink.progress = MAX_ROUNDS, True, 0
    finally:
        sink.set_aside()
