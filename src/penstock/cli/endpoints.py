"""A source or destination named on the command line: configured, validated, ready to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from penstock.cli.arguments import settings_of
from penstock.cli.configuration import Given, assemble, secrets_in_flags
from penstock.cli.options import DestinationOptions, SourceOptions
from penstock.cli.screen import Screen
from penstock.data.items import LogLine
from penstock.engine.references import resolved_config
from penstock.engine.registry import destination_runner, list_sources, source_runner
from penstock.engine.runners.destinations import DestinationRunner
from penstock.engine.runners.program import RunOptions
from penstock.engine.runners.runner import SourceRunner, ValidatesConfig
from penstock.engine.settings import ConnectorRef
from penstock.errors import ConfigError, PenstockError
from penstock.protocol.catalog import Catalog, DestinationSyncMode
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import validate_against_spec
from penstock.sdk.destination import Writable


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadySource:
    """A source whose settings are known to fit its specification."""

    ref: ConnectorRef
    """Goes into the RunSpec: references are not resolved in it."""
    runner: SourceRunner
    spec: ConnectorSpec
    config: Mapping[str, Any]
    """References resolved: only for asking the connector, here and now."""

    def check(self) -> None:
        """Returns when the connector accepts its settings, else raises what is wrong."""
        self.runner.check(self.config)

    def discover(self) -> Catalog:
        """Returns the streams these settings can read."""
        return self.runner.discover(self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyDestination:
    """A destination whose settings are known to fit."""

    ref: ConnectorRef
    runner: DestinationRunner
    spec: ConnectorSpec
    destination: Writable

    @property
    def modes(self) -> frozenset[DestinationSyncMode]:
        """What it can do, in the protocol's words."""
        return frozenset(
            DestinationSyncMode(mode.value) for mode in self.destination.capabilities.modes
        )


def ready_both(
    source: tuple[str, SourceOptions | None],
    destination: tuple[str, DestinationOptions | None],
    screen: Screen,
) -> tuple[ReadySource, ReadyDestination]:
    """Returns both sides; the problems of both are told in one error.

    A source that has to be installed first is not asked while the destination is wrong.
    """
    try:
        there = ready_destination(*destination, screen)
    except ConfigError as wrong:
        if not _is_installed_first(source_ref(source[0], source[1] or SourceOptions())):
            _raise_both(lambda: ready_source(*source, screen), wrong)
        raise
    return ready_source(*source, screen), there


def _raise_both(ask: Callable[[], object], known: ConfigError) -> None:
    """Raises one error where `ask` finds a problem too, else returns."""
    try:
        ask()
    except ConfigError as error:
        raise ConfigError(
            f"{error.message.rstrip()}\n{known.message.rstrip()}",
            remedy=" ".join(dict.fromkeys((error.remedy, known.remedy))),
        ) from error


def ready_source(name: str, options: SourceOptions | None, screen: Screen) -> ReadySource:
    """Returns the source with its settings put together and validated; may install it."""
    options = options or SourceOptions()
    ref = source_ref(name, options)
    runner = source_runner(ref, options=RunOptions(on_log=lambda line: tell(line, screen)))
    spec = _spec(runner, ref)
    given = Given("source", settings_of(options.source_settings or ()), options.source_config)
    config = assembled(given, spec, screen)
    resolved = resolved_config(config, lambda: spec)
    with _naming(f"Source {ref.name}"):
        if isinstance(runner, ValidatesConfig):
            runner.validate_config(resolved)
        else:
            validate_against_spec(resolved, spec)
    return ReadySource(
        ref=msgspec.structs.replace(ref, config=config), runner=runner, spec=spec, config=resolved
    )


def ready_destination(
    name: str, options: DestinationOptions | None, screen: Screen
) -> ReadyDestination:
    """Returns the destination with its settings put together and validated; may install it."""
    options = options or DestinationOptions()
    ref = destination_ref(name, options)
    runner = destination_runner(ref, options=RunOptions(on_log=lambda line: tell(line, screen)))
    spec = runner.spec()
    given = Given(
        "destination",
        settings_of(options.destination_settings or ()),
        options.destination_config,
    )
    config = assembled(given, spec, screen)
    with _naming(f"Destination {ref.name}"):
        destination = runner.open(resolved_config(config, lambda: spec))
    return ReadyDestination(
        ref=msgspec.structs.replace(ref, config=config),
        runner=runner,
        spec=spec,
        destination=destination,
    )


def source_ref(name: str, options: SourceOptions) -> ConnectorRef:
    """Returns which connector is meant, without its configuration; "NAME@VERSION" is read too."""
    bare, version = _name_and_version(name, options.source_version, "--source-version")
    return ConnectorRef(
        name=bare,
        version=version,
        pip_url=options.pip_url,
        python=options.python,
        executable=_absolute(options.executable),
        manifest=_absolute(options.manifest),
        image=options.image,
    )


def destination_ref(name: str, options: DestinationOptions) -> ConnectorRef:
    """Returns which destination is meant, without its configuration."""
    bare, version = _name_and_version(name, options.destination_version, "--destination-version")
    return ConnectorRef(
        name=bare,
        version=version,
        pip_url=options.destination_pip_url,
        python=options.destination_python,
        executable=_absolute(options.destination_executable),
        image=options.destination_image,
    )


def _name_and_version(name: str, asked: str | None, flag: str) -> tuple[str, str | None]:
    bare, _, version = name.partition("@")
    if version and asked not in (None, version):
        raise ConfigError(f"{name} and {flag} {asked} ask for two versions.", remedy="Keep one.")
    return bare, version or asked or None


def assembled(given: Given, spec: ConnectorSpec, screen: Screen) -> dict[str, Any]:
    """Returns the settings given in any way; warns of secrets that process lists show."""
    schema = spec.connection_specification
    config = assemble(given, schema)
    for name in secrets_in_flags(given, schema):
        screen.warn(
            f"--{given.side}.{name} puts a secret where every process list shows it; write "
            f"--{given.side}.{name} '${{env:NAME}}', or use --{given.side}-config FILE."
        )
    return config


def _spec(runner: SourceRunner, ref: ConnectorRef) -> ConnectorSpec:
    """Returns the specification; one that cannot be got may be a native name misspelt."""
    try:
        return runner.spec()
    except PenstockError as error:
        known = [listed.name for listed in list_sources()]
        bare = ref.name.removeprefix("source-")
        near = get_close_matches(bare, known, n=1, cutoff=0.7) if bare not in known else []
        if near:
            error.remedy = f"Did you mean {near[0]}? {error.remedy}"
        raise


def tell(line: LogLine, screen: Screen) -> None:
    """Shows what installing a connector, or asking it, has to say."""
    if line.level in ("FATAL", "ERROR", "WARN"):
        screen.warn(line.message)
    elif line.level == "INFO":
        screen.note(line.message)


@contextmanager
def _naming(who: str) -> Iterator[None]:
    """Says whose configuration it is that a ConfigError is about."""
    try:
        yield
    except ConfigError as error:
        if type(error) is not ConfigError:
            raise
        what = error.message[:1].lower() + error.message[1:]
        raise ConfigError(f"{who}: {what}", remedy=error.remedy, **error.context) from error


def _is_installed_first(ref: ConnectorRef) -> bool:
    return any((ref.version, ref.pip_url, ref.image, ref.manifest))


def _absolute(path: str | None) -> str | None:
    """Returns an existing file's path so that it is found from anywhere; else what was given."""
    if path is None or "://" in path or not Path(path).is_file():
        return path
    return str(Path(path).resolve())
