"""Speaking to GitHub: the token for GitHub alone, redirects followed by hand, refusals in plain words."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urljoin, urlsplit, urlunsplit

from nimbus_sdk.config.settings import Settings, is_loopback, origin
from nimbus_sdk.errors import (
    SUPPORT,
    ApiError,
    ConfigurationError,
    CoreDownloadError,
    ResponseFormatError,
)
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, Response, Sink, send

if TYPE_CHECKING:
    from pydantic import SecretStr

API_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
ASSET_HEADERS = {"Accept": "application/octet-stream", "Accept-Encoding": "identity"}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REFUSALS = frozenset({401, 403, 404})
OUT_OF_RANGE = 416
MOST_HOPS = 3
_FRESH_TOKEN = f"Run it again: every run asks for a fresh token. If it stays, write to {SUPPORT}."


def require_trusted_source(settings: Settings) -> None:
    """Make sure that the Nimbus API's own token goes to GitHub itself, for a repository of Nimbus.

    Another GitHub, or the repository of another owner, goes with another API, such as a sandbox. Otherwise
    one variable in a foreign environment would be enough to get the token, or to bring foreign code here.

    Raises:
        ConfigurationError: Where the core comes from was changed, and the Nimbus API was not.

    Example:
        >>> require_trusted_source(Settings(core_repo="nimbusbci/NimbusSDKCore-next"))
        >>> require_trusted_source(Settings(github_url="https://github.example"))
        Traceback (most recent call last):
        ...
        nimbus_sdk.errors.ConfigurationError: NIMBUS_SDK_GITHUB_URL leads to https://github.example:443...
    """
    usual = Settings()
    if origin(settings.api_url) != origin(usual.api_url):
        return
    if origin(settings.github_url) != origin(usual.github_url):
        changed = f"NIMBUS_SDK_GITHUB_URL leads to {origin(settings.github_url)}"
    elif _owner(settings) != _owner(usual):
        changed = f"NIMBUS_SDK_CORE_REPO leads to {settings.core_repo}"
    else:
        return
    raise ConfigurationError(
        f"{changed}; the core of {usual.api_url} comes from {usual.github_url}/repos/{_owner(usual)} alone.",
        hint="Unset the variable. Elsewhere leads only another service, with NIMBUS_SDK_API_URL set too.",
    )


def authorization(settings: Settings, token: SecretStr) -> HeaderAuth:
    """The temporary token as the header that only the GitHub API's origin may see.

    Raises:
        CoreDownloadError: The token cannot stand in a header.
    """
    auth = HeaderAuth(
        "Authorization", token.get_secret_value().strip(), origin(settings.github_url), "Bearer "
    )
    if not _fits_a_header(auth.secret):
        raise CoreDownloadError(
            "The service gave a GitHub token that cannot be one.", hint=f"Write to {SUPPORT}."
        )
    return auth


def ask(settings: Settings, token: SecretStr, path: str, *, name: str, subject: str) -> Flow[Response]:
    """One question to the API of the core's repository.

    Args:
        settings: Where GitHub is, and which repository.
        token: The temporary token.
        path: What is asked for, below the repository.
        name: What the call is.
        subject: What was wanted, for the message.

    Raises:
        CoreDownloadError: GitHub refused.
    """
    step = Request(
        name=name,
        method="GET",
        url=f"{settings.github_url}/repos/{settings.core_repo}/{path}",
        auth=authorization(settings, token),
        headers=API_HEADERS,
        accept=REFUSALS,
    )
    answer = yield from _sent(step, subject)
    if answer.status in REFUSALS:
        _refuse(answer, subject)
    return answer


def open_asset(
    settings: Settings,
    token: SecretStr,
    asset_id: int,
    *,
    name: str,
    subject: str,
    sink: Sink | None = None,
    allowance: float = 0.0,
) -> Flow[Response]:
    """The content of a release's asset, from wherever GitHub sends us.

    GitHub answers with the bytes or with a redirect to a signed address of a storage host, which gets no
    token. Such an address lives for minutes only; where it has expired a new one is asked for, once.

    Args:
        settings: Where GitHub is, and which repository.
        token: The temporary token.
        asset_id: GitHub's number of the asset.
        name: What the call is.
        subject: What is fetched, for messages.
        sink: Receives the bytes; the answer's own body holds them where there is none.
        allowance: Seconds that the body may take.

    Returns:
        The last answer: a success, or 416 where the sink asked for a range that is not there.

    Raises:
        CoreDownloadError: A refusal, or a redirect that is not followed.
    """
    first = replace(_asset_call(settings, token, asset_id), name=name, sink=sink, allowance=allowance)
    answer = yield from _followed(settings, first, subject)
    if answer.status in REFUSALS:
        answer = yield from _followed(settings, replace(first, allowance=0.0), subject)
    if answer.status in REFUSALS:
        raise CoreDownloadError(
            f"The storage host refused {subject} ({answer.status}), with a fresh address as well.",
            hint="A proxy or firewall may stand in between; if not, try again in some minutes.",
        )
    return answer


def _asset_call(settings: Settings, token: SecretStr, asset_id: int) -> Request:
    return Request(
        name="asset",
        method="GET",
        url=f"{settings.github_url}/repos/{settings.core_repo}/releases/assets/{asset_id}",
        auth=authorization(settings, token),
        headers=ASSET_HEADERS,
        accept=REDIRECTS | REFUSALS | {OUT_OF_RANGE},
    )


def _followed(settings: Settings, first: Request, subject: str) -> Flow[Response]:
    """The first answer that is no redirect; a refusal is given back where it is not GitHub's own."""
    step = first
    for _ in range(MOST_HOPS + 1):
        answer = yield from _sent(step, subject)
        if answer.status not in REDIRECTS:
            if answer.status in REFUSALS and step.auth is not None:
                _refuse(answer, subject)
            return answer
        url = _target(settings, step.url, answer.headers)
        at_github = origin(url) == origin(settings.github_url)
        # The time for the bytes was granted with the first step, for all that follow it.
        auth = first.auth if at_github else None
        step = replace(first, name="storage", url=url, auth=auth, allowance=0.0)
    raise CoreDownloadError(f"GitHub redirected {subject} more than {MOST_HOPS} times.")


