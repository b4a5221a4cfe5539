"""Any native connector as an Airbyte-protocol program: spec, check, discover, read, write."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from penstock.data.items import Checkpoint, Emptied, LogLine, StatusChange
from penstock.data.json_rows import JsonRows
from penstock.errors import AccessDenied, ConfigError, PenstockError
from penstock.protocol.catalog import Catalog, ConfiguredCatalog, DestinationSyncMode, SyncMode
from penstock.protocol.codec import decode_configured_catalog, decode_states
from penstock.protocol.messages import ConnectionStatus, Message, MessageType
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State, StateStats
from penstock.sdk.config import config_schema, masked_text, parse_config, secret_values, spec_of
from penstock.sdk.destination import Destination
from penstock.sdk.live_config import LiveConfig
from penstock.sdk.program_output import LogMessages, ProgramOutput
from penstock.sdk.reading import Page, connector_error, fields_of_stream, read_streams
from penstock.sdk.record_lines import BatchLines, lines_of_rows, lines_of_texts
from penstock.sdk.source import Source
from penstock.sdk.stream import catalog_stream, descriptor_of


def run_source(source_class: type[Source], argv: Sequence[str], stdout: BinaryIO) -> int:
    """Runs one command of a source as an Airbyte program and returns its exit status.

    `argv` is `spec | check --config F | discover --config F | read --config F --catalog F
    [--state F]`, without the program's name. A failure is a TRACE ERROR and a status other than 0;
    `check` alone answers with CONNECTION_STATUS FAILED and 0.
    """
    parser = _parser(source_class.title)
    verbs = parser.add_subparsers(dest="verb", required=True)
    _verb(verbs, "spec")
    _verb(verbs, "check", "config")
    _verb(verbs, "discover", "config")
    _verb(verbs, "read", "config", "catalog").add_argument("--state", type=Path)

    def run(arguments: argparse.Namespace, output: ProgramOutput) -> None:
        if arguments.verb == "spec":
            output.message(Message(type=MessageType.SPEC, spec=source_spec(source_class)))
            return
        if arguments.verb == "check":
            _check(lambda: _source(source_class, arguments.config, output), output)
            return
        source = _source(source_class, arguments.config, output)
        if arguments.verb == "discover":
            streams = tuple(catalog_stream(stream) for stream in source.streams())
            output.message(Message(type=MessageType.CATALOG, catalog=Catalog(streams=streams)))
            return
        catalog = _readable(_catalog(arguments.catalog), source, output)
        _read(source, catalog, _states(arguments.state), output)

    return _run(parser, argv, stdout, run)


def run_destination(
    destination_class: type[Destination],
    argv: Sequence[str],
    stdin: BinaryIO,
    stdout: BinaryIO,
) -> int:
    """Runs one command of a destination as an Airbyte program and returns its exit status.

    `argv` is `spec | check --config F | write --config F --catalog F [--connection NAME]`;
    `write` reads messages from `stdin` and gives back each state once its rows are durable.
    """
    parser = _parser(destination_class.title)
    verbs = parser.add_subparsers(dest="verb", required=True)
    _verb(verbs, "spec")
    _verb(verbs, "check", "config")
    _verb(verbs, "write", "config", "catalog").add_argument("--connection", default="airbyte")

    def run(arguments: argparse.Namespace, output: ProgramOutput) -> None:
        if arguments.verb == "spec":
            spec = destination_spec(destination_class)
            output.message(Message(type=MessageType.SPEC, spec=spec))
            return
        if arguments.verb == "check":
            _check(lambda: _destination(destination_class, arguments.config, output), output)
            return
        from penstock.sdk.writing import write_messages  # noqa: PLC0415 (the decoder is heavy)

        destination = _destination(destination_class, arguments.config, output)
        write_messages(
            destination,
            _catalog(arguments.catalog),
            stdin,
            connection=arguments.connection,
            echo=output.state,
        )

    return _run(parser, argv, stdout, run)


def source_spec(source_class: type[Source]) -> ConnectorSpec:
    """Returns a native source's specification."""
    return spec_of(
        source_class.Config,
        documentation_url=source_class.documentation_url,
        title=source_class.title,
    )


def destination_spec(destination_class: type[Destination]) -> ConnectorSpec:
    """Returns a native destination's specification, with those of its modes the protocol knows."""
    modes = [
        mode
        for mode in DestinationSyncMode
        if mode is not DestinationSyncMode.OVERWRITE_DEDUP
        and any(mode.value == known.value for known in destination_class.capabilities.modes)
    ]
    return spec_of(
        destination_class.Config,
        documentation_url=destination_class.documentation_url,
        title=destination_class.title,
        destination_sync_modes=modes,
    )


def _run(
    parser: argparse.ArgumentParser,
    argv: Sequence[str],
    stdout: BinaryIO,
    run: Callable[[argparse.Namespace, ProgramOutput], None],
) -> int:
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as ended:
        return int(ended.code or 0)
    output = ProgramOutput(stdout)
    try:
        with _logging_to(output, is_debug=arguments.debug):
            run(arguments, output)
    except BrokenPipeError:
        return 1  # nobody listens any more: there is no one to tell
    except Exception as error:  # noqa: BLE001 (the connector boundary)
        failure = connector_error(error, "The connector", secrets=output.secrets())
        output.failure(failure)
        return failure.exit_status
    output.flush()
    return 0


