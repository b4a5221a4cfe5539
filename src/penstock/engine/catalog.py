"""What was found becomes what is synced: streams, modes, cursors and keys chosen and checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from penstock.errors import ConfigError, UnknownName
from penstock.protocol.catalog import (
    Catalog,
    CatalogStream,
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    PropertyPath,
    SyncMode,
)

T = TypeVar("T")


class Mode(StrEnum):
    """How a stream is read and written, by the names Airbyte's users know."""

    FULL_REFRESH_OVERWRITE = "full_refresh_overwrite"
    FULL_REFRESH_APPEND = "full_refresh_append"
    FULL_REFRESH_OVERWRITE_DEDUP = "full_refresh_overwrite_dedup"
    FULL_REFRESH_APPEND_DEDUP = "full_refresh_append_dedup"
    INCREMENTAL_APPEND = "incremental_append"
    INCREMENTAL_APPEND_DEDUP = "incremental_append_dedup"

    @property
    def sync_mode(self) -> SyncMode:
        return MODES[self][0]

    @property
    def destination_sync_mode(self) -> DestinationSyncMode:
        return MODES[self][1]

    @property
    def is_dedup(self) -> bool:
        return self.value.endswith("_dedup")


MODES: Mapping[Mode, tuple[SyncMode, DestinationSyncMode]] = {
    Mode.FULL_REFRESH_OVERWRITE: (SyncMode.FULL_REFRESH, DestinationSyncMode.OVERWRITE),
    Mode.FULL_REFRESH_APPEND: (SyncMode.FULL_REFRESH, DestinationSyncMode.APPEND),
    Mode.FULL_REFRESH_OVERWRITE_DEDUP: (
        SyncMode.FULL_REFRESH,
        DestinationSyncMode.OVERWRITE_DEDUP,
    ),
    Mode.FULL_REFRESH_APPEND_DEDUP: (SyncMode.FULL_REFRESH, DestinationSyncMode.APPEND_DEDUP),
    Mode.INCREMENTAL_APPEND: (SyncMode.INCREMENTAL, DestinationSyncMode.APPEND),
    Mode.INCREMENTAL_APPEND_DEDUP: (SyncMode.INCREMENTAL, DestinationSyncMode.APPEND_DEDUP),
}
_ALIASES: Mapping[str, Mode] = {
    # Airbyte API, `ConnectionSyncModeEnum`, and the names its UI shows.
    "incremental_deduped_history": Mode.INCREMENTAL_APPEND_DEDUP,
    "incremental_append_deduped": Mode.INCREMENTAL_APPEND_DEDUP,
    "full_refresh_overwrite_deduped": Mode.FULL_REFRESH_OVERWRITE_DEDUP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a user asked for; everything left out is decided by what the stream supports.

    Streams are named `name` or `namespace.name`; columns by their name, or `outer.inner`.
    """

    streams: tuple[str, ...] | None = None
    """None takes every stream."""
    default_mode: Mode | None = None
    modes: Mapping[str, Mode] = field(default_factory=dict)
    cursors: Mapping[str, str] = field(default_factory=dict)
    primary_keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    destination_modes: frozenset[DestinationSyncMode] | None = None
    """What the destination can do; None does not restrict."""
    refresh_generation: int | None = None
    """Begins every stream anew: rows of an older generation go when the stream has completed."""


def parse_mode(text: str) -> Mode:
    """Returns the mode of that name, Airbyte's own spellings included; else raises UnknownName."""
    name = text.strip().lower().replace("-", "_").replace(" ", "_").replace("_+_", "_")
    if name in _ALIASES:
        return _ALIASES[name]
    try:
        return Mode(name)
    except ValueError as error:
        raise UnknownName(
            f'There is no sync mode "{text}".',
            remedy=nearest(name, [mode.value for mode in Mode]),
            mode=text,
        ) from error


def configure(catalog: Catalog, choices: Choices) -> ConfiguredCatalog:
    """Returns the configured catalogue of the chosen streams, in the source's order.

    Raises one error with every problem: UnknownName when all are names that do not exist,
    else ConfigError.
    """
    problems = _Problems()
    known = _Names(catalog)
    for option, names in (
        ("", choices.streams or ()),
        (" (given with a mode)", choices.modes),
        (" (given with a cursor)", choices.cursors),
        (" (given with a primary key)", choices.primary_keys),
    ):
        known.check(option, names, problems)
    if not catalog.streams:
        problems.add(
            "The source has no streams.",
            remedy="Look at its settings with `penstock discover`; some list what to read.",
        )
    chosen = _chosen(catalog, choices, known)
    problems.raise_any()
    if not chosen:
        problems.add("No stream was chosen.", remedy="Name at least one, or leave the choice out.")
    configured = [_configured(stream, choices, known, problems) for stream in chosen]
    problems.raise_any()
    return ConfiguredCatalog(streams=tuple(configured))


def find_stream(catalog: Catalog, name: str) -> CatalogStream:
    """Returns the stream named `name` or `namespace.name`; raises UnknownName or ConfigError."""
    problems, known = _Problems(), _Names(catalog)
    known.check("", [name], problems)
    problems.raise_any()
    found = known.find(name)
    if found is None:
        raise UnknownName(f'There is no stream "{name}".', remedy="The source has no streams.")
    return found


def best_mode(
    stream: CatalogStream,
    *,
    has_key: bool,
    has_cursor: bool,
    destination_modes: frozenset[DestinationSyncMode] | None = None,
) -> Mode:
    """Returns what Airbyte's platform would preselect, as far as the destination can do it."""
    candidates: list[Mode] = []
    if SyncMode.INCREMENTAL in stream.supported_sync_modes and has_cursor:
        if has_key:
            candidates.append(Mode.INCREMENTAL_APPEND_DEDUP)
        candidates.append(Mode.INCREMENTAL_APPEND)
    if SyncMode.FULL_REFRESH in stream.supported_sync_modes:
        candidates += [Mode.FULL_REFRESH_OVERWRITE, Mode.FULL_REFRESH_APPEND]
    for mode in candidates:
        if destination_modes is None or mode.destination_sync_mode in destination_modes:
            return mode
    return candidates[0] if candidates else Mode.FULL_REFRESH_OVERWRITE


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a remedy that offers the nearest known names, or all when none is near."""
    names = list(known)
    folded = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), list(folded), n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(folded[each] for each in near)}?"
    if not names:
        return "There are none to choose from."
    shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"Choose from: {shown}."


class _Problems:
    """Gathers every problem, so that one message can tell them all."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str, type[ConfigError]]] = []

    def add(self, message: str, *, remedy: str, kind: type[ConfigError] = ConfigError) -> None:
        self._found.append((message, remedy, kind))

    def raise_any(self) -> None:
        if not self._found:
            return
        kinds = {kind for _, _, kind in self._found}
        kind = kinds.pop() if len(kinds) == 1 else ConfigError
        if len(self._found) == 1:
            message, remedy, _ = self._found[0]
            raise kind(message, remedy=remedy)
        lines = [f"  {message} {remedy}" for message, remedy, _ in self._found]
        raise kind(
            f"{len(self._found)} things about the chosen streams are wrong:\n" + "\n".join(lines),
            remedy="",
        )


class _Names:
    """Finds streams by `name` or `namespace.name`; a bare name that fits two is refused."""

    def __init__(self, catalog: Catalog) -> None:
        self._by_name: dict[str, list[CatalogStream]] = {}
        for stream in catalog.streams:
            for name in {stream.name, str(stream.descriptor)}:
                self._by_name.setdefault(name, []).append(stream)
        self._all = [str(stream.descriptor) for stream in catalog.streams]

    def check(self, option: str, names: Iterable[str], problems: _Problems) -> None:
        for name in names:
            found = self._by_name.get(name, [])
            if not found and self._all:
                problems.add(
                    f'There is no stream "{name}"{option}.',
                    remedy=nearest(name, self._all),
                    kind=UnknownName,
                )
            elif len(found) > 1:
                full = " or ".join(str(stream.descriptor) for stream in found)
                problems.add(
                    f'"{name}"{option} fits {len(found)} streams.',
                    remedy=f"Write {full}.",
                )

    def find(self, name: str) -> CatalogStream | None:
        return next(iter(self._by_name.get(name, [])), None)

    def pick(self, given: Mapping[str, T], stream: CatalogStream) -> T | None:
        """Returns what was given for a stream, under its full name or its bare one."""
        full = str(stream.descriptor)
        return given[full] if full in given else given.get(stream.name)


def _chosen(catalog: Catalog, choices: Choices, known: _Names) -> Sequence[CatalogStream]:
    if choices.streams is None:
        return catalog.streams
    wanted = {
        stream.descriptor for name in choices.streams if (stream := known.find(name)) is not None
    }
    return [stream for stream in catalog.streams if stream.descriptor in wanted]


def _configured(
    stream: CatalogStream, choices: Choices, known: _Names, problems: _Problems
) -> ConfiguredStream:
    cursor = _cursor(stream, known.pick(choices.cursors, stream), problems)
    key = _primary_key(stream, known.pick(choices.primary_keys, stream), problems)
    mode = known.pick(choices.modes, stream) or choices.default_mode
    if mode is None:
        mode = best_mode(
            stream,
            has_key=bool(key) and all(len(path) == 1 for path in key),
            has_cursor=bool(cursor or stream.source_defined_cursor),
            destination_modes=choices.destination_modes,
        )
    configured = ConfiguredStream(
        stream=stream,
        sync_mode=mode.sync_mode,
        destination_sync_mode=mode.destination_sync_mode,
        cursor_field=cursor,
        primary_key=key or None,
        generation_id=choices.refresh_generation,
        minimum_generation_id=choices.refresh_generation,
    )
    _check_mode(configured, mode, choices.destination_modes, problems)
    return configured


def _check_mode(
    configured: ConfiguredStream,
    mode: Mode,
    can: frozenset[DestinationSyncMode] | None,
    problems: _Problems,
) -> None:
    stream = configured.stream
    name = str(stream.descriptor)
    has_cursor = configured.effective_cursor() is not None or stream.source_defined_cursor
    if mode.sync_mode not in stream.supported_sync_modes:
        supported = [each.value for each in Mode if each.sync_mode in stream.supported_sync_modes]
        problems.add(
            f'Stream "{name}" cannot be read as {mode.sync_mode} ({mode}).',
            remedy=f"It supports: {', '.join(supported)}.",
        )
    elif mode.sync_mode is SyncMode.INCREMENTAL and not has_cursor:
        problems.add(
            f'Stream "{name}" needs a cursor to be read incrementally, and defines none.',
            remedy=f"Choose a column that grows with every change: --cursor {name}=COLUMN.",
        )
    if mode.is_dedup and not configured.effective_primary_key():
        problems.add(
            f'Stream "{name}" needs a primary key for {mode}, and defines none.',
            remedy=f"Choose the columns that identify a row: --primary-key {name}=COLUMN.",
        )
    if can is not None and mode.destination_sync_mode not in can:
        offered = [each.value for each in Mode if each.destination_sync_mode in can]
        problems.add(
            f'The destination cannot write stream "{name}" as {mode.destination_sync_mode}.',
            remedy=f"It supports: {', '.join(offered)}.",
        )


def _cursor(stream: CatalogStream, text: str | None, problems: _Problems) -> PropertyPath | None:
    if text is None:
        return stream.default_cursor_field or None
    path = _column(stream, text, "cursor", problems)
    if stream.source_defined_cursor and stream.default_cursor_field not in (None, path):
        _refuse_override(stream, "cursor", [stream.default_cursor_field or ()], problems)
    return path


def _primary_key(
    stream: CatalogStream, texts: tuple[str, ...] | None, problems: _Problems
) -> tuple[PropertyPath, ...]:
    defined = stream.source_defined_primary_key or ()
    if texts is None:
        return defined
    key = tuple(_column(stream, text, "primary key", problems) for text in texts)
    if defined and set(key) != set(defined):
        _refuse_override(stream, "primary key", defined, problems)
    return key


def _refuse_override(
    stream: CatalogStream, what: str, defined: Sequence[PropertyPath], problems: _Problems
) -> None:
    columns = ", ".join(".".join(path) for path in defined)
    problems.add(
        f'The source itself defines the {what} of stream "{stream.descriptor}": {columns}.',
        remedy="Leave it out; another would be ignored by the source.",
    )


def _column(stream: CatalogStream, text: str, what: str, problems: _Problems) -> PropertyPath:
    """Returns the path of a column: its whole name where there is one, else split at dots."""
    properties = stream.json_schema.get("properties")
    if not isinstance(properties, Mapping) or not properties or text in properties:
        return (text,)
    path = tuple(text.split("."))
    if path[0] not in properties:
        problems.add(
            f'Stream "{stream.descriptor}" has no column "{text}" (its {what}).',
            remedy=nearest(text, properties),
            kind=UnknownName,
        )
    return path
