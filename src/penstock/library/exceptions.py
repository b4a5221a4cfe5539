"""PyAirbyte's error names on penstock's error tree, so that old `except` clauses still catch.

An error that the engine raises as, say, AccessDenied leaves the library as both AccessDenied and
the name PyAirbyte has for the step that failed (AirbyteConnectorCheckFailedError): either catches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from penstock.errors import (
    BugError,
    ConfigError,
    ConnectorFailed,
    DataError,
    PenstockError,
    TransientError,
    UnknownName,
)

__all__ = [
    "AirbyteConnectorCheckFailedError",
    "AirbyteConnectorConfigurationMissingError",
    "AirbyteConnectorDiscoverFailedError",
    "AirbyteConnectorError",
    "AirbyteConnectorExecutableNotFoundError",
    "AirbyteConnectorFailedError",
    "AirbyteConnectorInstallationError",
    "AirbyteConnectorMissingCatalogError",
    "AirbyteConnectorMissingSpecError",
    "AirbyteConnectorNotPyPiPublishedError",
    "AirbyteConnectorNotRegisteredError",
    "AirbyteConnectorReadError",
    "AirbyteConnectorRegistryError",
    "AirbyteConnectorSpecFailedError",
    "AirbyteConnectorValidationFailedError",
    "AirbyteConnectorWriteError",
    "AirbyteExperimentalFeatureWarning",
    "AirbyteNoDataFromConnectorError",
    "AirbyteStateNotFoundError",
    "AirbyteStreamNotFoundError",
    "AirbyteSubprocessError",
    "AirbyteSubprocessFailedError",
    "PyAirbyteCacheError",
    "PyAirbyteCacheTableValidationError",
    "PyAirbyteDataLossWarning",
    "PyAirbyteError",
    "PyAirbyteInputError",
    "PyAirbyteInternalError",
    "PyAirbyteNameNormalizationError",
    "PyAirbyteNoStreamsSelectedError",
    "PyAirbyteSecretNotFoundError",
    "PyAirbyteWarning",
]


class PyAirbyteError(PenstockError):
    """Any error of the library; `guidance` is penstock's `remedy` under its old name."""

    def __init__(
        self,
        message: str | None = None,
        *,
        remedy: str = "",
        log_text: str | None = None,
        help_url: str | None = None,
        **context: Any,
    ) -> None:
        super().__init__(message or _first_line(type(self)), remedy=remedy, **context)
        self.log_text = log_text
        self.help_url = help_url

    @property
    def guidance(self) -> str | None:
        """What to do next; None when there is nothing to say."""
        return self.remedy or None

    @property
    def original_exception(self) -> BaseException | None:
        """The error underneath, if there is one."""
        return self.__cause__

    def get_message(self) -> str:
        """Returns what happened, without the guidance."""
        return self.message

    def safe_logging_dict(self) -> dict[str, Any]:
        """Returns class, message and context as plain values; secrets were masked when raised."""
        return {"class": type(self).__name__, **self.as_document()}


class PyAirbyteInternalError(PyAirbyteError, BugError):
    """Penstock contradicts itself."""


class PyAirbyteInputError(PyAirbyteError, ConfigError, ValueError):
    """An argument is wrong, or contradicts another."""


class PyAirbyteNoStreamsSelectedError(PyAirbyteInputError):
    """No streams were selected."""


class PyAirbyteNameNormalizationError(PyAirbyteError, ConfigError, ValueError):
    """A name holds nothing that a table or column could be called."""


class PyAirbyteSecretNotFoundError(PyAirbyteError, ConfigError):
    """No secret of this name was found."""


class PyAirbyteCacheError(PyAirbyteError):
    """A cache cannot be used as asked."""


class PyAirbyteCacheTableValidationError(PyAirbyteCacheError, DataError):
    """A table of a cache is not what the stream needs."""


class AirbyteConnectorConfigurationMissingError(PyAirbyteCacheError, ConfigError):
    """The connector has no configuration yet."""


class AirbyteSubprocessError(PyAirbyteError):
    """A connector's process went wrong."""


class AirbyteSubprocessFailedError(AirbyteSubprocessError, ConnectorFailed):
    """A connector's process ended in an error."""


class AirbyteConnectorRegistryError(PyAirbyteError):
    """The list of connectors cannot be had, or does not have the connector."""


class AirbyteConnectorNotRegisteredError(AirbyteConnectorRegistryError, UnknownName):
    """No connector has this name."""


class AirbyteConnectorNotPyPiPublishedError(AirbyteConnectorRegistryError, ConfigError):
    """The connector is not published as a Python package."""


