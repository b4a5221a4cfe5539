"""`penstock state`: where a connection continues, shown, set or taken back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from penstock.cli.arguments import list_of
from penstock.cli.screen import Screen
from penstock.engine.catalog import nearest
from penstock.engine.home import data_home
from penstock.engine.receipts import load_receipts
from penstock.engine.state_store import StoredCheckpoint, open_state_store
from penstock.errors import ConfigError, UnknownName
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.codec import decode_states, encode_states
from penstock.protocol.state import State, stream_state

state = App(name="state", help="Show, set or reset where a connection continues.")

Connection = Annotated[str, Parameter(help="Name of the connection, as its receipt says it.")]


@state.command
def get(connection: Connection, /) -> None:
    """Writes the state as JSON: a list that --state of any Airbyte connector reads.

    It is what `penstock state set` set and no sync has used yet, else what the newest run of each
    stream committed.
    """
    found = _positions(connection)
    if not found:
        _require_known(connection)
    sys.stdout.write(encode_states(list(found.values())).decode() + "\n")


@state.command(name="set")
def set_(
    connection: Connection,
    file: Annotated[str, Parameter(help="State file; - is standard input.")] = "-",
    /,
) -> None:
    """Sets the state the next sync starts from; streams the file does not name keep theirs."""
    states = decode_states(_read(file))
    if not states:
        raise ConfigError(
            "The state file holds no state.", remedy="To begin anew: penstock state reset."
        )
    open_state_store(data_home()).override(connection, states)
    Screen().note(f"{connection}: the next sync starts from {len(states)} given state(s).")


@state.command
def reset(
    connection: Connection,
    /,
    *,
    streams: Annotated[
        list[str] | None, Parameter(negative=(), help="Only these streams, as a,b.")
    ] = None,
) -> None:
    """Makes the next sync read from the beginning; rows already written stay.

    To replace them as well, run the sync with --full-refresh.
    """
    known = _streams(connection)
    wanted = list_of(streams)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UnknownName(
            f"{connection} has no stream {', '.join(unknown)}.",
            remedy=nearest(unknown[0], known),
        )
    store = open_state_store(data_home())
    chosen = [known[name] for name in wanted] if wanted else list(known.values())
    store.forget(connection, chosen if wanted else None)
    # An empty state set by hand wins over the one the destination keeps with its rows.
    for descriptor in [*chosen, *([] if wanted else [None])]:
        store.save(connection, StoredCheckpoint(stream=descriptor, state=None, is_override=True))
    names = ", ".join(str(descriptor) for descriptor in chosen)
    Screen().note(f"{connection}: the next sync reads {names} from the beginning.")


def _positions(connection: str) -> dict[StreamDescriptor | None, State]:
    found: dict[StreamDescriptor | None, State] = {}
    for receipt in reversed(load_receipts(data_home(), connection)):
        for stream in receipt.streams:
            if bytes(stream.state_after) != b"null":
                found[stream.stream] = stream_state(stream.stream, bytes(stream.state_after))
    for kept in open_state_store(data_home()).load(connection):
        if kept.state is not None:
            found[kept.stream] = kept.state
        elif kept.stream is None:
            found.clear()
        else:
            found.pop(kept.stream, None)
    return found


def _streams(connection: str) -> dict[str, StreamDescriptor]:
    _require_known(connection)
    streams = {
        str(stream.stream): stream.stream
        for receipt in load_receipts(data_home(), connection)
        for stream in receipt.streams
    }
    for kept in open_state_store(data_home()).load(connection):
        if kept.stream is not None:
            streams[str(kept.stream)] = kept.stream
    return streams


def _require_known(connection: str) -> None:
    receipts = load_receipts(data_home())
    if any(each.connection == connection for each in receipts):
        return
    if open_state_store(data_home()).load(connection):
        return
    raise UnknownName(
        f'No sync of a connection "{connection}" has run here.',
        remedy=nearest(connection, dict.fromkeys(each.connection for each in receipts)),
    )


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The state file {file} cannot be read: {error.strerror}.",
            remedy="Give the path of a file, or - for standard input.",
        ) from error
