"""A runner that is prepared (installed, fetched, pulled) when it is first asked for something."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from penstock.engine.runners.program import ProgramRunner
from penstock.engine.runners.program_writing import ProgramWriting
from penstock.engine.runners.runner import Reading
from penstock.protocol.catalog import Catalog, ConfiguredCatalog
from penstock.protocol.spec import ConnectorSpec
from penstock.protocol.state import State


class LateRunner:
    """Stands for the runner that `prepare` returns; prepares once, at the first question."""

    def __init__(
        self,
        name: str,
        description: str,
        prepare: Callable[[], ProgramRunner],
        *,
        needs_install: bool = False,
    ) -> None:
        """`description` is how it will run, until it is prepared and can say how it runs."""
        self._needs_install = needs_install
        self._name = name
        self._description = description
        self._prepare = prepare
        self._prepared: ProgramRunner | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The connector's name."""
        return self._name

    @property
    def description(self) -> str:
        """How it runs, or will run once it is prepared."""
        return self._prepared.description if self._prepared else self._description

    @property
    def needs_install(self) -> bool:
        """True while a package has to be installed before the first answer."""
        return self._needs_install and self._prepared is None

    def prepare(self) -> ProgramRunner:
        """Returns the runner, installed and ready; the first call may take minutes."""
        with self._lock:
            if self._prepared is None:
                self._prepared = self._prepare()
            return self._prepared

    @property
    def resumes_full_refresh(self) -> bool:
        """No runner that has to be prepared is native, so none promises it."""
        return False

    def spec(self) -> ConnectorSpec:
        """Returns the connector's specification."""
        return self.prepare().spec()

    def check(self, config: Mapping[str, Any]) -> None:
        """Returns when the connector accepts the configuration; else raises."""
        self.prepare().check(config)

    def discover(self, config: Mapping[str, Any]) -> Catalog:
        """Returns the streams this configuration can read."""
        return self.prepare().discover(config)

    def read(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredCatalog,
        states: Sequence[State],
        *,
        is_raw: bool = False,
    ) -> AbstractContextManager[Reading]:
        """Starts reading; leaving the context ends it."""
        return self.prepare().read(config, catalog, states, is_raw=is_raw)

    def write(
        self, config: Mapping[str, Any], catalog: ConfiguredCatalog, stop: threading.Event
    ) -> AbstractContextManager[ProgramWriting]:
        """Starts writing, where the program is a destination; leaving the context ends it."""
        return self.prepare().write(config, catalog, stop)
