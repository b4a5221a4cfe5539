"""A manifest tried out before it is a connector: what it asks for, each request, each answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.data.items import ErrorTrace, Item, LogLine
from penstock.engine.events import (
    TrialFound,
    TrialLine,
    TrialPage,
    TrialRequest,
    TrialResponse,
    TrialSlice,
)
from penstock.engine.runners.manifest import (
    ALLOW_CUSTOM_CODE,
    PROGRAM,
    Manifest,
    ManifestRequest,
    load_manifest,
    manifest_spec,
    stream_names,
)
from penstock.engine.runners.masking import Masker
from penstock.engine.runners.program import Program, ProgramRunner, RunOptions
from penstock.engine.runners.venv import PackageRequest, Venv, VenvStore, program_of
from penstock.errors import ConfigError, ConnectorFailed
from penstock.protocol import codec
from penstock.protocol.catalog import CatalogStream, ConfiguredCatalog, ConfiguredStream
from penstock.protocol.messages import TraceError
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.cache_root import cache_root

_MODULE: Final = "airbyte_cdk.connector_builder.main"
"""Reads a stream once, page by page, and tells what it sent and got
(github.com/airbytehq/airbyte-python-cdk, airbyte_cdk/connector_builder/README.md)."""
_LOUD: Final = ("FATAL", "ERROR", "WARN")
"""What airbyte-cdk says besides is in the answer, or about itself."""
_LONGEST_TEXT: Final = 50_000
_LARGEST_ANSWER: Final = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLimits:
    """Where a trial ends; what is left then is told."""

    records: int = 50
    pages: int = 5
    """Of each slice."""
    slices: int = 5


class ManifestTrial:
    """A manifest to be tried; airbyte-cdk is installed when the first stream is read."""

    def __init__(
        self,
        request: ManifestRequest,
        store: VenvStore,
        options: RunOptions,
        *,
        folder: Path | None = None,
    ) -> None:
        """A fetched manifest is kept in `folder`, by default in the user's cache folder."""
        self._request = request
        self._store = store
        self._options = options
        self._folder = folder or cache_root() / "manifests"
        self._loaded: Manifest | None = None

    def spec(self) -> ConnectorSpec:
        """Returns the settings that the manifest asks for."""
        return manifest_spec(self._manifest().document)

    def streams(self) -> tuple[str, ...]:
        """Returns the names of its streams; those that are made only while it runs are missing."""
        return stream_names(self._manifest().document)

    def read(self, config: Mapping[str, Any], stream: str, limits: TrialLimits) -> TrialFound:
        """Returns what reading one stream asks for and gets, its secrets masked.

        Raises ConfigError in airbyte-cdk's words when the manifest cannot be read so. A service
        that refuses is an answer like another, with a line that says what was made of it.
        """
        manifest = self._manifest()
        if manifest.components is not None:
            raise ConfigError(
                "The manifest runs Python code that comes with it, which a trial does not.",
                remedy="Read a stream with `penstock preview --manifest`.",
            )
        package = PackageRequest(
            name=PROGRAM,
            package="airbyte-cdk",
            version=self._request.cdk_version,
            python=self._request.python,
        )
        answers = _Answers()
        runner = self._runner(self._store.ensure(package), answers)
        wanted = {
            **config,
            "__command": "test_read",
            "__injected_declarative_manifest": manifest.document,
            "__test_read_config": {
                "max_records": limits.records,
                "max_pages_per_slice": limits.pages,
                "max_slices": limits.slices,
            },
        }
        chosen = ConfiguredStream(stream=CatalogStream(name=stream))
        with runner.read(wanted, ConfiguredCatalog(streams=(chosen,)), ()) as reading:
            for item in reading:
                match item:
                    case ErrorTrace():
                        raise _refused(item.error)
                    case LogLine() if item.level in _LOUD:
                        self._options.on_log(item)
        if not answers.found:
            raise ConnectorFailed(
                "airbyte-cdk read the manifest and told nothing.", remedy="Look at its log lines."
            )
        masker = Masker(config, self.spec().connection_specification)
        return told(answers.found[-1], masker)

    def _manifest(self) -> Manifest:
        if self._loaded is None:
            self._loaded = load_manifest(self._request, self._folder, self._options.on_log)
        return self._loaded

    def _runner(self, venv: Venv, answers: _Answers) -> ProgramRunner:
        program = program_of(venv)

        def keeping(catalog: ConfiguredCatalog, *, is_raw: bool) -> _Answers:
            del catalog, is_raw
            return answers

        return ProgramRunner(
            self._request.name,
            Program(
                argv=(str(venv.folder / "bin" / "python"), "-m", _MODULE),
                env={**program.env, ALLOW_CUSTOM_CODE: None},
            ),
            f"a trial with {venv.description}",
            options=replace(self._options, decoder_factory=keeping),
            spec=self.spec(),
        )


