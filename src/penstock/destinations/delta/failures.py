"""The errors of delta-rs as penstock's, each with what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deltalake.exceptions import (
    CommitFailedError,
    DeltaError,
    DeltaProtocolError,
    TableNotFoundError,
)

from penstock.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    PenstockError,
    ResourceBusy,
    ResourceExhausted,
)

_DENIALS: Final = ("403", "forbidden", "accessdenied", "permission denied", "unauthorized", "401")
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_FULL: Final = ("no space left", "disk quota")


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turns what delta-rs raises about a table into errors with a remedy."""
    try:
        yield
    except PenstockError:
        raise
    except CommitFailedError as error:
        raise ResourceBusy(
            f"Others changed {where} meanwhile: {_words(error)}",
            remedy="Sync again; let one program at a time replace rows of this table.",
        ) from error
    except TableNotFoundError as error:
        raise ConfigError(
            f"There is no Delta table {where}.", remedy="Sync the stream first."
        ) from error
    except DeltaProtocolError as error:
        raise ConfigError(
            f"{where} uses a feature of Delta Lake that is not supported: {_words(error)}",
            remedy="Drop the feature from the table, or write into another `path`.",
        ) from error
    except (DeltaError, OSError) as error:
        raise _of_words(where, error) from error


def _of_words(where: str, error: Exception) -> PenstockError:
    words = _words(error)
    small = words.lower()
    if any(word in small for word in _DENIALS):
        return AccessDenied(
            f"{where} refused the credentials, or may not be written: {words}",
            remedy="Set storage_options, or grant the right to list, read, write and delete there.",
        )
    if any(word in small for word in _FULL):
        return ResourceExhausted(
            f"The disk of {where} is full.",
            remedy="Free some space and sync again; it continues after the last commit.",
        )
    return ConnectionFailed(
        f"{where} could not be read or written: {words}",
        remedy="Check `path`, storage_options and the network, and sync again.",
    )


def _words(error: Exception) -> str:
    """Returns what delta-rs says, in one line and without colours."""
    return " ".join(_COLOUR.sub("", str(error)).split())
