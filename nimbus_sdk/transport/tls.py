"""Which certificates are trusted: the system's, never fewer checks. There is no switch to turn it off."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping
from functools import lru_cache

from nimbus_sdk.errors import ConfigurationError

EXTRA_ROOTS = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
FOLDERS = "SSL_CERT_DIR"
_VARIABLES = (*EXTRA_ROOTS, FOLDERS)


def tls_context(environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """The one TLS context: TLS 1.2 or newer, the system's roots, and those that the environment names.

    Raises:
        ConfigurationError: A file or folder named in the environment cannot be used.
    """
    environ = os.environ if environ is None else environ
    return _context(tuple((name, environ.get(name) or "") for name in _VARIABLES))


@lru_cache(maxsize=4)
def _context(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = _system_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if getattr(context, "keylog_filename", None) is not None:
        # SSLKEYLOGFILE would have the secrets of every connection written into a file.
        context.keylog_filename = None  # type: ignore[assignment]
    for variable, text in named:
        # OpenSSL reads SSL_CERT_DIR as a list of folders, like PATH.
        for path in filter(None, text.split(os.pathsep) if variable == FOLDERS else [text]):
            _trust(context, variable, path)
    return context


def _trust(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"{variable} names {path}, which holds no readable certificate ({type(error).__name__}).",
            hint="Give the path of a PEM file with the root certificate of your network, or unset it.",
        ) from None


def _system_context() -> ssl.SSLContext:
    if sys.platform in ("darwin", "win32"):
        # Their roots live in the system's own store, which OpenSSL does not read.
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not (paths.cafile or paths.capath) and not context.cert_store_stats()["x509_ca"]:
        # A Python that was built elsewhere may look for the roots where this system has none.
        import certifi

        context.load_verify_locations(cafile=certifi.where())
    return context
