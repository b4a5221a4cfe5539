"""A destination, ready to be asked and opened: native, or a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.engine.runners.late import LateRunner
from penstock.engine.runners.program import ProgramRunner
from penstock.engine.runners.program_destination import ProgramDestination, program_capabilities
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import parse_config, validate_against_spec
from penstock.sdk.destination import Capabilities, Destination, Writable
from penstock.sdk.entrypoint import destination_spec


class NativeDestinationRunner:
    """Makes a native destination; it runs in this process."""

    def __init__(self, name: str, destination_class: type[Destination]) -> None:
        self.name = name
        self.description = f"{name} (native)"
        self.destination_class = destination_class

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return self.destination_class.capabilities

    def spec(self) -> ConnectorSpec:
        """Returns the specification derived from its configuration class."""
        return destination_spec(self.destination_class)

    def open(self, config: Mapping[str, Any]) -> Writable:
        """Returns the destination with this configuration; ConfigError names every problem."""
        return self.destination_class(parse_config(self.destination_class.Config, config))


class ProgramDestinationRunner:
    """Runs an Airbyte destination program, installed first where it has to be."""

    def __init__(self, runner: ProgramRunner | LateRunner) -> None:
        self._runner = runner

    @property
    def name(self) -> str:
        """The connector's name."""
        return self._runner.name

    @property
    def description(self) -> str:
        """How it runs, for people."""
        return self._runner.description

    @property
    def needs_install(self) -> bool:
        """True while a package has to be installed before the first answer."""
        return isinstance(self._runner, LateRunner) and self._runner.needs_install

    @property
    def capabilities(self) -> Capabilities:
        """What its specification says it can do."""
        return program_capabilities(self.spec())

    def spec(self) -> ConnectorSpec:
        """Returns the program's specification; asks it once."""
        return self._runner.spec()

    def open(self, config: Mapping[str, Any]) -> Writable:
        """Returns the destination with this configuration; ConfigError names every problem."""
        validate_against_spec(config, self.spec())
        return ProgramDestination(self._runner, config)


DestinationRunner = NativeDestinationRunner | ProgramDestinationRunner
