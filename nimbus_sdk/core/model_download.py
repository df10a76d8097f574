"""The files of pre-trained models: fetched once, checked, and kept for offline use."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from nimbus_sdk.account import rejected_keys
from nimbus_sdk.account.session_cache import find_session
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, is_loopback, origin
from nimbus_sdk.core.model_registry import covers, find_model_flow
from nimbus_sdk.core.wheel.download import STRANGER, Download
from nimbus_sdk.core.wheel.protocol import MODEL_SUFFIX
from nimbus_sdk.core.wheel.transfer import SLOWEST_BYTES_PER_SECOND, rounds
from nimbus_sdk.display.progress import ProgressEvent, Report, reporting
from nimbus_sdk.errors import (
    ConfigurationError,
    CoreDownloadError,
    CoreIntegrityError,
    PermissionDeniedError,
)
from nimbus_sdk.storage import fs, key_lookup
from nimbus_sdk.storage.os_errors import disk_errors
from nimbus_sdk.transport.driver import run, run_async
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, run_blocking, send

if TYPE_CHECKING:
    from nimbus_sdk.api.schemas import ModelInfo
    from nimbus_sdk.config.keys import ApiKey

T = TypeVar("T")

PARTIAL = 206
LARGEST_BYTES = 2**30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_CHANGED = "Run it again; if it comes back, a proxy or mirror changes the file."
_TOTAL = re.compile(r"bytes \d+-\d+/(\d{1,12})")


def remove_models(*, profile: str | None = None) -> tuple[str, ...]:
    """Remove every model that was fetched, and what is left of downloads.

    Returns:
        The names of the models that were there.

    Raises:
        CoreInstallError: The disk refused.
    """
    paths = Settings.load(profile=profile).paths
    with disk_errors(paths.models):
        try:
            found = sorted(name for name in os.listdir(paths.models) if name.endswith(MODEL_SUFFIX))
        except FileNotFoundError:
            found = []
        for folder in (paths.models, paths.downloads):
            if os.path.isdir(folder):
                fs.remove_tree(folder)
    return tuple(name.removesuffix(MODEL_SUFFIX) for name in found)


def download_model(name: str, *, profile: str | None = None, progress: Report | bool | None = None) -> str:
    """Fetch a pre-trained model and keep it, so that ``load_model`` finds it with no network.

    Args:
        name: As :func:`nimbus_sdk.list_available_models` tells.
        profile: Which account.
        progress: As for :func:`nimbus_sdk.install_core`.

    Returns:
        The path of the file.

    Raises:
        PermissionDeniedError: The license does not cover it; names the tier that does.
        ConfigurationError: There is no such model.
        CoreIntegrityError: What arrived is not what was published; nothing of it is kept.
    """
    settings = Settings.load(profile=profile)
    with reporting(progress, settings.no_progress) as report:
        return run(settings, fetch_model_flow(settings, name, report))


async def download_model_async(
    name: str, *, profile: str | None = None, progress: Report | bool | None = None
) -> str:
    """The awaitable twin of :func:`download_model`."""
    settings = Settings.load(profile=profile)
    with reporting(progress, settings.no_progress) as report:
        return await run_async(settings, fetch_model_flow(settings, name, report))


def fetch_model_flow(settings: Settings, name: str, report: Report) -> Flow[str]:
    """The whole story, as a flow."""
    paths = settings.paths
    kept = kept_path(paths, name)
    named = yield from run_blocking(lambda: key_lookup.find_key_without_store(settings))
    session = yield from run_blocking(lambda: find_session(paths, None if named is None else named.key))
    model = yield from find_model_flow(settings, name)
    if not covers(session.license_type, model.requires_license):
        raise PermissionDeniedError(
            f"The model {name} needs the {model.requires_license} license; yours is {session.license_type}."
        )
    found = yield from run_blocking(lambda: key_lookup.find_key(settings))
    step = _call(settings, model, HeaderAuth("X-API-Key", found.key.reveal(), origin(settings.api_url)))
    size = yield from _heeding_its_own(settings, found.key, step, _size(step, name))
    allowed = replace(step, allowance=size / SLOWEST_BYTES_PER_SECOND)
    sink = Download(
        paths.downloads,
        f"{name}{MODEL_SUFFIX}",
        size,
        model.checksum.removeprefix("sha256:"),
        report=lambda done, total: report(ProgressEvent("download", f"Downloading {name}", done, total)),
    )
    try:
        yield from run_blocking(sink.open)
        path = yield from rounds(
            sink,
            lambda: _heeding_its_own(settings, found.key, step, send(replace(allowed, sink=sink))),
        )
        yield from run_blocking(lambda: _keep(path, kept))
        yield from run_blocking(sink.discard)
    except CoreIntegrityError as error:
        raise CoreIntegrityError(error.message, issues=error.issues, hint=_CHANGED) from error
    finally:
        sink.set_aside()
    report(ProgressEvent("done", f"{name} is kept for offline use"))
    return kept


def _heeding_its_own(settings: Settings, key: ApiKey, step: Request, conversation: Flow[T]) -> Flow[T]:
    """Have a conversation in which the service may call the key dead, and a storage host may not."""
    if step.auth is None:
        return (yield from conversation)
    return (yield from rejected_keys.record_rejection(settings, key, conversation))


def kept_path(paths: Paths, name: str) -> str:
    """Where the file of a model is kept.

    Raises:
        ConfigurationError: The text is no name of a model.
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"{name!r} is no name of a model.")
    return os.path.join(paths.models, f"{name}{MODEL_SUFFIX}")


def _call(settings: Settings, model: ModelInfo, auth: HeaderAuth) -> Request:
    if not _is_safe(model.download_url, settings):
        raise CoreDownloadError(
            f"The service names no safe address for {model.name}.", hint="Only https is followed."
        )
    own = origin(model.download_url) == auth.origin
    # A storage host gets no key: such an address carries its own signature.
    return Request(name="model_file", method="GET", url=model.download_url, auth=auth if own else None)


def _is_safe(url: str, settings: Settings) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    local = parts.scheme == "http" and is_loopback(host or "") and settings.api_url.startswith("http://")
    return bool(host) and "@" not in parts.netloc and (parts.scheme == "https" or local)


def _size(step: Request, name: str) -> Flow[int]:
    """The exact size, which the registry rounds: the answer to a request for the first byte tells it."""
    answer = yield from send(replace(step, name="model_size", headers={"Range": "bytes=0-0"}))
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and answer.status != PARTIAL:
        raise CoreDownloadError(f"In place of {name} came a web page.", hint=STRANGER)
    part = _TOTAL.fullmatch(answer.headers.get("content-range", "").strip())
    whole = answer.headers.get("content-length", "")
    text = part[1] if part is not None and answer.status == PARTIAL else whole
    size = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
    if not 0 < size <= LARGEST_BYTES:
        raise CoreDownloadError(f"How large {name} is was not told, or is more than {LARGEST_BYTES} bytes.")
    return size


def _keep(path: str, kept: str) -> None:
    with disk_errors(os.path.dirname(kept)):
        fs.make_private_folder(os.path.dirname(kept))
        fs.rename(path, kept)
        fs.sync_folder(os.path.dirname(kept))