class _Answers:
    """Keeps what records hold as it is, and passes a program's words on."""

    block_bytes = 1 << 20

    def __init__(self) -> None:
        self.found: list[msgspec.Raw] = []
        self._rest = b""

    def decode(self, block: bytes | memoryview) -> Iterator[Item]:
        *lines, self._rest = (self._rest + bytes(block)).split(b"\n")
        for line in lines:
            yield from self._items(line)

    def finish(self) -> Iterator[Item]:
        rest, self._rest = self._rest, b""
        yield from self._items(rest)

    def close(self) -> None:
        self._rest = b""

    def _items(self, line: bytes) -> Iterator[Item]:
        if not line.strip():
            return
        message = codec.decode_line(line)
        if message.record is not None:
            self.found.append(message.record.data)
        elif message.log is not None:
            yield LogLine(level=message.log.level, message=message.log.message)
        elif message.trace is not None and message.trace.error is not None:
            yield ErrorTrace(error=message.trace.error)


class _Request(msgspec.Struct):
    url: str = ""
    http_method: str = ""
    headers: dict[str, Any] | None = None
    body: Any = None


class _Response(msgspec.Struct):
    status: int = 0
    headers: dict[str, Any] | None = None
    body: Any = None


class _Page(msgspec.Struct):
    records: list[msgspec.Raw] = []
    request: _Request | None = None
    response: _Response | None = None


class _Slice(msgspec.Struct):
    pages: list[_Page] = []
    slice_descriptor: Any = None
    state: Any = None


class _Line(msgspec.Struct):
    message: str = ""
    level: str = "INFO"


class _Read(msgspec.Struct):
    """What airbyte-cdk tells of a trial (its `StreamRead`)."""

    slices: list[_Slice] = []
    logs: list[_Line] = []
    test_read_limit_reached: bool = False
    inferred_schema: dict[str, Any] | None = None


def told(answer: bytes | msgspec.Raw, masker: Masker) -> TrialFound:
    """Returns airbyte-cdk's answer as it is shown; raises ConnectorFailed for any other."""
    try:
        return _Told(masker).found(msgspec.json.decode(answer, type=_Read))
    except msgspec.DecodeError as error:
        raise ConnectorFailed(
            f"airbyte-cdk told of the trial in a way that is not understood: {error}.",
            remedy="Update penstock; this airbyte-cdk may be newer.",
        ) from error


def _refused(error: TraceError) -> ConfigError:
    # The message quotes the whole manifest; what is inside says what is wrong with it.
    words = (error.internal_message or error.message).strip()
    return ConfigError(
        f"The manifest cannot be read so: {words}",
        remedy="Correct the manifest or the settings, and try again.",
    )


class _Told:
    """Writes an answer as it is shown: secrets masked, long texts cut, no larger than can be."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._left = _LARGEST_ANSWER
        self._cut = 0

    def found(self, read: _Read) -> TrialFound:
        slices = tuple(self._slice(each) for each in read.slices)
        return TrialFound(
            slices=slices,
            lines=tuple(
                TrialLine(level=each.level, message=self._masker(each.message))
                for each in read.logs
            ),
            is_cut=read.test_read_limit_reached or self._left <= 0,
            texts_cut=self._cut,
            inferred_schema=read.inferred_schema,
        )

    def _slice(self, read: _Slice) -> TrialSlice:
        pages = []
        for page in read.pages:
            if self._left <= 0:
                break
            pages.append(self._page(page))
        return TrialSlice(
            pages=tuple(pages),
            slice=self._text(read.slice_descriptor),
            state=self._text(read.state),
        )

    def _page(self, read: _Page) -> TrialPage:
        asked, answered = read.request, read.response
        return TrialPage(
            request=None
            if asked is None
            else TrialRequest(
                method=asked.http_method,
                url=self._masker(asked.url),
                headers=self._headers(asked.headers),
                body=self._text(asked.body),
            ),
            response=None
            if answered is None
            else TrialResponse(
                status=answered.status,
                headers=self._headers(answered.headers),
                body=self._text(answered.body),
            ),
            records=tuple(self._text(bytes(each).decode()) or "" for each in read.records),
        )

    def _headers(self, headers: Mapping[str, Any] | None) -> dict[str, str]:
        return {name: self._text(value) or "" for name, value in (headers or {}).items()}

    def _text(self, value: Any) -> str | None:
        if value is None:
            return None
        text = self._masker(value if isinstance(value, str) else json.dumps(value))
        if len(text) > _LONGEST_TEXT:
            text = f"{text[:_LONGEST_TEXT]}… ({len(text)} characters)"
            self._cut += 1
        self._left -= len(text)
        return text
