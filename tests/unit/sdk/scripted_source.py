"""A source made of scripts: what each stream yields, and where it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from penstock.errors import AccessDenied, ConfigError
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    PropertyPath,
    SyncMode,
)
from penstock.sdk.config import setting
from penstock.sdk.stream import ReadRequest, State, catalog_stream

Script = Sequence[Any]
"""Pages, States, and exceptions (raised where they stand)."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
}


@dataclass(frozen=True, kw_only=True)
class ScriptedStream:
    name: str
    script: Script
    namespace: str | None = None
    json_schema: Mapping[str, Any] = field(default_factory=lambda: SCHEMA)
    primary_key: tuple[PropertyPath, ...] = (("id",),)
    cursor: PropertyPath | None = ("id",)
    modes: tuple[SyncMode, ...] = (SyncMode.FULL_REFRESH, SyncMode.INCREMENTAL)
    is_resumable: bool = True
    asked: list[ReadRequest] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)

    def read(self, request: ReadRequest) -> Iterator[Any]:
        self.asked.append(request)
        try:
            for item in self.script:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.closed.append(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedConfig:
    token: str = setting(secret=True)
    rows: int = setting(default=1, minimum=0)


@dataclass
class ScriptedSource:
    config: ScriptedConfig | None = None

    Config: ClassVar[type[Any]] = ScriptedConfig
    title: ClassVar[str] = "Scripted"
    documentation_url: ClassVar[str] = "https://docs.example.org/scripted"
    made: ClassVar[Sequence[ScriptedStream]] = ()

    def check(self) -> None:
        if self.config is not None and self.config.token == "denied":
            raise AccessDenied("The token is refused.", remedy="Make another.")
        if self.config is not None and self.config.token.startswith("broken"):
            raise RuntimeError(f"cannot use {self.config.token}")

    def streams(self) -> Sequence[ScriptedStream]:
        return self.made


def source_of(*streams: ScriptedStream) -> type[ScriptedSource]:
    return type("Made", (ScriptedSource,), {"made": streams})


def catalog(
    *streams: ScriptedStream, mode: SyncMode = SyncMode.INCREMENTAL, **changes: Any
) -> ConfiguredCatalog:
    return ConfiguredCatalog(
        streams=tuple(
            ConfiguredStream(stream=catalog_stream(stream), sync_mode=mode, **changes)
            for stream in streams
        )
    )


def config_error() -> ConfigError:
    return ConfigError("A setting is wrong.", remedy="Change it.")


Maker = Callable[[], Any]
__all__ = ["SCHEMA", "ScriptedSource", "ScriptedStream", "State", "catalog", "source_of"]
