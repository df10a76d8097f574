"""Requests to GitHub: only GitHub gets the token, redirects are checked, refusals become plain messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urljoin, urlsplit, urlunsplit

from nimbus_sdk import errors
from nimbus_sdk.config.settings import Settings, is_loopback, origin
from nimbus_sdk.config.urls import split_url
from nimbus_sdk.transport.flow import Flow, HeaderAuth, Request, Response, Sink, send
from nimbus_sdk.transport.status_errors import quote_message

if TYPE_CHECKING:
    from pydantic import SecretStr

API_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
CONTENT_HEADERS = {"Accept": "application/octet-stream", "Accept-Encoding": "identity"}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REFUSALS = frozenset({401, 403, 404})
# GitHub's servers learn of a new token one after the other; a private repository is then "not found".
SETTLING = frozenset({401, 404})
OUT_OF_RANGE = 416
MOST_HOPS = 3


def require_trusted_source(settings: Settings) -> None:
    """Make sure that a token of the Nimbus API is sent to GitHub only, for a repository of Nimbus.

    Another GitHub or owner is allowed only together with another API, such as a sandbox. Otherwise a single
    variable in the environment would be enough to steal the token or to install foreign code.

    Examples:
        >>> require_trusted_source(Settings(core_repo="nimbusbci/NimbusSDKCore-next"))
        >>> require_trusted_source(Settings(github_url="https://github.example"))
        Traceback (most recent call last):
        ...
        nimbus_sdk.errors.ConfigurationError: NIMBUS_SDK_GITHUB_URL is https://github.example:443...
    """
    usual = Settings()
    owner = usual.core_repo.partition("/")[0]
    if origin(settings.api_url) != origin(usual.api_url):
        return
    if origin(settings.github_url) != origin(usual.github_url):
        changed = f"NIMBUS_SDK_GITHUB_URL is {origin(settings.github_url)}"
    elif not settings.core_repo.lower().startswith(f"{owner.lower()}/"):
        changed = f"NIMBUS_SDK_CORE_REPO is {settings.core_repo}"
    else:
        return
    raise errors.ConfigurationError(
        f"{changed}; the core of {usual.api_url} comes only from {usual.github_url}/repos/{owner}.",
        hint="Unset the variable, or set NIMBUS_SDK_API_URL to another service as well.",
    )


def authorization(settings: Settings, token: SecretStr) -> HeaderAuth:
    """Return the temporary token as a header for the origin of the GitHub API only."""
    auth = HeaderAuth(
        "Authorization", token.get_secret_value().strip(), origin(settings.github_url), "Bearer "
    )
    if not auth.secret or not auth.secret.isascii() or not auth.secret.isprintable() or " " in auth.secret:
        raise errors.CoreDownloadError(
            "The service sent an invalid GitHub token.", hint=f"Write to {errors.SUPPORT}."
        )
    return auth


def request_release(settings: Settings, token: SecretStr, path: str, subject: str) -> Flow[Response]:
    """Request a path below the core's repository in GitHub's API; messages name the subject."""
    request = Request(
        name="release",
        method="GET",
        url=f"{settings.github_url}/repos/{settings.core_repo}/{path}",
        auth=authorization(settings, token),
        headers=API_HEADERS,
        accept=REFUSALS,
        settling=SETTLING,
    )
    response = yield from _send(request, subject)
    if response.status in REFUSALS:
        _refuse(response, subject)
    return response


def open_asset(
    settings: Settings,
    token: SecretStr,
    asset_id: int,
    name: str,
    subject: str,
    sink: Sink | None = None,
) -> Flow[Response]:
    """Request the content of a release's asset, and follow GitHub's redirects.

    GitHub responds with the bytes or with a redirect to a signed URL of a storage host, which gets no
    token. Such a URL is valid for minutes; if it has expired, a new one is requested, once, and again
    whenever bytes have arrived. The response is a success, or 416 if the sink requested a range that does
    not exist.
    """
    first = Request(
        name=name,
        method="GET",
        url=f"{settings.github_url}/repos/{settings.core_repo}/releases/assets/{asset_id}",
        auth=authorization(settings, token),
        headers={**API_HEADERS, **CONTENT_HEADERS},
        accept=REDIRECTS | REFUSALS | {OUT_OF_RANGE},
        settling=SETTLING,
        silence=settings.timeout,
        sink=sink,
    )
    progress = None
    while True:
        response = yield from _follow_redirects(settings, first, subject)
        if response.status not in REFUSALS:
            return response
        reached = 0 if sink is None else sink.progress
        if reached == progress:
            raise errors.CoreDownloadError(
                f"The storage host refused {subject} ({response.status}), with a new URL as well.",
                hint="Check for a proxy or firewall in between; if none, try again in a few minutes.",
            )
        progress = reached


def _follow_redirects(settings: Settings, first: Request, subject: str) -> Flow[Response]:
    """Return the first response that is not a redirect; a refusal only if it is not GitHub's own."""
    request = first
    for _ in range(MOST_HOPS + 1):
        response = yield from _send(request, subject)
        if response.status not in REDIRECTS:
            if response.status in REFUSALS and request.auth is not None:
                _refuse(response, subject)
            return response
        url = _redirect_target(settings, request.url, response.headers)
        request = replace(first, name="storage", url=url)
        if origin(url) != origin(settings.github_url):
            request = replace(request, auth=None, headers=CONTENT_HEADERS, settling=frozenset())
    raise errors.CoreDownloadError(f"GitHub redirected {subject} more than {MOST_HOPS} times.")


