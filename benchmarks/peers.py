"""The contestants' virtual environments: one each, from PyPI, with what they are made of."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import uv

from benchmarks.places import PROJECT, VENVS

INSTALL_SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One tool as its users install it."""

    name: str
    package: str
    """The distribution whose version is reported."""
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A peer's environment that stands, or the reason why it does not."""

    peer: Peer
    venv: Path
    version: str = ""
    packages: int = 0
    megabytes: float = 0.0
    failure: str | None = None

    @property
    def python(self) -> str:
        return str(self.venv / "bin" / "python")

    def program(self, name: str) -> str:
        """Returns the path of a console script of this environment."""
        return str(self.venv / "bin" / name)


def peers() -> dict[str, Peer]:
    """Returns every contestant; DuckDB has the version penstock itself uses."""
    table = (
        Peer(name="penstock", package="penstock", requirements=(str(PROJECT),)),
        Peer(name="penstock-library", package="penstock", requirements=(f"{PROJECT}[pandas]",)),
        Peer(
            name="penstock-databases",
            package="penstock",
            requirements=(f"penstock[postgres,mysql] @ {PROJECT}",),
        ),
        Peer(
            name="adbc",
            package="adbc-driver-postgresql",
            requirements=(
                "adbc-driver-postgresql==1.13.0",
                "pyarrow",
                f"duckdb=={version('duckdb')}",
                "pytz",
            ),
        ),
        Peer(
            name="dlt-sql",
            package="dlt",
            requirements=(
                "dlt[duckdb,filesystem,postgres,sql_database]==1.31.0",
                "connectorx",
                "pymysql",
                "psycopg[binary]",
                "psycopg2-binary",
                "pyarrow",
            ),
        ),
        Peer(
            name="duckdb", package="duckdb", requirements=(f"duckdb=={version('duckdb')}", "pytz")
        ),
        Peer(
            name="duckdb-frames",
            package="duckdb",
            requirements=(f"duckdb=={version('duckdb')}", "pytz", "pandas", "pyarrow"),
        ),
        Peer(name="pyairbyte", package="airbyte", requirements=("airbyte==0.71.3",)),
        Peer(
            name="source-faker",
            package="airbyte-source-faker",
            requirements=("airbyte-source-faker==7.2.1",),
        ),
        Peer(
            name="airbyte-cdk",
            package="airbyte-cdk",
            requirements=("airbyte-cdk==7.39.1",),
        ),
        Peer(name="dlt", package="dlt", requirements=("dlt[duckdb,filesystem]==1.31.0", "pyarrow")),
        Peer(name="ingestr", package="ingestr", requirements=("ingestr==1.1.0",)),
        Peer(name="sling", package="sling", requirements=("sling==1.4.11",)),
    )
    return {peer.name: peer for peer in table}


@cache
def install(name: str) -> Installed:
    """Makes the environment of one peer, or finds it made; penstock is built anew once a run."""
    peer = peers()[name]
    key = hashlib.sha256(
        json.dumps([peer.requirements, sys.version_info[:3]]).encode()
    ).hexdigest()[:10]
    venv = VENVS / f"{name}-{key}"
    stamp = venv / "complete.json"
    is_ours = peer.package == "penstock"
    if is_ours or not stamp.exists():
        failure = _make(peer, venv, reinstall=is_ours)
        if failure:
            return Installed(peer=peer, venv=venv, failure=failure)
        stamp.write_text(json.dumps({"requirements": peer.requirements}))
    listed = json.loads(
        _uv("pip", "list", "--format", "json", "--python", str(venv / "bin" / "python")).stdout
    )
    versions = {entry["name"]: entry["version"] for entry in listed}
    return Installed(
        peer=peer,
        venv=venv,
        version=versions[peer.package],
        packages=len(listed),
        megabytes=_megabytes(venv),
    )


def _make(peer: Peer, venv: Path, *, reinstall: bool) -> str | None:
    python = venv / "bin" / "python"
    if not python.exists():
        made = _uv("venv", "--quiet", "--python", sys.executable, str(venv))
        if made.returncode:
            return made.stderr.strip()
    again = ("--reinstall-package", peer.package) if reinstall else ()
    installed = _uv(
        *("pip", "install", "--quiet", "--compile-bytecode", *again, "--python", str(python)),
        *peer.requirements,
    )
    return installed.stderr.strip()[-600:] if installed.returncode else None


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [uv.find_uv_bin(), *arguments],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )


def _megabytes(venv: Path) -> float:
    """Returns what the files of an environment occupy, byte code included, in 10^6 bytes."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for path in venv.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        status = path.stat()
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_size
    return total / 1e6
