"""Every error penstock raises on purpose: message, remedy, code, and whether to try again."""

from __future__ import annotations

from typing import Any, ClassVar


class PenstockError(Exception):
    """Tells what happened to which thing, and what to do next.

    `message` is what happened; `remedy` the next command or setting; `context` names the
    things involved (stream, path, connector). Secrets must be masked by whoever raises.
    """

    code: ClassVar[str] = "penstock_error"
    failure_type: ClassVar[str] = "system_error"
    """Airbyte protocol `failure_type`: config_error, transient_error or system_error."""
    exit_status: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.context = {key: value for key, value in context.items() if value is not None}

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message

    def as_document(self) -> dict[str, Any]:
        """Returns the error as plain JSON values: code, message, remedy, context."""
        return {
            "code": self.code,
            "failure_type": self.failure_type,
            "message": self.message,
            "remedy": self.remedy,
            "context": {key: str(value) for key, value in self.context.items()},
        }


class ConfigError(PenstockError):
    """A setting is missing or wrong; the same call fails until it is changed."""

    code = "config"
    failure_type = "config_error"
    exit_status = 2


class StateOutdated(ConfigError):
    """What a state says was read is no longer so at the source, which has to be read anew.

    Raised before any row. A full refresh is then read anew by itself.
    """

    code = "state_outdated"


class UnknownName(ConfigError):
    """No connector, stream or column has this name; the remedy offers the nearest ones."""

    code = "unknown_name"


class MissingDriver(ConfigError):
    """An optional package is not installed; the remedy is its `pip install` line."""

    code = "missing_driver"


class AccessDenied(ConfigError):
    """The other side refused the credentials or the permission."""

    code = "access_denied"
    exit_status = 3


class TransientError(PenstockError):
    """The same call may succeed later; `wait_seconds` is what the other side asked for, if any."""

    code = "transient"
    failure_type = "transient_error"
    exit_status = 4
    retryable = True

    def __init__(
        self, message: str, *, remedy: str, wait_seconds: float | None = None, **context: Any
    ) -> None:
        super().__init__(message, remedy=remedy, **context)
        self.wait_seconds = wait_seconds


class ConnectionFailed(TransientError):
    """The host, file or process could not be reached, or went away."""

    code = "connection_failed"


class ResourceBusy(TransientError):
    """Somebody else holds the thing: a locked database file, a running sync."""

    code = "resource_busy"


class Superseded(PenstockError):
    """A newer attempt has taken over; whatever this one still writes does not count."""

    code = "superseded"


class ResourceExhausted(PenstockError):
    """Disk, memory or a quota is full; freeing some and repeating the sync continues it."""

    code = "resource_exhausted"
    exit_status = 5


class DataError(PenstockError):
    """A record or file cannot be read as what it claims to be."""

    code = "data"
    exit_status = 6


class ProtocolError(PenstockError):
    """The other side broke the Airbyte protocol or a destination's contract."""

    code = "protocol"
    exit_status = 7


class ConnectorFailed(PenstockError):
    """A connector ended in an error of its own; the message carries its own words."""

    code = "connector_failed"
    exit_status = 8


class ProofFailed(PenstockError):
    """Rows read, sent, committed or claimed by the source do not agree: the sync has failed."""

    code = "proof_failed"
    exit_status = 9
    retryable = True


class Cancelled(PenstockError):
    """The sync was asked to stop; what was committed stays, and the next sync continues there."""

    code = "cancelled"
    exit_status = 130
    retryable = True


class BugError(PenstockError):
    """Penstock contradicts itself; please report it with the context."""

    code = "bug"
    exit_status = 70
