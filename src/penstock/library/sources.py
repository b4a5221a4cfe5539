"""Sources: configured, asked, and read into a cache or record by record."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from penstock.engine.identity import config_digest, source_connection_name
from penstock.engine.references import resolve_references
from penstock.engine.registry import load_source_class
from penstock.engine.runners.in_process import InProcessRunner
from penstock.engine.runners.late import LateRunner
from penstock.engine.runners.runner import SourceRunner
from penstock.engine.settings import ConnectorRef, RunSpec
from penstock.errors import ConfigError
from penstock.library import exceptions as exc
from penstock.library import sharing, showing
from penstock.library.caches.base import CacheBase
from penstock.library.caches.duckdb import get_default_cache
from penstock.library.callbacks import ConfigChangeCallback
from penstock.library.connectors import InstallOptions, reference_of, runner_of
from penstock.library.datasets import InMemoryDataset, LazyDataset
from penstock.library.documents import Document, documents_of
from penstock.library.positions import Position
from penstock.library.progress import Progress, ProgressStyle
from penstock.library.reading import read_records, run_sync
from penstock.library.records import StreamRecord
from penstock.library.results import ReadResult
from penstock.library.secrets.lookup import hydrated
from penstock.library.selection import (
    KeyOverrides,
    Names,
    configured,
    configured_for_preview,
    labels,
    pick,
)
from penstock.library.states import GivenState, states_from
from penstock.library.strategies import WriteStrategy, parse_strategy
from penstock.protocol.catalog import Catalog, CatalogStream, ConfiguredCatalog
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import parse_config, validate_against_spec

__all__ = [
    "Source",
    "get_source",
]


def get_source(  # noqa: PLR0913 (PyAirbyte's own signature)
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    config_change_callback: ConfigChangeCallback | None = None,
    streams: str | Sequence[str] | None = None,
    version: str | None = None,
    use_python: bool | Path | str | None = None,
    pip_url: str | None = None,
    local_executable: Path | str | None = None,
    docker_image: bool | str | None = None,
    use_host_network: bool = False,
    source_manifest: bool | Mapping[str, Any] | Path | str | None = None,
    install_if_missing: bool = True,
    install_root: Path | str | None = None,
    no_executor: bool = False,
) -> Source:
    """Returns a source by name; nothing is installed or started before it is asked something.

    A method that is given wins. Else a native connector, which the logger says; a program of that
    name on PATH; and what Airbyte's list says: a package, a manifest, an image. `use_python=True`
    runs Airbyte's own package instead of the native connector, `"3.11"` on that Python, False in
    a container. `source_manifest` is a path, a URL, YAML text, a dict, or True for Airbyte's.
    Raises PyAirbyteInputError for contradictions, AirbyteConnectorNotRegisteredError for a name
    nobody knows (`no_executor=True` leaves that to the first question).
    """
    options = InstallOptions(
        version=version,
        use_python=use_python,
        pip_url=pip_url,
        local_executable=local_executable,
        docker_image=docker_image,
        use_host_network=use_host_network,
        source_manifest=source_manifest,
        install_if_missing=install_if_missing,
        install_root=install_root,
    )
    source = Source(
        reference_of(name, options),
        options,
        config=config,
        config_change_callback=config_change_callback,
        streams=streams,
    )
    if not no_executor:
        source.runner  # noqa: B018 (an unknown name is told here, not later)
    return source


class Source:
    """One source with its configuration and the streams chosen; made by `get_source`."""

    connector_type: Literal["source"] = "source"

    def __init__(
        self,
        reference: ConnectorRef,
        options: InstallOptions | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        config_change_callback: ConfigChangeCallback | None = None,
        streams: str | Sequence[str] | None = None,
    ) -> None:
        self._reference = reference
        self._options = options or InstallOptions()
        self._config: dict[str, Any] | None = None if config is None else dict(config)
        self._identity = self._config
        self._on_config = config_change_callback
        self._keys = KeyOverrides()
        self._selected: Names = streams
        self._runner: SourceRunner | None = None
        self._catalog: Catalog | None = None

    def __repr__(self) -> str:
        return f"Source({self.name})"

    @property
    def name(self) -> str:
        """The connector's name: "source-faker"."""
        return self._reference.name

    @property
    def runner(self) -> SourceRunner:
        """How the connector runs; `description` says it for people."""
        if self._runner is None:
            self._runner = runner_of(self._reference, self._options)
        return self._runner

    @property
    def is_native(self) -> bool:
        """True when it runs inside penstock."""
        return isinstance(self.runner, InProcessRunner)

    @property
    def connector_version(self) -> str | None:
        """The version asked for; the runner's description names the one installed."""
        return self._reference.version

    def install(self) -> None:
        """Installs the connector now instead of with the first question."""
        self._options = replace(self._options, install_if_missing=True)
        with exc.named(exc.AirbyteConnectorInstallationError, connector=self.name):
            if isinstance(self.runner, LateRunner):
                self.runner.prepare()

    @property
    def spec(self) -> ConnectorSpec:
        """What the connector says of its configuration; asked once."""
        with exc.named(exc.AirbyteConnectorSpecFailedError, connector=self.name):
            return self.runner.spec()

    @property
    def config_spec(self) -> dict[str, Any]:
        """The JSON Schema of the configuration."""
        return self.spec.connection_specification

    @property
    def docs_url(self) -> str | None:
        """Where the connector is documented."""
        return self.spec.documentation_url

    def print_config_spec(
        self,
        format: Literal["yaml", "json"] = "yaml",
        *,
        output_file: Path | str | None = None,
        stderr: bool = False,
    ) -> None:
        """Writes the schema of the configuration to stdout, stderr or a file."""
        showing.write_spec(self.config_spec, format, output_file=output_file, to_stderr=stderr)

    def set_config(self, config: Mapping[str, Any], *, validate: bool = True) -> None:
        """Sets the configuration; it is checked against the specification unless told not to."""
        if validate:
            self.validate_config(config)
        self._config = self._identity = dict(config)
        self._catalog = None

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration as it was given, references unresolved."""
        return dict(self._given())

    @property
    def config_hash(self) -> str | None:
        """Identity of the configuration; None while there is none."""
        return None if self._config is None else config_digest(self._config)

    def validate_config(self, config: Mapping[str, Any] | None = None) -> None:
        """Raises one AirbyteConnectorValidationFailedError with every problem and its path."""
        given = self._resolved(self._given() if config is None else config)
        remedy = ""
        with exc.named(exc.AirbyteConnectorValidationFailedError, connector=self.name):
            try:
                if self.is_native:
                    remedy = " use_python=True runs Airbyte's own connector, with its settings."
                    parse_config(load_source_class(self.name).Config, given)
                else:
                    validate_against_spec(given, self.spec)
            except ConfigError as error:
                error.remedy = f"{error.remedy}{remedy}".strip()
                raise

    def check(self) -> None:
        """Returns when the source can be read; else AirbyteConnectorCheckFailedError."""
        self.validate_config()
        with exc.named(exc.AirbyteConnectorCheckFailedError, connector=self.name):
            self.runner.check(self._resolved(self._given()))

    def _given(self) -> dict[str, Any]:
        if self._config is None:
            raise exc.AirbyteConnectorConfigurationMissingError(
                f"{self.name} has no configuration yet.",
                remedy="Give one: get_source(..., config={…}) or source.set_config({…}).",
                connector=self.name,
            )
        return self._config

    def _resolved(self, config: Mapping[str, Any]) -> dict[str, Any]:
        return resolve_references(hydrated(config))

    def keep_config(self, config: dict[str, Any]) -> None:
        """Takes a configuration that the connector asked to be kept, and tells the callback."""
        self._config = dict(config)
        if self._on_config is not None:
            self._on_config(dict(config))

    @property
    def discovered_catalog(self) -> Catalog:
        """Every stream of the source; asked once a configuration."""
        if self._catalog is None:
            config = self._resolved(self._given())
            with exc.named(exc.AirbyteConnectorDiscoverFailedError, connector=self.name):
                self._catalog = self.runner.discover(config)
        return self._catalog

    def get_available_streams(self) -> list[str]:
        """Returns the names of all streams, with their namespaces where a name comes twice."""
        return list(labels(self.discovered_catalog).values())

    def select_all_streams(self) -> None:
        """Chooses every stream, also those that appear later."""
        self._selected = "*"

    def select_streams(self, streams: str | Sequence[str]) -> None:
        """Chooses streams by name, "*" for all; unknown ones are told at once.

        Without a configuration they are checked when they are first needed.
        """
        if self._config is not None and streams != "*":
            pick(self.discovered_catalog, streams)
        self._selected = streams if isinstance(streams, str) else list(streams)

    def get_selected_streams(self) -> list[str]:
        """Returns the names of the chosen streams."""
        if self._selected is None:
            return []
        chosen = pick(self.discovered_catalog, self._selected)
        return [labels(self.discovered_catalog)[stream.descriptor] for stream in chosen]

    def set_cursor_key(self, stream_name: str, cursor_key: str) -> None:
        """Sets the column of a stream that grows with every change."""
        self._keys.set_cursor(stream_name, cursor_key)

    def set_cursor_keys(self, **kwargs: str) -> None:
        """Sets the cursors of several streams."""
        for stream, cursor in kwargs.items():
            self.set_cursor_key(stream, cursor)

    def set_primary_key(self, stream_name: str, primary_key: str | Sequence[str]) -> None:
        """Sets the column, or the columns together, that identify a row of a stream."""
        self._keys.set_primary_key(stream_name, primary_key)

    def set_primary_keys(self, **kwargs: str | Sequence[str]) -> None:
        """Sets the primary keys of several streams."""
        for stream, key in kwargs.items():
            self.set_primary_key(stream, key)

    def get_stream_json_schema(self, stream_name: str) -> dict[str, Any]:
        """Returns the JSON Schema of a stream's records."""
        return self._stream(stream_name).json_schema

    def get_configured_catalog(
        self,
        streams: Names = None,
        *,
        force_full_refresh: bool = False,
        write_strategy: str | WriteStrategy = WriteStrategy.AUTO,
    ) -> ConfiguredCatalog:
        """Returns what `read` would send: modes and keys of the chosen streams, or of those given.

        `force_full_refresh` forgets states instead of changing modes: it changes nothing here.
        """
        del force_full_refresh
        chosen = self._chosen(streams)
        return configured(chosen, self._keys, parse_strategy(write_strategy))

    @property
    def configured_catalog(self) -> ConfiguredCatalog:
        """What `read` would send for the chosen streams."""
        return self.get_configured_catalog()

    def _stream(self, name: str) -> CatalogStream:
        return self._keys.applied(pick(self.discovered_catalog, name)[0])

    def _chosen(self, streams: Names) -> tuple[CatalogStream, ...]:
        wanted = self._selected if streams is None else streams
        chosen = () if wanted is None else pick(self.discovered_catalog, wanted)
        if not chosen:
            raise exc.PyAirbyteNoStreamsSelectedError(
                "No streams are selected.",
                remedy="Call source.select_all_streams() or source.select_streams([...]). "
                f"There are: {', '.join(self.get_available_streams()[:20])}.",
                connector=self.name,
            )
        return chosen

    def read(
        self,
        cache: CacheBase | None = None,
        *,
        streams: Names = None,
        write_strategy: str | WriteStrategy = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        skip_validation: bool = False,
        state: GivenState = None,
        progress: ProgressStyle | str | Progress = ProgressStyle.AUTO,
        stop_event: threading.Event | None = None,
    ) -> ReadResult:
        """Reads the chosen streams into a cache, the default one if none is given.

        Continues where the last read of this source and configuration committed, or from `state`,
        as `get_state` returns it. `force_full_refresh` reads everything again and leaves a state
        to continue from. Returns when everything is committed and proved; what a failed read had
        committed stays, and the next one continues from there. Setting `stop_event` ends it so.
        """
        strategy = parse_strategy(write_strategy)
        states = states_from(state)
        cache = cache or get_default_cache()
        if not skip_validation:
            self.validate_config()
        catalog = self.get_configured_catalog(streams, write_strategy=strategy)
        position = self._position(cache)
        with cache.writing:
            with exc.named(exc.PyAirbyteCacheError, connector=self.name):
                if force_full_refresh:
                    position.forget(each.descriptor for each in catalog.streams)
                elif states is None and not self.is_native:
                    states = position.of_pyairbyte(catalog)
                sharing.refuse_shared_tables(position.connection, cache, catalog)
                sharing.warn_of_other_source(self.name, cache, catalog)
                cache.register_source(self.name, [each.stream for each in catalog.streams])
            spec = RunSpec(
                connection=position.connection,
                source=self.configured_reference(),
                destination=cache.reference,
                catalog=catalog,
                settings=position.settings,
                states=states or None,
            )
            receipt = run_sync(
                spec,
                self.runner,
                data_dir=cache.data_dir,
                progress=progress,
                on_config=self.keep_config,
                stop=stop_event,
            )
        return ReadResult(source_name=self.name, cache=cache, receipt=receipt, catalog=catalog)

    def get_state(self, cache: CacheBase) -> list[dict[str, Any]]:
        """Returns where the next read into this cache would continue, as Airbyte state messages."""
        return self._position(cache).documents()

    def reset_state(self, cache: CacheBase, streams: Names = None) -> None:
        """Forgets where to continue: the next read begins at the first record. Rows stay."""
        is_all = streams is None or streams == "*"
        chosen = () if is_all else pick(self.discovered_catalog, streams)
        self._position(cache).forget(None if is_all else [each.descriptor for each in chosen])

    def make_tables(self, cache: CacheBase, streams: Names = None) -> None:
        """Makes the tables of the chosen streams in a cache, and registers them."""
        catalog = self.get_configured_catalog(streams, write_strategy=WriteStrategy.APPEND)
        self._position(cache).make_tables(catalog)

    def get_records(
        self,
        stream: str,
        *,
        limit: int | None = None,
        stop_event: threading.Event | None = None,
        normalize_field_names: bool = False,
        prune_undeclared_fields: bool = True,
    ) -> LazyDataset:
        """Returns a stream's records as they come, from the beginning, without a cache.

        The source starts with the first record asked for, and stops when the dataset is closed,
        dropped, or `limit` is reached.
        """
        self.validate_config()
        found = self._stream(stream)
        declared = tuple(found.json_schema.get("properties") or ())

        make = partial(
            StreamRecord,
            expected_keys=declared,
            prune_undeclared_fields=prune_undeclared_fields,
            normalize_field_names=normalize_field_names,
        )
        return LazyDataset(
            found.name,
            lambda: read_records(
                self.runner,
                self._resolved(self._given()),
                configured_for_preview(found, self._keys),
                make_record=make,
                on_config=self.keep_config,
                limit=limit,
                stop_event=stop_event,
            ),
            declared,
        )

    def get_documents(
        self,
        stream: str,
        title_property: str | None = None,
        content_properties: Sequence[str] | None = None,
        metadata_properties: Sequence[str] | None = None,
        *,
        render_metadata: bool = False,
    ) -> Iterable[Document]:
        """Yields a stream's records as documents for language models."""
        found = self._stream(stream)
        cursor = self._keys.cursor_of(found)
        return documents_of(
            self.get_records(stream),
            title_property=title_property,
            content_properties=content_properties,
            metadata_properties=metadata_properties,
            render_metadata=render_metadata,
            primary_key=[path[0] for path in found.source_defined_primary_key or ()],
            cursor=cursor[0] if cursor else None,
        )

    def get_samples(
        self,
        streams: Names = None,
        *,
        limit: int = 5,
        on_error: Literal["raise", "ignore", "log"] = "raise",
    ) -> dict[str, InMemoryDataset | None]:
        """Returns the first records of each stream; None for one that fails, unless it raises."""
        wanted = self._selected if streams is None else streams
        chosen = pick(self.discovered_catalog, wanted)
        names = [labels(self.discovered_catalog)[stream.descriptor] for stream in chosen]
        return showing.samples_of(self.get_records, names, limit=limit, on_error=on_error)

    def print_samples(
        self,
        streams: Names = None,
        *,
        limit: int = 5,
        on_error: Literal["raise", "ignore", "log"] = "log",
        file: IO[str] | None = None,
    ) -> None:
        """Prints the first records of each stream as tables."""
        showing.print_samples(self.get_samples(streams, limit=limit, on_error=on_error), file)

    def connection(self, table_prefix: str = "") -> str:
        """Returns the name under which the position of this source is kept."""
        given = self._identity or {}
        return source_connection_name(self.name, given, self.spec, table_prefix=table_prefix)

    def configured_reference(self) -> ConnectorRef:
        """Returns what the engine needs to run this source; secrets are filled in."""
        return msgspec.structs.replace(self._reference, config=hydrated(self._given()))

    def _position(self, cache: CacheBase) -> Position:
        name = self.connection(cache.table_prefix)
        return Position(source=self.name, connection=name, cache=cache)
