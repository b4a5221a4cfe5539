"""What a source is to the engine: a configuration, a check, and streams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from penstock.sdk.stream import Stream


class Source(Protocol):
    """A source connector. Made by `SourceClass(config)`; nothing has to be inherited."""

    Config: ClassVar[type[Any]]
    """A frozen dataclass; `penstock.sdk.config` derives spec, form, flags and docs from it."""
    title: ClassVar[str]
    """The product's name as its vendor writes it: "Google Analytics 4"."""
    documentation_url: ClassVar[str]

    def __init__(self, config: Any) -> None: ...

    def check(self) -> None:
        """Proves that the configuration can read data, with the cheapest real request.

        Raises ConfigError naming the field that is wrong, AccessDenied, or ConnectionFailed.
        """
        ...

    def streams(self) -> Sequence[Stream]:
        """Returns every stream these credentials can read; may ask the other side."""
        ...


KeepChanges = Callable[[Mapping[str, Any]], None]
"""Takes the settings that changed, by name (nested ones in a mapping of their own): all others
stay. Returns once they are safe; any thread may call it."""


@runtime_checkable
class ChangesConfig(Protocol):
    """Optional power of a source: its settings change while it works.

    A refresh token that is good only once is such a setting: the API gives another in exchange,
    and who does not keep it cannot log in again.
    """

    def keep_changes_with(self, keep: KeepChanges) -> None:
        """Takes what to call with changed settings; called once, before the source is asked.

        Call it with `{"credentials": {"refresh_token": new}}` before the new token is used: the
        engine has it on disk when the call returns, a program has it written as a CONTROL message
        (Airbyte protocol v0.x, "Control"). It serves check, discover and read alike.
        """
        ...
