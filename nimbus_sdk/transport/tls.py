"""The TLS context with the certificates of the system; verification cannot be turned off."""

from __future__ import annotations

import os
import re
import ssl
import sys
from collections.abc import Mapping
from functools import lru_cache

from nimbus_sdk.config.settings import read_text
from nimbus_sdk.errors import ConfigurationError
from nimbus_sdk.transport.redaction import sanitize

EXTRA_ROOTS = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
FOLDERS = "SSL_CERT_DIR"
_VARIABLES = (*EXTRA_ROOTS, FOLDERS)
_KNOWN_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # the same, newer
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # the BSDs
)
"""Where systems keep their roots, for a Python that was built to look elsewhere."""


def tls_context(environ: Mapping[str, str] | None = None) -> ssl.SSLContext:
    """Return the shared TLS context: TLS 1.2 or newer, the roots of the system and of the environment."""
    environ = os.environ if environ is None else environ
    return _context(tuple((name, read_text(environ, name)) for name in _VARIABLES))


@lru_cache(maxsize=4)
def _context(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    context = _system_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A certificate that is trusted ends the chain, also if it is not a root: as with curl.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for variable, text in named:
        if variable == FOLDERS:
            # A list like PATH; folders that are absent are skipped, as by OpenSSL.
            for path in filter(os.path.isdir, map(str.strip, text.split(os.pathsep))):
                context.load_verify_locations(capath=path)
        elif text:
            _trust(context, variable, text)
    return context


def _trust(context: ssl.SSLContext, variable: str, path: str) -> None:
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{variable} names {path}, which contains no readable certificate ({type(error).__name__}).",
            hint="Give the path of a PEM file with the root certificate of your network, or unset it.",
        ) from None


def _system_context() -> ssl.SSLContext:
    if sys.platform in ("darwin", "win32"):
        # OpenSSL does not read the certificate stores of these systems.
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Neither ssl.create_default_context, which opens the file that SSLKEYLOGFILE names, nor OpenSSL's default
    # paths, for which SSL_CERT_FILE and SSL_CERT_DIR replace the system's roots.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    paths = ssl.get_default_verify_paths()
    if _has_hashed_names(paths.openssl_capath):
        context.load_verify_locations(capath=paths.openssl_capath)
    elif not os.path.isfile(paths.openssl_cafile):
        file = next(filter(os.path.isfile, _KNOWN_FILES), None)
        if file is None:
            import certifi

            file = certifi.where()
        context.load_verify_locations(cafile=file)
    if os.path.isfile(paths.openssl_cafile):
        context.load_verify_locations(cafile=paths.openssl_cafile)
    return context


def _has_hashed_names(folder: str) -> bool:
    """Whether OpenSSL finds certificates in a folder, by names such as ``5ed36f99.0``."""
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(_HASHED_NAME.fullmatch(name) for name in names)


_HASHED_NAME = re.compile(r"[0-9a-f]{8}\.\d+")
# Object identifiers 2.5.4.10 (organization) and 2.5.4.3 (common name), X.520; in a certificate the issuer's
# come before the subject's (RFC 5280, section 4.1).
_ORGANIZATION = re.compile(rb"\x06\x03\x55\x04\x0a[\x0c\x13\x14](.)", re.DOTALL)
_COMMON_NAME = re.compile(rb"\x06\x03\x55\x04\x03[\x0c\x13\x14](.)", re.DOTALL)


def certificate_issuer(certificate: bytes) -> str:
    """Return the issuer of a certificate in DER: its organization, or else its common name."""
    return _text(_ORGANIZATION, certificate) or _text(_COMMON_NAME, certificate) or "an unnamed issuer"


def _text(field: re.Pattern[bytes], certificate: bytes) -> str:
    found = field.search(certificate)
    if found is None:
        return ""
    length = found[1][0]
    return sanitize(certificate[found.end() : found.end() + length].decode("utf-8", "replace"), limit=100)
