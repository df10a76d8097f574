"""Download pre-trained models, check them and store them for offline use; list and remove what is stored."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from nimbus_sdk import errors
from nimbus_sdk.account import rejected_keys
from nimbus_sdk.config.paths import Paths
from nimbus_sdk.config.settings import Settings, origin
from nimbus_sdk.core.model_registry import covers, find_session_and_model_flow
from nimbus_sdk.core.wheel.download import PROXY_HINT, FileSink, download_until_complete
from nimbus_sdk.core.wheel.github import is_safe_url
from nimbus_sdk.core.wheel.manifest import find_core
from nimbus_sdk.core.wheel.protocol import MODEL_SUFFIX
from nimbus_sdk.display.progress import ProgressEvent, Report, download_report
from nimbus_sdk.display.reporting import reporting
from nimbus_sdk.storage import fs, key_lookup
from nimbus_sdk.storage.pointer import trust_root
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, run_blocking, send
from nimbus_sdk.transport.sync_async import Prepared, make_pair

if TYPE_CHECKING:
    from nimbus_sdk.api.schemas import ModelInfo

T = TypeVar("T")

PARTIAL = 206
LARGEST_BYTES = 2**30
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_CHANGED = "Run it again. If the error stays, a proxy or mirror changes the file."
_TOTAL = re.compile(r"bytes \d+-\d+/(\d{1,12})")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine, with the origin ``download`` or, for instance, ``core 0.1.0``."""

    name: str
    origin: str
    path: str


def find_local_models(paths: Paths) -> tuple[LocalModel, ...]:
    """Return the models that come with the core in use and those that were downloaded, by name."""
    found = {name: LocalModel(name, "download", model_path(paths, name)) for name in stored_models(paths)}
    core = find_core(paths.core)
    for file in () if core is None else core.files:
        inside = PurePosixPath(file)
        if core is not None and inside.suffix == MODEL_SUFFIX:
            # A core looks for a name among its own models first.
            path = os.path.join(core.library, *inside.parts)
            found[inside.stem] = LocalModel(inside.stem, f"core {core.version}", path)
    return tuple(found[name] for name in sorted(found))


def stored_models(paths: Paths) -> tuple[str, ...]:
    """Return the names of the downloaded models."""
    with fs.disk_errors(paths.models):
        try:
            names = sorted(os.listdir(paths.models))
        except FileNotFoundError:
            return ()
    return tuple(name.removesuffix(MODEL_SUFFIX) for name in names if name.endswith(MODEL_SUFFIX))


def remove_models(*, profile: str | None = None) -> tuple[str, ...]:
    """Remove every downloaded model, and partial files; return the names of the models."""
    paths = Settings.load(profile=profile).paths
    models = stored_models(paths)
    with fs.disk_errors(paths.models):
        for folder in (paths.models, paths.downloads):
            if os.path.isdir(folder):
                fs.remove_tree(folder)
    return models


def _download_model(
    name: str, *, profile: str | None = None, progress: Report | bool | None = None
) -> Prepared[str]:
    """Download a pre-trained model and store it, so that ``load_model`` finds it with no network.

    Args:
        name: As in ``nimbus_sdk.list_available_models``.
        profile: Which account.
        progress: As for ``nimbus_sdk.install_core``.

    Returns:
        The path of the file.

    Raises:
        PermissionDeniedError: The license does not cover it; the message names the tier that does.
        ConfigurationError: There is no such model.
        CoreIntegrityError: It is not the file that was published; it is dropped.
    """
    settings = Settings.load(profile=profile)
    return settings, _download(settings, name, progress)


download_model, download_model_async = make_pair(_download_model)


def _download(settings: Settings, name: str, progress: Report | bool | None) -> Flow[str]:
    with reporting(progress, settings.no_progress) as report:
        return (yield from fetch_model_flow(settings, name, report))


def fetch_model_flow(settings: Settings, name: str, report: Report) -> Flow[str]:
    """Download one model, if the license covers it."""
    paths = settings.paths
    target = model_path(paths, name)
    session, model = yield from find_session_and_model_flow(settings, name)
    if not covers(session.license_type, model.requires_license):
        raise errors.PermissionDeniedError(
            f"The model {name} needs the {model.requires_license} license; yours is {session.license_type}."
        )
    found = yield from run_blocking(lambda: key_lookup.find_key(settings))
    request = _request(settings, model, HeaderAuth("X-API-Key", found.key.reveal(), origin(settings.api_url)))

    def send_key(flow: Flow[T]) -> Flow[T]:
        # A storage host, which gets no key, cannot reject one.
        return flow if request.auth is None else rejected_keys.record_rejection(settings, found.key, flow)

    size = yield from send_key(_request_size(request, name))
    sha256, show = model.checksum.removeprefix("sha256:"), download_report(report, f"Downloading {name}")
    sink = FileSink(paths.downloads, os.path.basename(target), size, sha256, show)
    filling = replace(request, sink=sink, silence=settings.timeout)
    try:
        path = yield from download_until_complete(sink, lambda: send_key(send(filling)))
    except errors.CoreIntegrityError as error:
        raise errors.CoreIntegrityError(error.message, issues=error.issues, hint=_CHANGED) from error
    yield from run_blocking(lambda: _move(path, target))
    yield from run_blocking(sink.discard)
    report(ProgressEvent("done", f"{name} is stored for offline use"))
    return target


def model_path(paths: Paths, name: str) -> str:
    """Return the path of a model's file, if the text is the name of a model."""
    if _NAME.fullmatch(name) is None:
        raise errors.ConfigurationError(f"{name!r} is not the name of a model.")
    return os.path.join(paths.models, f"{name}{MODEL_SUFFIX}")


def _request(settings: Settings, model: ModelInfo, auth: HeaderAuth) -> Request:
    if not is_safe_url(model.download_url, settings.api_url):
        raise errors.CoreDownloadError(
            f"The service has no safe URL for {model.name}.", hint="Only https is followed."
        )
    own = origin(model.download_url) == auth.origin
    # A storage host gets no key: its URLs are signed.
    return Request(name="model_file", method="GET", url=model.download_url, auth=auth if own else None)


def _request_size(request: Request, name: str) -> Flow[int]:
    """Request the first byte, for the exact size; the registry has it rounded."""
    response = yield from send(replace(request, name="model_size", headers={"Range": "bytes=0-0"}))
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and response.status != PARTIAL:
        raise errors.CoreDownloadError(f"Instead of {name}, a web page was sent.", hint=PROXY_HINT)
    part = _TOTAL.fullmatch(response.headers.get("content-range", "").strip())
    whole = response.headers.get("content-length", "")
    text = part[1] if part is not None and response.status == PARTIAL else whole
    size = int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else 0
    if not 0 < size <= LARGEST_BYTES:
        raise errors.CoreDownloadError(f"The size of {name} is unknown or more than {LARGEST_BYTES} bytes.")
    return size


def _move(path: str, target: str) -> None:
    folder = os.path.dirname(target)
    with fs.disk_errors(folder):
        fs.make_private_folder(folder, trust_root(folder))
        fs.rename(path, target)
        fs.sync_folder(folder)
