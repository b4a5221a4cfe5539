"""Destinations: a source, or what was read from one, written anywhere penstock can write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from penstock.engine.home import data_home
from penstock.engine.identity import config_digest
from penstock.engine.references import resolve_references, resolved_config
from penstock.engine.runners.destinations import NativeDestinationRunner
from penstock.engine.settings import ConnectorRef, RunSpec, SyncSettings
from penstock.engine.state_store import open_state_store
from penstock.library import exceptions as exc
from penstock.library import showing
from penstock.library.cached_streams import CacheRunner
from penstock.library.caches.base import CacheBase
from penstock.library.caches.of_destinations import CACHES
from penstock.library.callbacks import ConfigChangeCallback
from penstock.library.connectors import InstallOptions, destination_runner_of, reference_of
from penstock.library.progress import Progress, ProgressStyle
from penstock.library.reading import run_sync
from penstock.library.results import ReadResult, WriteResult
from penstock.library.secrets.lookup import hydrated
from penstock.library.selection import KeyOverrides, Names, configured, pick
from penstock.library.sources import Source
from penstock.library.strategies import WriteStrategy, parse_strategy
from penstock.protocol.catalog import (
    ConfiguredCatalog,
    ConfiguredStream,
    DestinationSyncMode,
    SyncMode,
)
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import parse_config
from penstock.sdk.destination import StoresState, Writable

__all__ = [
    "Destination",
    "get_destination",
]


def get_destination(  # noqa: PLR0913 (PyAirbyte's own signature)
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    config_change_callback: ConfigChangeCallback | None = None,
    version: str | None = None,
    use_python: bool | Path | str | None = None,
    pip_url: str | None = None,
    local_executable: Path | str | None = None,
    docker_image: bool | str | None = None,
    use_host_network: bool = False,
    install_if_missing: bool = True,
    install_root: Path | str | None = None,
    no_executor: bool = False,
) -> Destination:
    """Returns a destination: penstock's own of that name, else an Airbyte destination connector.

    The arguments mean what they mean to `get_source`. Raises AirbyteConnectorNotRegisteredError
    for an unknown name, and AirbyteConnectorInstallationError when it is missing and may not be
    installed. `config_change_callback` and `no_executor` are taken for compatibility.
    """
    del config_change_callback, no_executor
    options = InstallOptions(
        version=version,
        use_python=use_python,
        pip_url=pip_url,
        local_executable=local_executable,
        docker_image=docker_image,
        use_host_network=use_host_network,
        install_if_missing=install_if_missing,
        install_root=install_root,
    )
    return Destination(name, config, options=options)


class Destination:
    """One destination with its configuration; made by `get_destination`."""

    connector_type: Literal["destination"] = "destination"

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any] | None = None,
        *,
        options: InstallOptions | None = None,
    ) -> None:
        options = options or InstallOptions()
        self._ref = reference_of(name, options, "destination")
        self._runner = destination_runner_of(self._ref, options)
        self.name = self._ref.name
        self._settings = SyncSettings(
            install_root=None if options.install_root is None else str(options.install_root)
        )
        self._config: dict[str, Any] | None = None if config is None else dict(config)

    def __repr__(self) -> str:
        return f"Destination({self.name})"

    @property
    def spec(self) -> ConnectorSpec:
        """What the destination says of its configuration."""
        return self._runner.spec()

    @property
    def config_spec(self) -> dict[str, Any]:
        """The JSON Schema of the configuration."""
        return self.spec.connection_specification

    @property
    def docs_url(self) -> str | None:
        """Where the destination is documented."""
        return self.spec.documentation_url

    @property
    def config_hash(self) -> str | None:
        """Identity of the configuration; None while there is none."""
        return None if self._config is None else config_digest(self._config)

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
        """Sets the configuration; it is checked unless told not to."""
        if validate:
            self.validate_config(config)
        self._config = dict(config)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration as it was given, references unresolved."""
        if self._config is None:
            raise exc.AirbyteConnectorConfigurationMissingError(
                f"{self.name} has no configuration yet.",
                remedy="Give one: get_destination(..., config={…}).",
                connector=self.name,
            )
        return dict(self._config)

    def validate_config(self, config: Mapping[str, Any] | None = None) -> None:
        """Raises one AirbyteConnectorValidationFailedError with every problem and its path."""
        given = hydrated(self.get_config() if config is None else config)
        with exc.named(exc.AirbyteConnectorValidationFailedError, connector=self.name):
            self._runner.open(resolved_config(given, self._runner.spec))

    def check(self) -> None:
        """Proves that a table can be made and filled; else AirbyteConnectorCheckFailedError."""
        self.validate_config()
        with exc.named(exc.AirbyteConnectorCheckFailedError, connector=self.name):
            self._opened().check()

    @property
    def is_cache_supported(self) -> bool:
        """True when what is written can be read back through a cache."""
        return isinstance(self._runner, NativeDestinationRunner) and self.name in CACHES

    def get_sql_cache(self, *, schema_name: str | None = None) -> CacheBase:
        """Returns a cache on what was written here; raises PyAirbyteInputError if there is none."""
        if not isinstance(self._runner, NativeDestinationRunner) or not self.is_cache_supported:
            raise exc.PyAirbyteInputError(
                f"{self.name} cannot be read back.", remedy="Read from the source into a cache."
            )
        given = resolve_references(hydrated(self.get_config()))
        config = parse_config(self._runner.destination_class.Config, given)
        return CACHES[self.name](config, schema_name)

    def write(
        self,
        source_data: Source | ReadResult,
        *,
        streams: Names = None,
        cache: CacheBase | Literal[False] | None = None,
        state_cache: CacheBase | Literal[False] | None = None,
        write_strategy: str | WriteStrategy = WriteStrategy.AUTO,
        force_full_refresh: bool = False,
        progress: ProgressStyle | str | Progress = ProgressStyle.AUTO,
    ) -> WriteResult:
        """Writes a source's chosen streams, or those of a read, and proves that they arrived.

        A source is written directly, and continues where its last write here committed. With a
        `cache` it is read into that first, and the whole of it is written. `state_cache` is taken
        for compatibility; the position is kept here. The strategy "auto" merges where the
        destination can.
        """
        del state_cache
        strategy = parse_strategy(write_strategy)
        self.validate_config()
        if isinstance(source_data, Source) and cache:
            source_data = source_data.read(
                cache, streams=streams, force_full_refresh=force_full_refresh, progress=progress
            )
        if isinstance(source_data, ReadResult):
            return self._write_result(source_data, streams, strategy, progress)
        source_data.validate_config()
        catalog = source_data.get_configured_catalog(streams, write_strategy=strategy)
        spec = RunSpec(
            connection=f"{source_data.connection()}-to-{self._identity()}",
            source=source_data.configured_reference(),
            destination=self._reference(),
            catalog=self._fitted(catalog, strategy),
            settings=self._settings,
        )
        if force_full_refresh:
            self._forget(spec.connection)
        receipt = run_sync(
            spec,
            source_data.runner,
            data_dir=None,
            progress=progress,
            on_config=source_data.keep_config,
        )
        return WriteResult(receipt=receipt)

    def _write_result(
        self,
        result: ReadResult,
        streams: Names,
        strategy: WriteStrategy,
        progress: ProgressStyle | str | Progress,
    ) -> WriteResult:
        runner = CacheRunner(result.cache, result.catalog)
        chosen = pick(runner.discover({}), streams)
        spec = RunSpec(
            connection=f"cache-of-{result.source_name}-to-{self._identity()}",
            source=ConnectorRef(name=runner.name),
            destination=self._reference(),
            catalog=self._fitted(configured(chosen, KeyOverrides(), strategy), strategy),
            settings=self._settings,
        )
        receipt = run_sync(
            spec, runner, data_dir=None, progress=progress, on_config=lambda _config: None
        )
        return WriteResult(receipt=receipt)

    def _fitted(self, catalog: ConfiguredCatalog, strategy: WriteStrategy) -> ConfiguredCatalog:
        """Returns the catalogue with modes the destination has, where the choice is ours."""
        modes = {mode.value for mode in self._runner.capabilities.modes}
        if strategy is not WriteStrategy.AUTO or DestinationSyncMode.APPEND_DEDUP in modes:
            return catalog
        return ConfiguredCatalog(streams=tuple(map(_without_merge, catalog.streams)))

    def _forget(self, connection: str) -> None:
        """Forgets where a connection continues, in the destination or beside it."""
        with exc.named(exc.AirbyteConnectorWriteError, connector=self.name):
            destination = self._opened()
            if isinstance(destination, StoresState):
                destination.forget_states(connection, None)
            open_state_store(data_home()).forget(connection)

    def _opened(self) -> Writable:
        return self._runner.open(resolved_config(hydrated(self.get_config()), self._runner.spec))

    def _reference(self) -> ConnectorRef:
        return msgspec.structs.replace(self._ref, config=hydrated(self.get_config()))

    def _identity(self) -> str:
        return f"{self.name}-{config_digest(self.get_config())[:8]}"


def _without_merge(stream: ConfiguredStream) -> ConfiguredStream:
    if stream.destination_sync_mode is not DestinationSyncMode.APPEND_DEDUP:
        return stream
    is_incremental = stream.sync_mode is SyncMode.INCREMENTAL
    mode = DestinationSyncMode.APPEND if is_incremental else DestinationSyncMode.OVERWRITE
    return msgspec.structs.replace(stream, destination_sync_mode=mode)
