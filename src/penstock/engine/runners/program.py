"""Any Airbyte-protocol program as a runner: arguments, files, messages, limits."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from penstock.data.items import ConfigChange, ErrorTrace, Item, LogLine
from penstock.engine.kept_config import KeptConfigs
from penstock.engine.runners.child import Child, Exit
from penstock.engine.runners.failure import Account
from penstock.engine.runners.kept_spec import KeptSpec
from penstock.engine.runners.masking import Masker
from penstock.engine.runners.pipe import LONGEST_SECONDS, BlockReader, blocks_of
from penstock.engine.runners.program_writing import ProgramWriting
from penstock.engine.runners.runner import Reading
from penstock.errors import ConfigError, PenstockError, ProtocolError, TransientError
from penstock.protocol import codec
from penstock.protocol.catalog import Catalog, ConfiguredCatalog
from penstock.protocol.messages import ConnectionStatus, Message, MessageType
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State

_log = logging.getLogger(__name__)


def to_log(line: LogLine) -> None:
    """Passes a connector's line to Python's logging; only errors and warnings are loud."""
    level = {"FATAL": logging.ERROR, "ERROR": logging.ERROR, "WARN": logging.WARNING}
    _log.log(level.get(line.level, logging.DEBUG), "%s", line.message)


class Decoder(Protocol):
    """Turns blocks of a connector's stdout into items (`penstock.data.decode.MessageDecoder`)."""

    @property
    def block_bytes(self) -> int:
        """How large the blocks should be, while the program is fast enough to fill them."""

    def decode(self, block: bytes | memoryview) -> Iterator[Item]:
        """Yields what the complete lines of the block hold; keeps a copy of the rest."""
        ...

    def finish(self) -> Iterator[Item]:
        """Yields what the last line holds, which may lack its newline."""
        ...

    def close(self) -> None:
        """Lets go of everything."""
        ...


class DecoderFactory(Protocol):
    """Makes the decoder of one read."""

    def __call__(self, catalog: ConfiguredCatalog, *, is_raw: bool) -> Decoder:
        """Returns a decoder for the streams of this catalogue."""
        ...


