"""The errors of pyiceberg, its catalogues and its storage as penstock's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from pyiceberg import exceptions
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    MissingDriver,
    PenstockError,
    ResourceBusy,
)

_DENIED: Final = (
    exceptions.UnauthorizedError,
    exceptions.ForbiddenError,
    exceptions.OAuthError,
    exceptions.AuthorizationExpiredError,
    exceptions.SignError,
    PermissionError,
)
_MISSING: Final = (
    exceptions.NoSuchTableError,
    exceptions.NoSuchNamespaceError,
    exceptions.NoSuchIdentifierError,
)
_WRONG: Final = (
    exceptions.BadRequestError,
    exceptions.ValidationError,
    exceptions.ResolveError,
    ArgumentError,
    NotImplementedError,
    ValueError,
)
_LOST: Final = (exceptions.RESTError, SQLAlchemyError, OSError)


@contextmanager
def translated(where: str, secrets: Sequence[str] = ()) -> Iterator[None]:
    """Turns what pyiceberg raises about a table or catalogue into errors with a remedy."""
    try:
        yield
    except PenstockError:
        raise
    except (exceptions.CommitFailedException, exceptions.ValidationException) as error:
        raise ResourceBusy(
            f"Others changed {where} meanwhile: {_words(error, secrets)}",
            remedy="Sync again; let one program at a time replace rows of this table.",
        ) from error
    except _DENIED as error:
        raise AccessDenied(
            f"{where} refused the credentials: {_words(error, secrets)}",
            remedy="Correct `credential`, `token` or the storage's keys in `options`.",
        ) from error
    except _MISSING as error:
        raise ConfigError(
            f"{where} is not there: {_words(error, secrets)}", remedy="Sync the stream first."
        ) from error
    except (exceptions.NotInstalledError, ImportError) as error:
        raise MissingDriver(
            f"{where} needs a package that is not installed: {_words(error, secrets)}",
            remedy="Run: pip install 'penstock[iceberg]'",
        ) from error
    except _WRONG as error:
        raise ConfigError(
            f"{where}: {_words(error, secrets)}",
            remedy="Correct `catalog_uri`, `warehouse` or `options`.",
        ) from error
    except _LOST as error:
        raise ConnectionFailed(
            f"{where} could not be read or written: {_words(error, secrets)}",
            remedy="Check the catalogue, the storage and the network, and sync again.",
        ) from error


def _words(error: Exception, secrets: Sequence[str]) -> str:
    """Returns what pyiceberg says, in one line, the secrets masked."""
    said = error.orig if isinstance(error, DBAPIError) else error
    text = " ".join(str(said).split()) or type(error).__name__
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
