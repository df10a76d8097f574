"""A request as it goes out: URL, headers and body in bytes."""

from __future__ import annotations

import json
import platform
from urllib.parse import quote, urlencode, urlsplit

import httpcore

from nimbus_sdk._version import __version__
from nimbus_sdk.errors import ConfigurationError, NimbusConnectionError
from nimbus_sdk.transport.flow import Request
from nimbus_sdk.transport.network import ExchangeLimits

_PLATFORM = f"{platform.system()} {platform.machine()}"
USER_AGENT = f"nimbusbci-sdk/{__version__} Python/{platform.python_version()} ({_PLATFORM})"
MAX_URL_LENGTH = 65_536
# Quotes are left as they are: a signed URL is valid only letter by letter.
_PATH_SAFE = "%/:@!$&'()*+,;=|\\^[]"
_QUERY_SAFE = f"{_PATH_SAFE}?`{{}}"
_PORTS = {"http": 80, "https": 443}
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def encode_request(request: Request, limits: ExchangeLimits) -> httpcore.Request:
    """Return a request for httpcore.

    Raises:
        ConfigurationError: An argument is not JSON, or not fit for a URL or a header.
        NimbusConnectionError: No such URL can be asked for.
    """
    try:
        url, host = _encode_url(request)
        body = b"" if request.json is None else _encode_json(request.json)
        headers = [(b"Host", host), *_encode_headers(request)]
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
    else:
        if request.json is not None:
            headers.append((b"Content-Type", b"application/json"))
        if body or request.method in _WITH_BODY:
            headers.append((b"Content-Length", str(len(body)).encode()))
        times = dict.fromkeys(("connect", "read", "write"), limits)
        return httpcore.Request(
            request.method, url, headers=headers, content=body, extensions={"timeout": times}
        )
    # Raised here and not in the handler: the error of an encoder contains the whole body, with the key in it.
    raise ConfigurationError(
        f"The arguments of {request.name} cannot be sent as JSON or in a URL ({kind}).",
        hint="Give text, finite numbers, true, false, None, and lists and dicts of these.",
    )


def _encode_url(request: Request) -> tuple[httpcore.URL, bytes]:
    """Return the URL, and the value of the Host header."""
    parts = urlsplit(request.url)
    query = "&".join(filter(None, (quote(parts.query, safe=_QUERY_SAFE), _encode_params(request))))
    target = quote(parts.path, safe=_PATH_SAFE) or "/"
    if query:
        target = f"{target}?{query}"
    default_port = _PORTS.get(parts.scheme)
    too_long = len(target) > MAX_URL_LENGTH
    if default_port is None or too_long or not parts.hostname or not request.url.isprintable():
        raise NimbusConnectionError(
            f"The request to {parts.netloc} cannot be sent (not a valid URL, or too long).",
            passing=False,
            sent=False,
        )
    host = parts.hostname.encode("ascii" if parts.hostname.isascii() else "idna")
    named = b"[%b]" % host if b":" in host else host
    if parts.port not in (None, default_port):
        named = b"%b:%d" % (named, parts.port)
    return httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target), named


def _encode_params(request: Request) -> str:
    return urlencode([(name, value) for name, value in request.params.items() if value is not None])


def _encode_json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _encode_headers(request: Request) -> list[tuple[bytes, bytes]]:
    headers = {
        "User-Agent": USER_AGENT,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        **request.headers,
        **(request.sink.request_headers() if request.sink is not None else {}),
        **(request.auth.headers(request.url) if request.auth is not None else {}),
    }
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
