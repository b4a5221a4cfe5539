"""What a user can set about one sync, and the document that asks for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from penstock.engine.shaping.documents import StreamShape
from penstock.protocol.catalog import CatalogStream, ConfiguredCatalog
from penstock.protocol.state import State


class ConnectorRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which connector, how to get it, and its configuration.

    With no install method given, a native connector wins over one from PyPI.
    """

    name: str
    config: dict[str, Any] = {}
    """May hold `${env:X}` and `${file:P}` references; they are resolved only where it runs."""
    version: str | None = None
    pip_url: str | None = None
    """A pip requirement, path or URL installed instead of `airbyte-<name>`."""
    python: str | None = None
    """Version or path of the Python for the connector's venv: "3.11"."""
    executable: str | None = None
    manifest: str | None = None
    """Path, URL or YAML text of a low-code manifest."""
    image: str | None = None
    network: str | None = None
    """The container's network: "host" lets it reach servers on this machine."""


class SyncSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Limits and choices of one sync."""

    normalisation: str = "typed"
    """`typed` (a column a property) or `raw` (one JSON column)."""
    namespace: str | None = None
    """Schema in the destination; None: the stream's namespace, else the destination's default.

    Empty: always the destination's default. `${SOURCE_NAMESPACE}` in it is the stream's namespace.
    """
    prefix: str = ""
    """Put before every table name."""
    commit_bytes: int = 256 << 20
    commit_seconds: float = 60.0
    buffer_bytes: int = 32 << 20
    install_root: str | None = None
    """Where connector venvs are kept; None uses the user's cache folder."""


class Job(StrEnum):
    """What a run does with its streams."""

    SYNC = "sync"
    CLEAR = "clear"
    """Empties their tables and forgets their states; the source is not asked."""


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sync, as a document: everything the data plane needs, and nothing it could look up."""

    connection: str
    """Identity of the sync over time: its states are kept under this name."""
    source: ConnectorRef
    destination: ConnectorRef
    catalog: ConfiguredCatalog
    settings: SyncSettings = msgspec.field(default_factory=SyncSettings)
    shapes: tuple[StreamShape, ...] = ()
    """Streams whose table, fields or rows are changed on the way."""
    run_id: str = ""
    job: Job = Job.SYNC
    states: tuple[State, ...] | None = None
    """Overrides what is stored; None continues from the last committed state."""
    fence: int = 0
    keeps_config: bool = True
    """False when whoever asked keeps what ConfigChanged tells; then no file does."""


class Question(StrEnum):
    """What can be asked of a connector besides reading it."""

    SPEC = "spec"
    CHECK = "check"
    DISCOVER = "discover"
    PREVIEW = "preview"
    """The first rows of a source's stream, as they would land."""
    TABLES = "tables"
    """How many rows tables of a destination hold, and how new the newest is."""
    ROWS = "rows"
    """The first rows of a destination's table."""
    QUERY = "query"
    """Rows of one SELECT of somebody who may only look."""
    EXECUTE = "execute"
    """SQL that changes something, in one transaction."""
    MANIFEST = "manifest"
    """What settings a source's manifest asks for, and the names of its streams."""
    TRIAL = "trial"
    """What reading one stream of a manifest asks for and gets, page by page."""


class TableRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A table of a destination, by its normalised names."""

    name: str
    namespace: str | None = None
    """Its schema; None: the destination's default."""


class ProbeSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One question to one connector, as a document."""

    probe: Question
    source: ConnectorRef | None = None
    destination: ConnectorRef | None = None
    """Exactly one of the two is given."""
    stream: CatalogStream | None = None
    """PREVIEW: the stream as the source has described it; TRIAL: its name is enough."""
    shape: StreamShape | None = None
    """PREVIEW: what happens to its rows on the way."""
    tables: tuple[TableRef, ...] = ()
    """TABLES, and ROWS for one."""
    statements: tuple[str, ...] = ()
    """EXECUTE, and QUERY for one."""
    limit: int = 100
    """Rows at most."""
    pages: int = 5
    """TRIAL: of each slice, at most."""
    slices: int = 5
    """TRIAL: at most."""
    seconds: float = 30.0
    """QUERY is stopped after these."""
    install_root: str | None = None