def _readable(
    catalog: ConfiguredCatalog, source: Source, output: ProgramOutput
) -> ConfiguredCatalog:
    """Returns the catalogue with streams read whole that cannot be read incrementally.

    PyAirbyte asks for every stream incrementally, whatever its modes (0.71).
    """
    whole = {descriptor_of(s) for s in source.streams() if SyncMode.INCREMENTAL not in s.modes}
    streams = []
    for asked in catalog.streams:
        if asked.sync_mode is not SyncMode.INCREMENTAL or asked.descriptor not in whole:
            streams.append(asked)
            continue
        output.log("WARN", f"{asked.descriptor} has no cursor: it is read whole.")
        streams.append(msgspec.structs.replace(asked, sync_mode=SyncMode.FULL_REFRESH))
    return ConfiguredCatalog(streams=tuple(streams))


def _read(
    source: Source, catalog: ConfiguredCatalog, states: Sequence[State], output: ProgramOutput
) -> None:
    with BatchLines() as encoder:
        _write_items(source, catalog, states, output, encoder)


def _write_items(
    source: Source,
    catalog: ConfiguredCatalog,
    states: Sequence[State],
    output: ProgramOutput,
    encoder: BatchLines,
) -> None:
    for item in read_streams(source, catalog, states, secrets=output.secrets):
        match item:
            case StatusChange():
                output.status(item.stream, item.status)
                if item.reason:
                    output.log("ERROR", f"{item.stream}: {item.reason}")
            case Checkpoint():
                counted = sum(claim.counted for claim in item.claims)
                stats = StateStats(record_count=float(counted))
                output.state(msgspec.structs.replace(item.state, source_stats=stats))
            case LogLine():
                output.log(item.level, item.message)
            case Page():
                _write_page(item, output, encoder)
            case Emptied():
                raise ConfigError(
                    f"{item.stream} was emptied at the source, which the Airbyte protocol has no"
                    " message for.",
                    remedy="Let the source refuse or skip that (its setting `truncates`), or run"
                    " it by `penstock sync`.",
                    stream=item.stream,
                )


def _write_page(page: Page, output: ProgramOutput, encoder: BatchLines) -> None:
    descriptor, emitted_at = page.configured.descriptor, output.now_ms
    left_out = _left_out(page)
    if isinstance(page.rows, JsonRows) and not left_out:
        output.lines(lines_of_texts(descriptor, page.rows.texts, emitted_at=emitted_at))
        return
    if isinstance(page.rows, list | JsonRows):
        fields = fields_of_stream(page.configured) if left_out else None
        wanted = frozenset(fields) if fields is not None else None
        rows = list(page.rows)
        output.lines(lines_of_rows(descriptor, rows, emitted_at=emitted_at, fields=wanted))
        return
    batch = page.rows
    present = [name for name in batch.schema.names if name in left_out]
    if present:
        batch = batch.drop_columns(present)
    for lines in encoder.lines(descriptor, batch, emitted_at=emitted_at):
        output.lines(lines)


def _left_out(page: Page) -> frozenset[str]:
    """Returns the properties the stream declares and the catalogue does not choose."""
    chosen = fields_of_stream(page.configured)
    declared = page.stream.json_schema.get("properties", {})
    return frozenset() if chosen is None else frozenset(declared) - frozenset(chosen)


def _check(make: Callable[[], Source | Destination], output: ProgramOutput) -> None:
    try:
        make().check()
    except PenstockError as error:
        output.log("ERROR", str(error))
        message = masked_text(str(error), output.secrets())
        status = ConnectionStatus(status="FAILED", message=message)
    else:
        status = ConnectionStatus(status="SUCCEEDED")
    output.message(Message(type=MessageType.CONNECTION_STATUS, connection_status=status))


def _source(source_class: type[Source], path: Path, output: ProgramOutput) -> Source:
    """Returns the source; what it asks to be kept becomes a CONTROL message, written at once."""
    live = LiveConfig(source_class, _values(path), keep=output.changed_config)
    output.secrets = lambda: live.secrets
    return live.source()


def _destination(
    destination_class: type[Destination], path: Path, output: ProgramOutput
) -> Destination:
    values = _values(path)
    secrets = secret_values(values, config_schema(destination_class.Config))
    output.secrets = lambda: secrets
    destination: Destination = destination_class(parse_config(destination_class.Config, values))
    return destination


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_bytes_of(path, "configuration"))
    except ValueError as error:
        raise ConfigError(
            f"The configuration in {path} is not JSON.", remedy="Write one JSON object there."
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"The configuration in {path} is not an object.",
            remedy="Write one JSON object there.",
        )
    return values


def _catalog(path: Path) -> ConfiguredCatalog:
    return decode_configured_catalog(_bytes_of(path, "configured catalogue"))


def _states(path: Path | None) -> tuple[State, ...]:
    return () if path is None else decode_states(_bytes_of(path, "state"))


def _bytes_of(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise AccessDenied(
            f"The {what} in {path} cannot be read.", remedy="Allow this user to read it."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The {what} in {path} cannot be read: {error.strerror}.",
            remedy="Give the path of a file.",
        ) from error


def _parser(title: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=title, description=f"{title} as an Airbyte program.")


def _verb(verbs: Any, name: str, *files: str) -> argparse.ArgumentParser:
    verb: argparse.ArgumentParser = verbs.add_parser(name)
    verb.add_argument("--debug", action="store_true", help="log more")
    for file in files:
        verb.add_argument(f"--{file}", type=Path, required=True)
    return verb


@contextmanager
def _logging_to(output: ProgramOutput, *, is_debug: bool) -> Iterator[None]:
    """Sends the process's log into the protocol, for as long as the command runs."""
    level = logging.DEBUG if is_debug else logging.WARNING
    handler, root = LogMessages(output, level), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(min(level, before))
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