def message_decoder(catalog: ConfiguredCatalog, *, is_raw: bool) -> Decoder:
    """Returns the fast decoder for these streams."""
    from penstock.data.decode import MessageDecoder, StreamShape  # noqa: PLC0415 - loads duckdb
    from penstock.data.types import columns_of  # noqa: PLC0415 - loads pyarrow

    shapes = {
        chosen.descriptor: StreamShape(columns=columns_of(chosen.stream.json_schema), is_raw=is_raw)
        for chosen in catalog.streams
    }
    return MessageDecoder(shapes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds. A read has no time limit: connectors may be silent for hours and be well."""

    spec: float = 180.0
    check: float = 900.0
    discover: float = 1800.0
    grace: float = 10.0
    """Between SIGTERM and SIGKILL."""
    close: float = 30.0
    """For the program to end after it closed its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How a connector is started."""

    argv: tuple[str, ...]
    env: Mapping[str, str | None] = field(default_factory=dict)
    """Added to the environment; None takes a variable out of it."""
    data_arguments: tuple[str, ...] = ()
    """Put after check, discover and read (not spec): ("--manifest-path", "…")."""
    file_mode: int = 0o600
    """Of the files in the private folder, which itself is 0700."""
    folder_inside: str | None = None
    """Where the program sees the private folder; None: where it is. Set for containers."""
    in_folder: Callable[[Path], Sequence[str]] | None = None
    """Makes argv for one private folder, instead of `argv`: for mounting its files."""
    last: Callable[[Path], Sequence[str]] | None = None
    """Makes the command that ends what stays elsewhere when the program had to be killed."""

    def command(self, folder: Path) -> list[str]:
        """Returns the start of the command line, to which verb and files are added."""
        return list(self.in_folder(folder) if self.in_folder else self.argv)

    def environment(self) -> dict[str, str]:
        """Returns penstock's environment with the changes, unbuffered output among them."""
        merged: dict[str, str | None] = {**os.environ, "PYTHONUNBUFFERED": "1", **self.env}
        return {name: value for name, value in merged.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program said to spec, check or discover, its logs aside."""

    messages: tuple[Message, ...]
    exit: Exit
    account: Account
    tail: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What does not depend on the connector."""

    limits: Limits = field(default_factory=Limits)
    on_log: Callable[[LogLine], None] = to_log
    """Gets the log lines of installing, spec, check and discover; those of a read are items."""
    decoder_factory: DecoderFactory = message_decoder
    kept: KeptConfigs = field(default_factory=KeptConfigs)
    """Where the configurations are that connectors ask to be kept."""


class ProgramRunner:
    """Runs a program once for each verb; the configuration reaches it through private files."""

    def __init__(
        self,
        name: str,
        program: Program,
        description: str,
        *,
        options: RunOptions | None = None,
        spec: ConnectorSpec | None = None,
        kept_spec: KeptSpec | None = None,
    ) -> None:
        """`spec` is given where the program itself is not to be asked for it.

        `kept_spec` keeps what it answers, for a program that never changes.
        """
        self._name = name
        self._program = program
        self._description = description
        self._options = options or RunOptions()
        self._limits = self._options.limits
        self._kept_spec = kept_spec
        self._spec = spec or (kept_spec.load() if kept_spec is not None else None)

    @property
    def name(self) -> str:
        """The connector's name."""
        return self._name

    @property
    def description(self) -> str:
        """How it runs, for people."""
        return self._description

    @property
    def resumes_full_refresh(self) -> bool:
        """An Airbyte program may start over whatever state it is given in a full refresh."""
        return False

    def spec(self) -> ConnectorSpec:
        """Returns the program's specification; asks it once, or never when its answer is kept.

        Raises ConnectorFailed when it gives none, TransientError when it takes too long.
        """
        if self._spec is None:
            answer = self._ask("spec", None, self._limits.spec)
            found = [m.spec for m in answer.messages if m.spec is not None]
            if not found or not answer.exit.is_good:
                raise answer.account.failure(
                    "spec", answer.exit, answer.tail, cause=_unless_bad(answer, "gave no spec")
                )
            self._spec = found[-1]
            if self._kept_spec is not None:
                self._kept_spec.save(self._spec)
        return self._spec

    def check(self, config: Mapping[str, Any]) -> None:
        """Returns when the connector accepts the configuration.

        Raises ConfigError with its own message when it does not, and what it says when it fails.
        """
        answer = self._ask("check", config, self._limits.check)
        statuses = [m.connection_status for m in answer.messages if m.connection_status]
        if statuses and statuses[-1].status.upper() == "FAILED":
            raise self._refusal(statuses[-1], config)
        if not statuses or not answer.exit.is_good or answer.account.has_traces:
            raise answer.account.failure(
                "check",
                answer.exit,
                answer.tail,
                cause=_unless_bad(answer, "failed" if statuses else "gave no status"),
            )

    def discover(self, config: Mapping[str, Any]) -> Catalog:
        """Returns the streams this configuration can read."""
        answer = self._ask("discover", config, self._limits.discover)
        found = [m.catalog for m in answer.messages if m.catalog is not None]
        if not found or not answer.exit.is_good:
            raise answer.account.failure(
                "discover",
                answer.exit,
                answer.tail,
                cause=_unless_bad(answer, "gave no catalogue"),
            )
        return found[-1]

    @contextmanager
    def read(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredCatalog,
        states: Sequence[State],
        *,
        is_raw: bool = False,
    ) -> Iterator[Reading]:
        """Starts reading; leaving the context ends the program and removes its files."""
        newest = self._options.kept.newest(self._name, config)
        files = {"config": codec.encode(newest), "catalog": codec.encode(catalog)}
        if states:
            files["state"] = codec.encode_states(states)
        account = Account(self._name, self._masker(newest))
        keep = partial(self._options.kept.keep, self._name, config)
        # The program starts first: what the decoder loads is loaded while the program starts.
        with (
            self._started("read", files) as child,
            closing(self._options.decoder_factory(catalog, is_raw=is_raw)) as decoder,
        ):
            yield ProgramReading(child, decoder, account, self._limits, keep=keep)

    @contextmanager
    def write(
        self, config: Mapping[str, Any], catalog: ConfiguredCatalog, stop: threading.Event
    ) -> Iterator[ProgramWriting]:
        """Starts a destination; leaving the context ends it and removes its files."""
        files = {"config": codec.encode(config), "catalog": codec.encode(catalog)}
        account = Account(self._name, self._masker(config))
        with self._started("write", files, has_input=True) as child:
            writing = ProgramWriting(child, account, stop)
            with writing.closing():
                yield writing

    def _masker(self, config: Mapping[str, Any] | None) -> Masker:
        return Masker(config, self._spec.connection_specification if self._spec else None)

    def _refusal(self, status: ConnectionStatus, config: Mapping[str, Any]) -> ConfigError:
        words = self._masker(config)(status.message or "it gave no reason").strip()
        return ConfigError(
            f"{self._name} does not accept the configuration: {words}",
            remedy=f"Correct the configuration of {self._name}, then check it again.",
            connector=self._name,
        )

    def _ask(self, verb: str, config: Mapping[str, Any] | None, seconds: float) -> Answer:
        newest = None if config is None else self._options.kept.newest(self._name, config)
        files = {} if newest is None else {"config": codec.encode(newest)}
        masker = self._masker(newest)
        account = Account(self._name, masker)
        deadline = time.monotonic() + seconds
        with self._started(verb, files) as child:
            messages = []
            for message in self._messages(child, account, deadline):
                if message is None:
                    raise TransientError(
                        f"{self._name} {verb} did not end within {seconds:g} seconds.",
                        remedy="Check that what it connects to answers, then repeat.",
                        connector=self._name,
                        stderr="\n".join(masker(line) for line in child.tail) or None,
                    )
                changed = message.control.connector_config if message.control else None
                if changed is not None and config is not None:
                    masker.add(changed.config)
                    self._options.kept.keep(self._name, config, changed.config)
                messages.append(message)
            ended = child.wait(self._limits.close)
            if ended is None:
                child.close()
                ended = Exit(was_forced=True)
            self._forward(child, account)
            return Answer(
                messages=tuple(messages), exit=ended, account=account, tail=tuple(child.tail)
            )

    def _messages(
        self, child: Child, account: Account, deadline: float
    ) -> Iterator[Message | None]:
        """Yields all messages but logs, traces and records; None when time is up."""
        reader = BlockReader(child.stdout, wake=child.wake, block_bytes=1 << 20)
        rest = b""
        for block in blocks_of(reader, lambda: child.wait(0) is not None):
            self._forward(child, account)
            *lines, rest = (rest + block).split(b"\n") if block else (rest,)
            for line in lines:
                yield from self._message(line, account)
            if time.monotonic() > deadline:
                yield None
        yield from self._message(rest, account)

    def _message(self, line: bytes, account: Account) -> Iterator[Message]:
        if not line.strip():
            return
        message = self._decoded(line, account)
        if message.log is not None:
            self._options.on_log(account.note_log(message.log.level, message.log.message))
        elif message.trace is not None:
            if message.trace.error is not None:
                account.note_trace(message.trace.error)
        elif message.type is not MessageType.RECORD:
            yield message

    def _decoded(self, line: bytes, account: Account) -> Message:
        try:
            return codec.decode_line(line)
        except ProtocolError as error:
            account.masker.mask_error(error)
            raise

    def _forward(self, child: Child, account: Account) -> None:
        for line in child.take_lines():
            self._options.on_log(account.stderr_line(line))

    @contextmanager
    def _started(
        self, verb: str, files: Mapping[str, bytes], *, has_input: bool = False
    ) -> Iterator[Child]:
        folder = Path(tempfile.mkdtemp(prefix="penstock-"))  # 0700 (tempfile.mkdtemp)
        try:
            arguments = [verb]
            inside = self._program.folder_inside or str(folder)
            for kind, content in files.items():
                _write_private(folder / f"{kind}.json", content, self._program.file_mode)
                arguments += [f"--{kind}", f"{inside}/{kind}.json"]
            if verb != "spec":
                arguments += self._program.data_arguments
            child = self._start(folder, arguments, has_input=has_input)
            try:
                yield child
            finally:
                child.close()
        finally:
            if folder.exists():  # the guard removes it when it was asked to stop
                shutil.rmtree(folder)

    def _start(self, folder: Path, arguments: Sequence[str], *, has_input: bool) -> Child:
        try:
            return Child(
                [*self._program.command(folder), *arguments],
                folder=folder,
                env=self._program.environment(),
                grace_seconds=self._limits.grace,
                last=self._program.last(folder) if self._program.last else (),
                has_input=has_input,
            )
        except OSError as error:
            raise TransientError(
                f"No process could be started for {self._name}: {error}.",
                remedy="Free memory, processes or open files on this machine, then repeat.",
                connector=self._name,
            ) from error


class ProgramReading:
    """One read of a program in progress."""

    def __init__(
        self,
        child: Child,
        decoder: Decoder,
        account: Account,
        limits: Limits,
        *,
        keep: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """`keep` makes a configuration durable; it is called before the item is yielded."""
        self._keep = keep
        self._child = child
        self._decoder = decoder
        self._account = account
        self._masker = account.masker
        self._limits = limits
        self._is_stopped = False

    def stop(self) -> None:
        """Asks the program to end; the iteration then ends early, without an error."""
        self._is_stopped = True
        self._child.stop()

    def __iter__(self) -> Iterator[Item]:
        try:
            for item in self._items():
                if self._is_stopped:
                    return
                yield item
        except PenstockError as error:
            self._masker.mask_error(error)
            raise

    def _items(self) -> Iterator[Item]:
        reader = BlockReader(
            self._child.stdout,
            wake=self._child.wake,
            block_bytes=self._decoder.block_bytes,
            most_idle_seconds=LONGEST_SECONDS,
        )
        for block in blocks_of(reader, lambda: self._child.wait(0) is not None):
            yield from self._stderr_lines()
            if self._is_stopped:
                return
            if block:
                yield from map(self._seen, self._decoder.decode(block))
        ended = self._child.wait(self._limits.close)
        yield from self._stderr_lines()
        if self._is_stopped:
            return
        yield from self._last_items(ended)
        if ended is None:
            raise self._failure(
                Exit(), f"closed its output, but did not end within {self._limits.close:g} s"
            )
        if not ended.is_good:
            raise self._failure(ended)

    def _last_items(self, ended: Exit | None) -> Iterator[Item]:
        try:
            yield from map(self._seen, self._decoder.finish())
        except ProtocolError as error:
            if ended is not None and not ended.is_good:  # cut off in the middle of a line
                raise self._failure(ended) from error
            raise

    def _failure(self, ended: Exit, cause: str = "") -> Exception:
        return self._account.failure("read", ended, tuple(self._child.tail), cause=cause)

    def _stderr_lines(self) -> Iterator[Item]:
        for line in self._child.take_lines():
            yield self._account.stderr_line(line)

    def _seen(self, item: Item) -> Item:
        """Returns the item with secrets masked in its words, which are kept for an error."""
        match item:
            case LogLine():
                return self._account.note_log(item.level, item.message)
            case ErrorTrace():
                return ErrorTrace(error=self._account.note_trace(item.error))
            case ConfigChange():
                self._masker.add(item.config)
                self._keep(item.config)
                return item
            case _:
                return item


def _write_private(path: Path, content: bytes, mode: int) -> None:
    """Writes a file that its owner can read, and write: some connectors migrate theirs."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)


def _unless_bad(answer: Answer, cause: str) -> str:
    """Returns what is missing, unless the exit itself says what went wrong."""
    return cause if answer.exit.is_good else ""
