"""The suites against a connector that a user configured: in storage of its own, then removed.

`penstock.testing.certify` writes a test module into a folder, and what to test beside it:

    class TestCertified(CertifiedDestination):
        job = job_of(__file__)
        destination = job.connector
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from penstock.engine.references import resolve_references
from penstock.engine.registry import load_destination_class, load_source_class
from penstock.sdk.config import parse_config
from penstock.testing.destination_suite import DestinationSuite
from penstock.testing.source_suite import SourceSuite

JOB_FILE: Final = "job.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedJob:
    """Which connector, with which settings; references in them are resolved at each use."""

    side: str
    name: str
    settings: Mapping[str, Any]

    @property
    def connector(self) -> Any:
        """The class of the connector."""
        if self.side == "source":
            return load_source_class(self.name)
        return load_destination_class(self.name)

    def config(self) -> Any:
        """Returns the user's own configuration."""
        return parse_config(self.connector.Config, resolve_references(self.settings))

    def config_apart(self, place: Path) -> Any:
        """Returns the configuration with storage that belongs to one folder of the tests."""
        digest = hashlib.sha256(str(place).encode()).hexdigest()[:16]
        return self.connector.apart(self.config(), f"penstock_certify_{digest}")

    def save(self, folder: Path) -> None:
        """Writes the job where `job_of` finds it, readable by this user only."""
        path = folder / JOB_FILE
        path.touch(mode=0o600)
        document = {"side": self.side, "name": self.name, "settings": dict(self.settings)}
        path.write_text(json.dumps(document))


def job_of(module_file: str) -> CertifiedJob:
    """Returns the job that lies beside a test module."""
    return CertifiedJob(**json.loads((Path(module_file).parent / JOB_FILE).read_text()))


class CertifiedDestination(DestinationSuite):
    """Every promise of a destination; each test in storage of its own."""

    job: ClassVar[CertifiedJob]

    def config(self, place: Path) -> Any:
        return self.job.config_apart(place)

    def discard(self, place: Path) -> None:
        """Removes the storage of a test, and of the places beside that it asked for."""
        for each in (place, *(path for path in place.iterdir() if path.is_dir())):
            self.job.connector(self.config(each)).discard()


class CertifiedSource(SourceSuite):
    """Every promise of a source; nothing is written anywhere."""

    job: ClassVar[CertifiedJob]

    def config(self, place: Path) -> Any:
        del place
        return self.job.config()
