"""One sync of a REST stream into DuckDB, as `penstock run` does it; prints the last event."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from penstock.data.types import columns_of
from penstock.engine.events import encode_event
from penstock.engine.home import data_home
from penstock.engine.run import run
from penstock.engine.runners.in_process import InProcessRunner
from penstock.engine.settings import ConnectorRef, RunSpec
from penstock.protocol.catalog import ConfiguredCatalog, ConfiguredStream, DestinationSyncMode
from penstock.sdk.rest import PageNumber, RestClient, RestStream
from penstock.sdk.stream import catalog_stream

gc.set_threshold(50_000)  # as `penstock.cli.main` does
url, database, facts, way = sys.argv[1:]
schema = msgspec.json.decode(Path(facts).read_bytes())["json_schema"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesConfig:
    """Nothing to set."""


class PagesSource:
    """The one stream of the server."""

    Config: ClassVar[type[PagesConfig]] = PagesConfig
    title: ClassVar[str] = "Pages"
    documentation_url: ClassVar[str] = "https://example.org"

    def __init__(self, _config: PagesConfig) -> None:
        self._stream = RestStream(
            client=RestClient(url),
            name="users",
            path="users",
            records="items",
            key=("id",),
            columns={column.name: column.kind for column in columns_of(schema)},
            paginate=PageNumber(),
            transform=(lambda row: row) if way == "values" else None,
        )

    def check(self) -> None:
        """Needs nothing."""

    def streams(self) -> Sequence[RestStream]:
        """Returns the stream."""
        return (self._stream,)


runner = InProcessRunner("pages", PagesSource)
(stream,) = PagesSource(PagesConfig()).streams()
configured = ConfiguredStream(
    stream=catalog_stream(stream), destination_sync_mode=DestinationSyncMode.OVERWRITE
)
spec = RunSpec(
    connection="bench",
    source=ConnectorRef(name="pages"),
    destination=ConnectorRef(name="duckdb", config={"path": database}),
    catalog=ConfiguredCatalog(streams=(configured,)),
)
*_, last = run(spec, data_dir=data_home(), runner=runner)
print(encode_event(last).decode())
