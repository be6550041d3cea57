"""The certificate that people meet at PUBLIC_URL: how long it is still good.

TLS ends before this program, at nginx, an ingress or a balancer, so no process sees a certificate
of its own. What is asked is what people's browsers get: a handshake with that address.
"""

import datetime as dt
import socket
import ssl
from urllib.parse import urlsplit

from cryptography import x509

SECONDS_MAX = 3.0
"""For the connection, and again for the handshake."""
WARN_BEFORE = dt.timedelta(days=14)
"""Renewal by ACME comes 30 days before the end; what is left then did not renew."""


def read_end(url: str) -> dt.datetime:
    """Return when the certificate of an https address ends, whether or not it can be trusted.

    Raises:
        OSError: There is no handshake with it.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent; one that has ended is to be read too
    with (
        # nosemgrep: way-out-of-its-own - the operator's own address; nothing is sent
        socket.create_connection((host, parts.port or 443), SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        encoded = secured.getpeercert(binary_form=True)
    if encoded is None:
        raise ssl.SSLError("the server showed no certificate")
    return x509.load_der_x509_certificate(encoded).not_valid_after_utc