def _sent(step: Request, subject: str) -> Flow[Response]:
    try:
        return (yield from send(step))
    except ApiError as error:
        # A refusal by GitHub must never be taken for one by the Nimbus service, which may kill a session.
        wait = "" if error.retry_after is None else f" It asks to wait {error.retry_after:.0f} s."
        raise CoreDownloadError(
            f"{_host(step.url)} could not give {subject} (status {error.status}).{wait}",
            hint="Run it again in some minutes: a download that broke off goes on where it stopped.",
        ) from error
    except ResponseFormatError as error:
        raise CoreDownloadError(error.message, hint=error.hint) from error


def _target(settings: Settings, url: str, headers: Mapping[str, str]) -> str:
    """Where a redirect leads, if it may be followed."""
    try:
        target = urlsplit(urljoin(url, headers.get("location", "").strip()))
        host, _ = target.hostname, target.port
    except ValueError:
        raise CoreDownloadError(f"{_host(url)} redirected to something that is no address.") from None
    local = target.scheme == "http" and is_loopback(host or "") and settings.github_url.startswith("http://")
    if not host or "@" in target.netloc or not (target.scheme == "https" or local):
        raise CoreDownloadError(
            f"{_host(url)} redirected to {target.scheme or 'nothing'}://{host or ''}, which is not followed.",
            hint="Only https is; a captive portal or a proxy may stand in between.",
        )
    followed = urlunsplit((target.scheme, target.netloc, target.path, target.query, ""))
    if followed == url or not followed.isprintable():
        raise CoreDownloadError(f"{_host(url)} redirected to itself.")
    return followed


def _refuse(answer: Response, subject: str) -> NoReturn:
    if answer.status == 401:
        raise CoreDownloadError("GitHub refused the temporary token (401).", hint=_FRESH_TOKEN)
    if answer.status == 404:
        raise CoreDownloadError(
            f"GitHub has no {subject}, or this license gives no access to it (404).",
            hint=f"Check the version and NIMBUS_SDK_CORE_REPO; if both are right, write to {SUPPORT}.",
        )
    if answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
        raise CoreDownloadError(
            f"GitHub's own request limit is used up{_until(answer)}.",
            hint="Wait until then and run it again; nothing of the Nimbus quota is used.",
        )
    raise CoreDownloadError(
        f"GitHub denied access to {subject} (403).",
        hint=f"A proxy may stand in between; if not, this license may not include it: write to {SUPPORT}.",
    )


def _until(answer: Response) -> str:
    reset = answer.headers.get("x-ratelimit-reset", "").strip()
    if not (reset.isascii() and reset.isdigit() and len(reset) <= 11):
        return ""
    return time.strftime(" until %H:%M UTC", time.gmtime(int(reset)))


def _owner(settings: Settings) -> str:
    return settings.core_repo.partition("/")[0].lower()


def _fits_a_header(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _host(url: str) -> str:
    return urlsplit(url).netloc
