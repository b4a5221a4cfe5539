"""The MCP server: the desk's answers as tools, every text masked, and progress of a sync."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, ParamSpec

from penstock.data.plain import plain
from penstock.engine.events import Event, StreamProgress
from penstock.errors import BugError, MissingDriver, PenstockError
from penstock.library.mcp.answers import mapped
from penstock.library.mcp.desk import PREVIEW_ROWS, QUERY_ROWS, Desk
from penstock.library.mcp.offers import Shelf
from penstock.library.progress import Quiet
from penstock.version import __version__

try:
    import anyio.from_thread
    import anyio.to_thread
    from mcp.server.mcpserver import Context, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp_types import ToolAnnotations
    from pydantic import Field
except ImportError as error:
    raise MissingDriver(
        "The MCP server needs a package that is not installed.",
        remedy="pip install 'penstock[mcp]'",
    ) from error

_log = logging.getLogger(__name__)
_P = ParamSpec("_P")

_INSTRUCTIONS: Final = """\
penstock reads data sources and keeps their rows in caches (databases). Ask `list_sources` and \
`list_caches` first: only those can be read. `preview_rows` reads from the source itself; \
`run_sql` asks a cache, in its own dialect of SQL. `****` stands for a secret. Integers beyond \
2^53, decimals and instants (UTC) are texts, so that no digit is lost."""

Name = Annotated[str, Field(description="As list_sources gives it.")]
CacheName = Annotated[str, Field(description="As list_caches gives it.")]
StreamName = Annotated[str, Field(description="As list_streams gives it.")]


def make_server(shelf: Shelf, *, may_write: bool, query_seconds: float = 30.0) -> MCPServer[Any]:
    """Returns the server; what writes is a tool only where `may_write` says so."""
    server: MCPServer[Any] = MCPServer(
        "penstock",
        title="penstock",
        instructions=_INSTRUCTIONS,
        version=__version__,
        website_url="https://github.com/penstock-data/penstock",
        log_level="WARNING",
    )
    desk = Desk(shelf, query_seconds=query_seconds)
    _add_questions(server, desk, shelf)
    if may_write:
        _add_sync(server, desk, shelf)
    return server


def _add_questions(server: MCPServer[Any], desk: Desk, shelf: Shelf) -> None:
    def list_connectors(
        search: Annotated[str, Field(description="Part of a name or title; empty: all.")] = "",
    ) -> dict[str, Any]:
        """Lists connectors there are, of penstock and of Airbyte's registry, and how they run."""
        return desk.connectors(search)

    def show_spec(
        connector: Annotated[str, Field(description='As "source-faker", "destination-duckdb".')],
    ) -> dict[str, Any]:
        """Shows the JSON Schema of a connector's configuration, for a person to write it."""
        return desk.spec(connector)

    def list_sources() -> dict[str, Any]:
        """Lists the sources that are configured and can be read, without their settings' values."""
        return desk.sources()

    def check_source(source: Name) -> dict[str, Any]:
        """Proves that a source can be reached with its settings."""
        return desk.check(source)

    def list_streams(source: Name) -> dict[str, Any]:
        """Lists the streams of a source with keys, cursors and columns."""
        return desk.streams(source)

    def show_columns(source: Name, stream: StreamName) -> dict[str, Any]:
        """Shows the JSON Schema of a stream's records."""
        return desk.columns(source, stream)

    def preview_rows(
        source: Name,
        stream: StreamName,
        limit: Annotated[int, Field(ge=1, le=PREVIEW_ROWS)] = 5,
    ) -> dict[str, Any]:
        """Reads the first rows of a stream from the source; stores nothing."""
        return desk.preview(source, stream, limit)

    def list_caches() -> dict[str, Any]:
        """Lists the caches and the tables in each, with columns and numbers of rows."""
        return desk.caches()

    def run_sql(
        cache: CacheName,
        sql: Annotated[str, Field(description="One SELECT, in the cache's own dialect.")],
        limit: Annotated[int, Field(ge=1, le=QUERY_ROWS, description="Rows at most.")] = 100,
    ) -> dict[str, Any]:
        """Runs one SELECT on a cache; it can change nothing and reach no file or network."""
        return desk.query(cache, sql, limit)

    for question in (
        list_connectors,
        show_spec,
        list_sources,
        check_source,
        list_streams,
        show_columns,
        preview_rows,
        list_caches,
        run_sql,
    ):
        _add_question(server, shelf, question)


def _add_sync(server: MCPServer[Any], desk: Desk, shelf: Shelf) -> None:
    async def sync_to_cache(
        source: Name,
        cache: CacheName,
        context: Context,
        *,
        streams: Annotated[
            list[str] | None, Field(description="Names of streams; none: those of the file.")
        ] = None,
        full_refresh: Annotated[
            bool, Field(description="Read everything again instead of continuing.")
        ] = False,
    ) -> dict[str, Any]:
        """Reads a source into a cache, continuing where the last sync ended, and proves it."""
        stop = threading.Event()
        read = functools.partial(
            desk.sync,
            source,
            cache,
            streams=streams,
            full_refresh=full_refresh,
            progress=_Told(context),
            stop=stop,
        )
        try:
            return await _in_thread(read, shelf)
        finally:
            stop.set()

    _add(server, sync_to_cache, is_reading=False)


class _Told(Quiet):
    """Tells the client how many rows are committed."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows: dict[str, int] = {}

    def tell(self, event: Event) -> None:
        """Passes on the rows so far."""
        super().tell(event)
        if isinstance(event, StreamProgress):
            self._rows[str(event.stream)] = event.rows_committed
            told = f"{event.stream}: {event.rows_committed} rows committed"
            anyio.from_thread.run(
                self._context.report_progress, sum(self._rows.values()), None, told
            )


def _add_question(
    server: MCPServer[Any], shelf: Shelf, question: Callable[_P, dict[str, Any]]
) -> None:
    @functools.wraps(question)
    async def answer(*args: _P.args, **kwargs: _P.kwargs) -> dict[str, Any]:
        return await _in_thread(functools.partial(question, *args, **kwargs), shelf)

    _add(server, answer, is_reading=True)


def _add(
    server: MCPServer[Any], tool: Callable[..., Awaitable[dict[str, Any]]], *, is_reading: bool
) -> None:
    server.add_tool(
        tool,
        annotations=ToolAnnotations(
            read_only_hint=is_reading, destructive_hint=not is_reading, open_world_hint=True
        ),
    )


async def _in_thread(work: Callable[[], dict[str, Any]], shelf: Shelf) -> dict[str, Any]:
    """Returns what `work` returns, while other questions are answered; left when cancelled."""
    return await anyio.to_thread.run_sync(lambda: _guarded(work, shelf), abandon_on_cancel=True)


def _guarded(work: Callable[[], dict[str, Any]], shelf: Shelf) -> dict[str, Any]:
    """Works as a door: no secret and no traceback passes it, in answers or errors."""
    try:
        found: dict[str, Any] = mapped(plain(work()), shelf.masked)
    except PenstockError as error:
        raise ToolError(shelf.masked(str(error))) from None
    except Exception as error:  # noqa: BLE001 (a door: what nobody expected is told masked)
        bug = BugError(
            f"penstock failed in a way it does not know: {type(error).__name__}: {error}",
            remedy="Please report it.",
        )
        _log.error("%s", bug.message)
        raise ToolError(shelf.masked(str(bug))) from None
    return found
