"""The specification of an installed program, kept beside it: it starts once less a sync."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from penstock.engine.fetch import write_whole
from penstock.errors import ConfigError
from penstock.protocol import codec
from penstock.protocol.spec import ConnectorSpec

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptSpec:
    """One file; it goes with the folder it lies in when another version is installed."""

    path: Path

    def load(self) -> ConnectorSpec | None:
        """Returns what was kept; None when there is nothing, or nothing that can be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=ConnectorSpec)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            _log.info("specification not read: %s: %s", self.path, error)
            return None

    def save(self, spec: ConnectorSpec) -> None:
        """Keeps the specification where the folder can be written; elsewhere it is asked again."""
        try:
            write_whole(self.path, codec.encode(spec))
        except (ConfigError, OSError) as error:
            _log.info("specification not kept: %s: %s", self.path, error)
