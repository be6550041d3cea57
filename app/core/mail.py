"""Mail that leaves: one message to one person, through the operator's server."""

import smtplib
import ssl
from contextlib import closing
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

from app.core import clock
from app.core.config import settings

TIMEOUT_SECONDS = 20.0
"""For each step of the conversation."""
_PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}


class MailError(Exception):
    """The message was not taken; says why without naming anybody."""


def is_on() -> bool:
    """Tell whether there is a server to send mail through."""
    return bool(settings.SMTP_URL.get_secret_value())


def send(to: str, subject: str, text: str, *, message_id: str) -> None:
    """Hand a message to the server; it may arrive twice, if the answer gets lost.

    Args:
        to: One address, as its owner typed it.
        subject: One line.
        text: Plain text.
        message_id: The same for each attempt, so that a mailbox can tell a repetition.

    Raises:
        MailError: The server cannot be reached, is not to be trusted, or does not take it.
    """
    try:
        message = _message(to, subject, text, message_id)
        with closing(_connect()) as server:
            server.send_message(message, to_addrs=[to])
    except (smtplib.SMTPException, OSError, ValueError, IndexError, MessageError) as error:
        # The words of such errors hold addresses, so only their kind is told.
        raise MailError(type(error).__name__) from None


def check() -> None:
    """Open a conversation with the server and end it, without a message.

    Raises:
        MailError: As `send`.
    """
    try:
        with closing(_connect()) as server:
            server.noop()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise MailError(type(error).__name__) from None


def _message(to: str, subject: str, text: str, message_id: str) -> EmailMessage:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMessage()
    message["From"] = settings.MAIL_FROM or Address("Fintech", "no-reply", host)
    # What could be read as two addresses is refused here, not sent to both.
    message["To"] = Address(addr_spec=to)
    message["Subject"] = subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = f"<{message_id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _connect() -> smtplib.SMTP:
    """Return a conversation over TLS, unless the operator wrote smtp+plain."""
    url = urlsplit(settings.SMTP_URL.get_secret_value())
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    # Else the library asks the name server who we are.
    name = urlsplit(settings.PUBLIC_URL).hostname
    context = ssl.create_default_context()
    if url.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port, name, timeout=TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, port, name, timeout=TIMEOUT_SECONDS)
    try:
        if url.scheme == "smtp":
            server.starttls(context=context)
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
    except BaseException:
        server.close()
        raise
    return server
