"""Hooks as they are written in a connection, checked field by field."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from penstock.control.history import RunStatus
from penstock.errors import ConfigError

LONGEST_SECONDS: Final = 6 * 3600.0
SECRETS: Final[Mapping[str, Any]] = {
    "properties": {
        "hooks": {
            "items": {
                "properties": {
                    "url": {"airbyte_secret": True},
                    "secret": {"airbyte_secret": True},
                }
            }
        }
    }
}
"""What of a hook is a secret, in the words of a connector's specification."""


class When(StrEnum):
    """After which runs."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ALWAYS = "always"

    def fits(self, status: RunStatus) -> bool:
        """Tells whether a run that ended like this is meant."""
        return self is When.ALWAYS or self.value == status.value


class _Hook(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True
):
    id: str | None = None
    name: str = ""
    when: When = When.SUCCEEDED
    timeout_seconds: float = 600.0


class SqlHook(_Hook, frozen=True, kw_only=True, tag="sql"):
    """Statements on the connection's destination, in one transaction."""

    statements: tuple[str, ...]


class CommandHook(_Hook, frozen=True, kw_only=True, tag="command"):
    """A shell command on the server's machine."""

    command: str


class DbtHook(_Hook, frozen=True, kw_only=True, tag="dbt"):
    """`dbt build` (or another command) of a project on the server's machine."""

    project_dir: str
    command: str = "build"
    profiles_dir: str | None = None
    target: str | None = None
    select: str | None = None


class WebhookHook(_Hook, frozen=True, kw_only=True, tag="webhook"):
    """A POST of what the run did, signed where there is a secret."""

    url: str
    secret: str | None = None


Hook = SqlHook | CommandHook | DbtHook | WebhookHook

_DBT_COMMANDS: Final = ("build", "run", "test", "seed", "snapshot", "compile")


def checked(hooks: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Returns hooks as they are kept, each with an id; raises ConfigError for one that is wrong.

    Places of secrets and masks pass as the texts they stand for.
    """
    kept = []
    for number, each in enumerate(hooks):
        read_hook(_plain(each), number)
        kept.append({"id": each.get("id") or uuid.uuid4().hex, **_without_id(each)})
    ids = [each["id"] for each in kept]
    if len(set(ids)) < len(ids):
        raise ConfigError("Two hooks have the same id.", remedy="Leave the ids out.")
    return tuple(kept)


def read_hook(document: Mapping[str, Any], number: int = 0) -> Hook:
    """Returns a hook, its secrets in place; raises ConfigError naming what is wrong."""
    try:
        hook = msgspec.convert(dict(document), Hook)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"Hook {number + 1} is wrong: {error}.",
            remedy="See docs/how-to/notifications-and-hooks.md for what each type takes.",
        ) from error
    _require(number, 0 < hook.timeout_seconds <= LONGEST_SECONDS, "its timeout is too long")
    match hook:
        case SqlHook(statements=statements):
            _require(number, any(each.strip() for each in statements), "it has no statement")
        case CommandHook(command=command):
            _require(number, command.strip(), "its command is empty")
        case WebhookHook(url=url):
            is_known = url.startswith(("http://", "https://", "${"))
            _require(number, is_known, "its address is none of http or https")
        case DbtHook():
            _require(number, hook.command in _DBT_COMMANDS, f"dbt {hook.command} is not run here")
            words = (hook.project_dir, hook.profiles_dir, hook.target, hook.select)
            is_plain = not any(word.startswith("-") for word in words if word)
            _require(number, is_plain, "a value begins with a dash")
    found: Hook = hook
    return found


def _require(number: int, is_right: object, why: str) -> None:
    if not is_right:
        raise ConfigError(f"Hook {number + 1} is wrong: {why}.", remedy="Correct it.")


def _plain(hook: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a hook with a text in the place of each kept secret, so that its shape is checked."""
    return {
        key: "https://kept.invalid/" if key in ("url", "secret") and _is_kept(value) else value
        for key, value in hook.items()
    }


def _is_kept(value: Any) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, str) and set(value) == {"*"})


def _without_id(hook: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in hook.items() if key != "id"}
