"""What a source is to the engine: a configuration, a check, and streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

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