class AirbyteConnectorError(PyAirbyteError):
    """A connector failed."""

    @property
    def connector_name(self) -> str | None:
        """Which connector it was."""
        name = self.context.get("connector")
        return None if name is None else str(name)


class AirbyteConnectorExecutableNotFoundError(AirbyteConnectorError):
    """The connector's program does not exist."""


class AirbyteConnectorInstallationError(AirbyteConnectorError):
    """The connector is not installed, or cannot be."""


class AirbyteConnectorReadError(AirbyteConnectorError):
    """Reading from the connector failed."""


class AirbyteConnectorWriteError(AirbyteConnectorError):
    """Writing to the connector failed."""


class AirbyteConnectorSpecFailedError(AirbyteConnectorError):
    """The connector gave no specification."""


class AirbyteConnectorDiscoverFailedError(AirbyteConnectorError):
    """The connector could not say which streams it has."""


class AirbyteConnectorMissingCatalogError(AirbyteConnectorDiscoverFailedError):
    """The connector gave no catalogue."""


class AirbyteConnectorMissingSpecError(AirbyteConnectorSpecFailedError):
    """The connector's specification is missing."""


class AirbyteConnectorValidationFailedError(AirbyteConnectorError, ConfigError):
    """The configuration does not fit the connector's specification."""


class AirbyteConnectorCheckFailedError(AirbyteConnectorError):
    """The connector does not accept the configuration."""


class AirbyteConnectorFailedError(AirbyteConnectorError):
    """The connector ended in an error."""

    @property
    def exit_code(self) -> int | None:
        """The status its process ended with."""
        code = self.context.get("exit_code")
        return code if isinstance(code, int) else None


class AirbyteNoDataFromConnectorError(AirbyteConnectorError):
    """The connector gave nothing."""


class AirbyteStreamNotFoundError(AirbyteConnectorError, UnknownName):
    """The source has no stream of this name."""


class AirbyteStateNotFoundError(AirbyteConnectorError, KeyError):
    """No state is stored for the stream."""

    __str__ = PenstockError.__str__


class PyAirbyteWarning(Warning):
    """Something to look at, in the library."""


class PyAirbyteDataLossWarning(PyAirbyteWarning):
    """Rows may go that another source wrote."""


class AirbyteExperimentalFeatureWarning(FutureWarning):
    """Exists so that old filters still import; penstock issues none."""


def _first_line(kind: type[Exception]) -> str:
    return (kind.__doc__ or kind.__name__).strip().split("\n", 1)[0]


def _both(named: type[PyAirbyteError], kind: type[PenstockError]) -> type[PyAirbyteError]:
    doc = {"__doc__": named.__doc__, "__module__": named.__module__}
    return type(named.__name__, (named, kind), doc)


def as_named(error: PenstockError, named: type[PyAirbyteError]) -> PyAirbyteError:
    """Returns the same error under PyAirbyte's name for it, and still of its own class."""
    if isinstance(error, named):
        return error
    own = type(error)
    kind = named if issubclass(named, own) or isinstance(error, PyAirbyteError) else None
    renamed = (kind or _both(named, own))(
        error.message,
        remedy=error.remedy,
        log_text=error.context.get("stderr") or error.context.get("stack_trace"),
        **error.context,
    )
    if isinstance(error, TransientError) and isinstance(renamed, TransientError):
        renamed.wait_seconds = error.wait_seconds
    return renamed


@contextmanager
def named(kind: type[PyAirbyteError], **context: Any) -> Iterator[None]:
    """Gives every penstock error raised inside PyAirbyte's name for the step that failed."""
    try:
        yield
    except PyAirbyteError:
        raise
    except PenstockError as error:
        error.context = {**context, **error.context}
        raise as_named(error, kind) from error


def error_from_document(
    document: dict[str, Any], kind: type[PyAirbyteError], **context: Any
) -> PyAirbyteError:
    """Returns the error a receipt holds, of the class its code names and of PyAirbyte's."""
    own = _class_of(document.get("code", ""))
    error = own(
        str(document.get("message", "")),
        remedy=str(document.get("remedy", "")),
        **{**context, **document.get("context", {})},
    )
    return as_named(error, kind)


def _class_of(code: str) -> Callable[..., PenstockError]:
    for kind in _all_kinds(PenstockError):
        if kind.__dict__.get("code") == code and not issubclass(kind, PyAirbyteError):
            return kind
    return PenstockError


def _all_kinds(root: type[PenstockError]) -> Iterator[type[PenstockError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _all_kinds(kind)