def _send(request: Request, subject: str) -> Flow[Response]:
    try:
        return (yield from send(request))
    except errors.RateLimitError:
        raise
    except errors.ApiError as error:
        # A refusal by GitHub must not be taken for one by the Nimbus service, which may end a session.
        raise errors.CoreDownloadError(
            f"GitHub could not send {subject}: {error.message}",
            hint="Run it again in a few minutes; an interrupted download is resumed.",
        ) from error
    except errors.ResponseFormatError as error:
        raise errors.CoreDownloadError(error.message, hint=error.hint) from error


def _redirect_target(settings: Settings, url: str, headers: Mapping[str, str]) -> str:
    """Return the URL of a redirect, if it may be followed."""
    sender = urlsplit(url).netloc
    try:
        target = urlsplit(urljoin(url, headers.get("location", "").strip()))
        host, _ = target.hostname, target.port
    except ValueError:
        raise errors.CoreDownloadError(f"{sender} redirected to something that is not a URL.") from None
    if not is_safe_url(target.geturl(), settings.github_url):
        raise errors.CoreDownloadError(
            f"{sender} redirected to {target.scheme or 'nothing'}://{host or ''}, which is not followed.",
            hint="Only https is followed. Check for a captive portal or a proxy in between.",
        )
    followed = urlunsplit((target.scheme, target.netloc, target.path, target.query, ""))
    if followed == url or not followed.isprintable():
        raise errors.CoreDownloadError(f"{sender} redirected to itself.")
    return followed


def is_safe_url(url: str, service_url: str) -> bool:
    """Return whether a URL is https, or http on this machine where the service itself is."""
    try:
        parts = split_url(url)
    except ValueError:
        return False
    is_local = (
        parts.scheme == "http" and is_loopback(parts.hostname or "") and service_url.startswith("http://")
    )
    return "@" not in parts.netloc and (parts.scheme == "https" or is_local)


def _refuse(response: Response, subject: str) -> NoReturn:
    if response.status == 401:
        raise errors.CoreDownloadError(
            f"GitHub refused the temporary token (401){quote_message(response)}.",
            hint="Run it again: every run requests a new token. If that does not help, write to "
            f"{errors.SUPPORT}.",
        )
    if response.status == 404:
        raise errors.CoreDownloadError(
            f"GitHub has no {subject}, or this license gives no access to it (404){quote_message(response)}.",
            hint=f"Check the version and NIMBUS_SDK_CORE_REPO; if both are right, write to {errors.SUPPORT}.",
        )
    reason = quote_message(response)
    raise errors.CoreDownloadError(
        f"GitHub denied access to {subject} (403){reason}.",
        hint=f"This license may not include it: write to {errors.SUPPORT}."
        if reason
        else "No reason came with it, so a proxy may have answered in its place: ask whoever runs it.",
    )
