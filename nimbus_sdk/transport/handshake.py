"""Who issued the certificate that a server shows: what TLS interception gives itself away by."""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import urlsplit

from nimbus_sdk.errors import NimbusConnectionError
from nimbus_sdk.transport.redact import foreign

# Object identifiers 2.5.4.10 (organization) and 2.5.4.3 (common name), X.520; in a certificate the issuer's
# come before the subject's (RFC 5280, section 4.1).
_ORGANIZATION = re.compile(rb"\x06\x03\x55\x04\x0a[\x0c\x13\x14](.)", re.DOTALL)
_COMMON_NAME = re.compile(rb"\x06\x03\x55\x04\x03[\x0c\x13\x14](.)", re.DOTALL)


def certificate_issuer(url: str, seconds: float) -> str:
    """The issuer of the certificate at an https URL, whether it is trusted or not. Nothing is sent there.

    Args:
        url: Where; only host and port count.
        seconds: How long this may take.

    Raises:
        NimbusConnectionError: There was no certificate to look at.
    """
    parts = urlsplit(url)
    # Looks at a certificate that the SDK may refuse; no request ever goes over this connection.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((parts.hostname or "", parts.port or 443), timeout=seconds) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as secured,
        ):
            shown = secured.getpeercert(binary_form=True) or b""
    except OSError as error:
        raise NimbusConnectionError(
            f"{parts.netloc} shows no certificate ({foreign(error.strerror or type(error).__name__)})."
        ) from None
    return _text(_ORGANIZATION, shown) or _text(_COMMON_NAME, shown) or "an unnamed issuer"


def _text(field: re.Pattern[bytes], certificate: bytes) -> str:
    found = field.search(certificate)
    if found is None:
        return ""
    length = found[1][0]
    return foreign(certificate[found.end() : found.end() + length].decode("utf-8", "replace"), limit=100)
