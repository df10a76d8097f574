"""A request as it goes out: httpx encodes URL, headers and body."""

from __future__ import annotations

import platform
from functools import lru_cache

import httpcore
import httpx

from nimbus_sdk._version import __version__
from nimbus_sdk.config.urls import split_url
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.network import ExchangeLimits

_PLATFORM = f"{platform.system()} {platform.machine()}"
USER_AGENT = f"nimbusbci-sdk/{__version__} Python/{platform.python_version()} ({_PLATFORM})"


def encode_request(request: Request, limits: ExchangeLimits) -> httpcore.Request:
    """Return a request for a connection of httpcore, unless its arguments or its URL cannot be sent."""
    failure: ConfigurationError | NimbusConnectionError
    try:
        encoded = _encode(request)
    except httpx.InvalidURL:
        failure = _invalid_url(request)
    except (TypeError, ValueError, RecursionError) as error:
        failure = ConfigurationError(
            f"The arguments of {request.name} cannot be sent as JSON or in a URL ({type(error).__name__}).",
            hint="Give text, finite numbers, true, false, None, and lists and dicts of these.",
        )
    else:
        url = encoded.url
        if url.scheme in ("http", "https") and url.host:
            target = httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            )
            times = dict.fromkeys(("connect", "read", "write"), limits)
            return httpcore.Request(
                encoded.method,
                target,
                headers=encoded.headers.raw,
                content=encoded.content,
                extensions={"timeout": times},
            )
        failure = _invalid_url(request)
    # Raised here and not in a handler: the error of an encoder contains the whole body, with the key in it.
    raise failure


def _encode(request: Request) -> httpx.Request:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **request.headers,
        **(request.sink.request_headers() if request.sink is not None else {}),
        **(request.auth.headers(request.url) if request.auth is not None else {}),
    }
    if not _is_clear(request.url.partition("?")[0]):
        raise httpx.InvalidURL("host and port are not clear")
    params = {name: value for name, value in request.params.items() if value is not None}
    # A URL with a query may be signed, and no signature is kept.
    url = httpx.URL(request.url) if "?" in request.url else _parse(request.url)
    return httpx.Request(request.method, url, params=params or None, json=request.json, headers=headers)


@lru_cache(maxsize=64)
def _is_clear(url: str) -> bool:
    try:
        split_url(url)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=64)
def _parse(url: str) -> httpx.URL:
    return httpx.URL(url)


def _invalid_url(request: Request) -> NimbusConnectionError:
    return NimbusConnectionError(
        f"The request {request.name!r} cannot be sent (not a valid URL, or too long).",
        passing=False,
        sent=False,
    )
