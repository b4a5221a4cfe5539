"""The client's errors as penstock's, each with what to do about it.

An error of a call and the result of a message have one name: `pulsar.exceptions.X`, `Result.X`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    DataError,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
    Superseded,
    TransientError,
)

_AGAIN: Final = "Run the sync again: it continues after the last commit."
_Make = Callable[[str], PenstockError]


def _config(remedy: str) -> _Make:
    return lambda message: ConfigError(message, remedy=remedy)


def _denied(remedy: str) -> _Make:
    return lambda message: AccessDenied(message, remedy=remedy)


def _lost(message: str) -> PenstockError:
    return ConnectionFailed(
        message, remedy=f"See whether the brokers are up and can be reached. {_AGAIN}"
    )


def _quota(message: str) -> PenstockError:
    return ResourceExhausted(
        message,
        remedy="Consume or expire what lies in the namespace, or raise its backlog quota."
        f" {_AGAIN}",
    )


def _later(message: str) -> PenstockError:
    return TransientError(message, remedy=f"The broker could not store it. {_AGAIN}")


def _full(message: str) -> PenstockError:
    return ResourceExhausted(
        message, remedy=f"Set `pending_megabytes` lower: the client's own memory was full. {_AGAIN}"
    )


def _too_big(message: str) -> PenstockError:
    return DataError(
        message, remedy="Set `oversized` to chunk or dead_letter, or raise the broker's limit."
    )


def _busy(message: str) -> PenstockError:
    return ResourceBusy(
        message, remedy="Another producer has the topic for itself: stop it, or take another topic."
    )


def _fenced(message: str) -> PenstockError:
    return Superseded(message, remedy="Another producer has taken the topic for itself.")


_LOGIN: Final = _denied("Correct `authentication`; a token may have expired.")
_RIGHTS: Final = _denied(
    "Grant the login's role `produce` on the namespace:"
    " pulsar-admin namespaces grant-permission TENANT/NAMESPACE --actions produce --role ROLE."
)
_SCHEMA: Final = _config(
    "The topic has a schema that this stream's does not fit. Set `topic` to a new one, or relax"
    " the namespace: pulsar-admin namespaces set-schema-compatibility-strategy."
)
_NO_TOPIC: Final = _config(
    "Make the topic, or let the namespace make topics by themselves:"
    " pulsar-admin namespaces set-auto-topic-creation TENANT/NAMESPACE --enable"
    " --type non-partitioned. `tenant` and `namespace` must be there."
)
_NAMES: Final = _config("Correct `service_url`, `tenant`, `namespace` or `topic`.")
_NOT_ALLOWED: Final = _config("The broker or the topic's policies do not allow it; see its log.")

KNOWN: Final[Mapping[str, _Make]] = {
    **dict.fromkeys(("AuthenticationError", "ErrorGettingAuthenticationData"), _LOGIN),
    "AuthorizationError": _RIGHTS,
    "IncompatibleSchema": _SCHEMA,
    "TopicNotFound": _NO_TOPIC,
    **dict.fromkeys(("InvalidTopicName", "InvalidUrl", "InvalidConfiguration"), _NAMES),
    **dict.fromkeys(
        (
            "TopicTerminated",
            "NotAllowedError",
            "OperationNotSupported",
            "UnsupportedVersionError",
            "CryptoError",
        ),
        _NOT_ALLOWED,
    ),
    **dict.fromkeys(
        ("ProducerBlockedQuotaExceededError", "ProducerBlockedQuotaExceededException"), _quota
    ),
    "MessageTooBig": _too_big,
    "ProducerBusy": _busy,
    "ProducerFenced": _fenced,
    **dict.fromkeys(("ProducerQueueIsFull", "MemoryBufferIsFull"), _full),
    **dict.fromkeys(("BrokerPersistenceError", "BrokerMetadataError", "ChecksumError"), _later),
    **dict.fromkeys(
        (
            "Timeout",
            "ConnectError",
            "ReadError",
            "LookupError",
            "NotConnected",
            "AlreadyClosed",
            "ProducerNotInitialized",
            "TooManyLookupRequestException",
            "ServiceUnitNotReady",
            "Interrupted",
            "UnknownError",
        ),
        _lost,
    ),
}
"""What a producer can meet, by the name that the client gives it."""

MAY_BE_A_REFUSAL: Final = frozenset({"Timeout", "ConnectError", "NotConnected", "LookupError"})
"""What the client also says where the broker has refused its login."""


def as_penstock_error(name: str, what: str) -> PenstockError:
    """Returns the penstock error for one of the client's; `what` was being done."""
    return KNOWN.get(name, _lost)(f"Pulsar: {what} failed: {name}.")
