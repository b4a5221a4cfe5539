"""One message to one channel: HTTP and SMTP, and what their refusals mean."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage
from string import Template
from typing import Any, Final, assert_never

import msgspec

from penstock.control.model import ChannelKind
from penstock.control.notifying.messages import Message
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, TransientError

_SECONDS: Final = 15.0
_LONGEST_ANSWER: Final = 300
_KEY_PREFIX: Final = "whsec_"


def send(kind: ChannelKind, config: Mapping[str, Any], message: Message, *, now: datetime) -> None:
    """Sends a message; returns when the other side has taken it.

    Raises TransientError or ConnectionFailed when it may work later, AccessDenied and ConfigError
    when somebody has to change something first.
    """
    match kind:
        case ChannelKind.WEBHOOK:
            post_signed(str(config["url"]), config.get("secret"), message.id, message.document, now)
        case ChannelKind.SLACK:
            post(str(config["url"]), msgspec.json.encode({"text": message.text}))
        case ChannelKind.JSON:
            headers = {each["name"]: each["value"] for each in config.get("headers") or ()}
            post(str(config["url"]), filled(str(config["body"]), message), headers)
        case ChannelKind.EMAIL:
            _mail(config, message)
        case _:
            assert_never(kind)


def post_signed(
    url: str, secret: str | None, message_id: str, document: Mapping[str, Any], now: datetime
) -> str:
    """Posts a document, signed where there is a secret (Standard Webhooks, v1: HMAC-SHA256)."""
    body = msgspec.json.encode(document)
    stamp = str(int(now.timestamp()))
    headers = {"webhook-id": message_id, "webhook-timestamp": stamp}
    if secret:
        headers["webhook-signature"] = signature(secret, message_id, stamp, body)
    return post(url, body, headers)


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    """Returns `v1,` and the base64 of the HMAC-SHA256 over id, timestamp and body."""
    signed = f"{message_id}.{stamp}.".encode() + body
    found = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(found).decode()


def filled(template: str, message: Message) -> bytes:
    """Returns a JSON template with what happened in its texts; ConfigError if it is no JSON.

    `"${event}"` alone stands for the whole document. A name that is not known stays as it is.
    """
    try:
        document = json.loads(template)
    except ValueError as error:
        raise ConfigError(
            f"The channel's body is no JSON: {error}.",
            remedy='Write JSON, with placeholders in its texts: {"text": "${text}"}.',
        ) from error
    words = {
        "text": message.text,
        "title": message.title,
        "kind": message.kind,
        "connection": message.connection,
        "link": message.link,
        "error": message.error,
    }

    def put_in(value: Any) -> Any:
        if value == "${event}":
            return message.document
        if isinstance(value, str):
            return Template(value).safe_substitute(words)
        if isinstance(value, list):
            return [put_in(each) for each in value]
        if isinstance(value, dict):
            return {key: put_in(each) for key, each in value.items()}
        return value

    return msgspec.json.encode(put_in(document))


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> str:
    """Posts JSON and returns the beginning of the answer; redirects are not followed."""
    import httpx  # noqa: PLC0415 (150 ms, and only where something is told)

    sent = {"content-type": "application/json", "user-agent": "penstock", **(headers or {})}
    host = httpx.URL(url).host
    try:
        answer = httpx.post(url, content=body, headers=sent, timeout=_SECONDS)
    except httpx.TimeoutException as error:
        raise ConnectionFailed(
            f"{host} did not answer within {_SECONDS:.0f} s.", remedy="Look whether it is up."
        ) from error
    except httpx.HTTPError as error:
        raise ConnectionFailed(
            f"{host} cannot be reached: {type(error).__name__}.",
            remedy="Correct the address, or look whether it is up and its certificate is good.",
        ) from error
    said = answer.text[:_LONGEST_ANSWER]
    if answer.is_success:
        return said
    refused = f"{host} answered {answer.status_code}: {said}".rstrip(": ")
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise TransientError(refused, remedy="It is tried again.")
    if answer.status_code in (401, 403):
        raise AccessDenied(refused, remedy="Correct the secret or the headers of the channel.")
    raise ConfigError(refused, remedy="Correct the address or the body of the channel.")


def _mail(config: Mapping[str, Any], message: Message) -> None:
    host, port = str(config["host"]), int(config.get("port") or 587)
    security = config.get("security") or "starttls"
    try:
        with _connected(host, port, security) as server:
            if config.get("username"):
                server.login(str(config["username"]), str(config.get("password") or ""))
            refused = server.send_message(_letter(config, message))
    except smtplib.SMTPAuthenticationError as error:
        raise AccessDenied(
            f"{host} refuses the user name or the password ({error.smtp_code}).",
            remedy="Correct them.",
        ) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise ConfigError(
            f"{host} refuses the recipients {', '.join(error.recipients)}.",
            remedy="Correct the addresses.",
        ) from error
    except smtplib.SMTPNotSupportedError as error:
        raise ConfigError(
            f"{host}:{port} cannot do what is asked: {str(error).rstrip('.')}.",
            remedy="Choose another encryption, or leave the user name out.",
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        raise ConnectionFailed(
            f"{host}:{port} does not take mail: {type(error).__name__}: {error}.",
            remedy="Look whether it is up, and whether port and encryption are right.",
        ) from error
    if refused:
        raise ConfigError(
            f"{host} refuses some recipients: {', '.join(refused)}.",
            remedy="Correct the addresses.",
        )


def _connected(host: str, port: int, security: str) -> smtplib.SMTP:
    context = ssl.create_default_context()
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=_SECONDS, context=context)
    server = smtplib.SMTP(host, port, timeout=_SECONDS)
    if security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _letter(config: Mapping[str, Any], message: Message) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = " ".join(f"[penstock] {message.title}".split())
    letter["From"] = str(config["sender"])
    recipients: Sequence[str] = config["recipients"]
    letter["To"] = ", ".join(recipients)
    letter["Message-ID"] = f"<{message.id}@penstock>"
    letter.set_content(message.text + "\n")
    return letter


def _key(secret: str) -> bytes:
    if secret.startswith(_KEY_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_KEY_PREFIX), validate=True)
        except binascii.Error as error:
            raise ConfigError(
                "The signing secret begins with whsec_, but is no base64 after it.",
                remedy="Give 24 to 64 bytes in base64 after whsec_, or any other text.",
            ) from error
    return secret.encode()
