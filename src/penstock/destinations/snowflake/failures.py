"""The driver's errors as penstock's, each with what to do about it.

Error numbers: docs.snowflake.com ("SQL error codes", "Common connection errors") and the driver's
own `errorcode.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from snowflake.connector import errors

from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError

Translate = Callable[[], AbstractContextManager[None]]
"""Raises every error of the driver within it as one of penstock's, without secrets."""

_REMEDY_CREDENTIALS: Final = "Correct `username` and `password` or `private_key`."
_REMEDY_KEY: Final = (
    "Give the private key whose public key the user has: ALTER USER … SET RSA_PUBLIC_KEY = '…';"
    " DESC USER … shows its fingerprint."
)
_REMEDY_ROLE: Final = "Set `role` to one that is granted to the user: SHOW GRANTS TO USER …"
_REMEDY_GRANT: Final = (
    "Grant the role what it lacks: USAGE on the warehouse and the database, CREATE SCHEMA on the"
    " database, and CREATE TABLE and CREATE STAGE on the schema."
)
_DENIALS: Final[Mapping[int, str]] = {
    **dict.fromkeys((390100, 390101, 390102, 390110), _REMEDY_CREDENTIALS),
    **dict.fromkeys((251008, 390144, *range(394300, 394307)), _REMEDY_KEY),
    **dict.fromkeys((390186, 390189, 390201), _REMEDY_ROLE),
    **dict.fromkeys((3001, 3003, 3540), _REMEDY_GRANT),
}
_REMEDY_WAREHOUSE: Final = (
    "Set `warehouse` to one that the role may use (SHOW WAREHOUSES), or give the user a default:"
    " ALTER USER … SET DEFAULT_WAREHOUSE = …"
)
_REMEDY_DATABASE: Final = "Set `database` to one that the role may use: SHOW DATABASES."
_REMEDY_NOT_THERE: Final = (
    "Set `database`, `schema` and `warehouse` to what is there, written as Snowflake shows them"
    " (SHOW DATABASES), or grant the role USAGE: what it may not use is not there for it."
)
_REMEDY_ACCOUNT: Final = (
    "Set `account` to organisation and account (myorg-account123), as in its web page's address."
)
_SETTINGS: Final[Mapping[int, tuple[str, str]]] = {
    **dict.fromkeys((606, 90073), ("warehouse", _REMEDY_WAREHOUSE)),
    **dict.fromkeys((90105, 90106), ("database", _REMEDY_DATABASE)),
    **dict.fromkeys((2003, 2043), ("database", _REMEDY_NOT_THERE)),
    290404: ("account", _REMEDY_ACCOUNT),
}
"""What an error number says is wrong, and what to do."""
_LOST: Final = frozenset({390104, 390111, 390112, 390114, 390195})
"""The session is over: a new one may go on."""


def translating(secrets: Sequence[str]) -> Translate:
    """Returns the border between the driver and us; it masks these secrets in messages."""

    @contextmanager
    def translated() -> Iterator[None]:
        try:
            yield
        except errors.Error as error:
            raise as_penstock_error(error, secrets) from error

    return translated


def as_penstock_error(error: errors.Error, secrets: Sequence[str] = ()) -> PenstockError:
    """Returns the penstock error that says what to do about one of the driver's."""
    message = f"Snowflake: {_words(error, secrets)}"
    number = error.errno or 0
    if number in _DENIALS or isinstance(error, errors.ForbiddenError):
        return AccessDenied(message, remedy=_DENIALS.get(number, _REMEDY_CREDENTIALS))
    if number in _SETTINGS:
        field, remedy = _SETTINGS[number]
        return ConfigError(message, remedy=remedy, field=field)
    is_of_sql = errors.ProgrammingError | errors.NotSupportedError | errors.DataError
    if isinstance(error, is_of_sql) and number not in _LOST:
        return ConfigError(message, remedy="Correct the SQL, or the setting that it names.")
    return ConnectionFailed(
        message,
        remedy="Check `account` (organisation-account, as in the address of its web page) and the"
        " network; then run the sync again: it continues after the last commit.",
    )


def _words(error: errors.Error, secrets: Sequence[str]) -> str:
    """Returns what the driver says, in one line, the secrets masked."""
    text = str(error.msg or error).strip().split("\n\n", 1)[0].replace("\n", " ")
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
