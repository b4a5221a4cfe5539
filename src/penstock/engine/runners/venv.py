"""A connector from a Python package in a venv of its own, made once and then never changed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

from penstock.data.items import LogLine
from penstock.engine.runners.kept_spec import KeptSpec
from penstock.engine.runners.late import LateRunner
from penstock.engine.runners.program import Program, ProgramRunner, RunOptions, to_log
from penstock.engine.runners.pythons import Package, Python, choose_python
from penstock.engine.runners.uv import UvFailed, call_uv, install_error, mask_url
from penstock.engine.runners.uv_program import OnLog
from penstock.errors import ConfigError, ConnectorFailed, PenstockError, ResourceExhausted
from penstock.sdk.cache_root import cache_root

STAMP = "penstock.json"
"""Written last into a venv; one without it is never used."""
_SPEC = "spec.json"
"""What the connector answered to `spec`; the version is in the folder's name."""
NEWEST_PYTHON = "3.14"
_OLD_SETUPTOOLS = "setuptools<81"
"""Connectors on airbyte-cdk 0.x import pkg_resources, which 81 announced the end of, undeclared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRequest:
    """Which package of which connector, on which Python."""

    name: str
    """The connector: "source-faker"; also its console script."""
    package: str | None = None
    """The distribution; None is `airbyte-<name>`."""
    version: str | None = None
    pip_url: str | None = None
    """Any pip requirement, URL or path, installed instead of the package."""
    python: str | None = None
    """Version or path of a Python; None takes one the package asks for."""

    @property
    def requirement(self) -> str:
        """The line of a requirements file; may hold credentials of a URL."""
        if self.pip_url is not None:
            return _absolute(self.pip_url)
        package = self.package or f"airbyte-{self.name}"
        return f"{package}=={self.version}" if self.version else package

    @property
    def digest(self) -> str:
        """Identity of what was asked; a local folder counts with its newest change."""
        parts = (
            self.requirement, _newest_change(self.requirement), self.python or "",
            platform.system(), platform.machine(),
        )  # fmt: skip
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Venv:
    """A complete venv."""

    folder: Path
    distribution: str
    version: str
    script: str
    python_version: str
    made_at: str

    @property
    def program(self) -> Path:
        """The connector's console script."""
        return self.folder / "bin" / self.script

    @property
    def description(self) -> str:
        """What it is and where, for people."""
        home = Path.home()
        inside = self.folder.is_relative_to(home)
        where = Path("~", self.folder.relative_to(home)) if inside else self.folder
        return f"{self.distribution} {self.version} (Python {self.python_version}) in {where}"


def default_install_root() -> Path:
    """Returns the user's cache folder for connectors."""
    return cache_root() / "connectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class VenvStore:
    """A folder of venvs, shared by runs and processes."""

    root: Path = field(default_factory=default_install_root)
    on_log: OnLog = to_log
    near_names: Callable[[], Sequence[str]] = tuple
    """Called when there is no such package: the nearest connector names, for the remedy."""

    def find(self, request: PackageRequest) -> Venv | None:
        """Returns the newest complete venv made for this request; looks only at the disk."""
        found = [
            venv
            for folder in self.root.glob(f"{request.name}-*-{request.digest}")
            if (venv := _read_stamp(folder)) is not None
        ]
        return max(found, key=lambda venv: venv.made_at, default=None)

    def ensure(self, request: PackageRequest, *, upgrade: bool = False) -> Venv:
        """Returns a complete venv for the request, made now unless there is one.

        Without `upgrade` an existing one is used as it is, and no index is asked. Several
        processes may call at once: one makes it, the others wait. Raises UnknownName,
        ConfigError (no fitting Python), ConnectionFailed (no network), ConnectorFailed (it
        cannot be built).
        """
        found = None if upgrade else self.find(request)
        if found is not None:
            return found
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _locked(self.root / f".{request.name}-{request.digest}.lock", self.on_log):
                found = None if upgrade else self.find(request)
                return found or _make(request, self.root, self.on_log)
        except UvFailed as failure:
            raise install_error(
                failure, request.requirement, request.name, self.near_names
            ) from failure
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> PenstockError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return ResourceExhausted(
                f"The disk is full: nothing can be installed in {self.root}.",
                remedy="Free some space, or set install_root to a folder on another disk.",
            )
        return ConfigError(
            f"The folder for connectors {self.root} cannot be written: {error.strerror}.",
            remedy="Set install_root to a folder of your own.",
        )


def venv_runner(
    request: PackageRequest, *, store: VenvStore | None = None, options: RunOptions | None = None
) -> LateRunner:
    """Returns a runner of the package; it is installed when first asked, if it is not yet."""
    store = store or VenvStore()

    def prepare() -> ProgramRunner:
        venv = store.ensure(request)
        return ProgramRunner(
            request.name,
            program_of(venv),
            venv.description,
            options=options,
            kept_spec=KeptSpec(venv.folder / _SPEC),
        )

    found = store.find(request)
    description = found.description if found else f"{mask_url(request.requirement)} (to install)"
    return LateRunner(request.name, description, prepare, needs_install=found is None)


def program_of(venv: Venv) -> Program:
    """Returns how the venv's console script is started, apart from penstock's own Python."""
    return Program(
        argv=(str(venv.program),),
        env={"PYTHONPATH": None, "PYTHONHOME": None, "VIRTUAL_ENV": str(venv.folder)},
    )


@contextmanager
def _locked(path: Path, log: OnLog) -> Iterator[None]:
    """Holds a lock between processes; the file stays, the lock goes with the process."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log(LogLine(level="INFO", message="Waiting for another process that installs it."))
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(request: PackageRequest, root: Path, log: OnLog) -> Venv:
    """Makes the venv beside its place and moves it there; called with the lock held."""
    prefix = f".making-{request.name}-{request.digest}-"
    for leftover in root.glob(f"{prefix}*"):
        shutil.rmtree(leftover)
    started = time.monotonic()
    work = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    try:
        package = _probe(request, work, log)
        place = root / f"{request.name}-{package.version}-{request.digest}"
        existing = _read_stamp(place)
        if existing is not None:
            return existing
        python = choose_python(request.python, package, work, log)
        log(LogLine(
            level="INFO",
            message=f"Installing {package.name} {package.version} on Python {python.version}.",
        ))  # fmt: skip
        exact = f"{package.name}=={package.version}"
        requirement = request.requirement if request.pip_url is not None else exact
        made = _fill(requirement, package, python, place, _Work(folder=work, log=log))
        log(LogLine(
            level="INFO",
            message=f"Installed {made.description} in {time.monotonic() - started:.1f} s.",
        ))  # fmt: skip
        return made
    finally:
        shutil.rmtree(work)


def _probe(request: PackageRequest, work: Path, log: OnLog) -> Package:
    """Returns the metadata of the newest fitting release: it alone is unpacked, nothing else.

    uv knows lower bounds of `requires-python` only and would install, or fall back to years old
    releases, on a Python the package does not want; so the Python is chosen from the metadata.
    """
    log(LogLine(level="INFO", message=f"Looking up {mask_url(request.requirement)}."))
    folder = work / "probe"
    call_uv(
        [
            "pip", "install", "--no-deps", "--target", str(folder), "--no-python-downloads",
            "--python-version", NEWEST_PYTHON, "--requirements", "-",
        ],
        folder=work, stdin=request.requirement.removeprefix("-e "), on_log=log,
    )  # fmt: skip
    found = list(distributions(path=[str(folder)]))
    if len(found) != 1:
        raise ConfigError(
            f"{mask_url(request.requirement)} is not one Python package.",
            remedy="Give a pip_url of exactly one package.",
        )
    return Package(
        name=found[0].metadata["Name"],
        version=found[0].version,
        requires_python=_requires_python(found[0]),
        script=_script_of(found[0], request.name),
    )


def _requires_python(package: Distribution) -> str:
    found = package.metadata.json.get("requires_python", "")
    return str(found)


def _script_of(package: Distribution, name: str) -> str:
    """Returns the console script to run: the connector's name, else the only one there is."""
    scripts = [e.name for e in package.entry_points if e.group == "console_scripts"]
    if name in scripts:
        return name
    if len(scripts) == 1:
        return scripts[0]
    has = ", ".join(sorted(scripts)) or "none"
    raise ConfigError(
        f"The package {package.metadata['Name']} has no console script {name} (it has: {has}).",
        remedy="Name the connector as its script is named, or use another package.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Where a venv is made, and who hears of it."""

    folder: Path
    log: OnLog


def _fill(requirement: str, package: Package, python: Python, place: Path, work: _Work) -> Venv:
    """Makes the venv in the work folder, stamps it, and moves it to its place."""
    folder = work.folder / "venv"
    call_uv(
        ["venv", "--relocatable", "--no-project", "--python", python.request, str(folder)],
        folder=work.folder, on_log=work.log,
    )  # fmt: skip
    interpreter = str(folder / "bin" / "python")
    _install(interpreter, requirement, work)
    site = next((folder / "lib").glob("python*/site-packages"))
    if not any(d.metadata["Name"] == "setuptools" for d in distributions(path=[str(site)])):
        _install(interpreter, _OLD_SETUPTOOLS, work)
    venv = Venv(
        folder=place,
        distribution=package.name,
        version=package.version,
        script=package.script,
        python_version=python.version,
        made_at=datetime.now(UTC).isoformat(),
    )
    if not (folder / "bin" / package.script).exists():
        raise ConnectorFailed(
            f"{package.name} {package.version} installed no program {package.script}.",
            remedy="Choose another version of the connector.",
        )
    stamp = {key: str(value) for key, value in asdict(venv).items() if key != "folder"}
    (folder / STAMP).write_text(json.dumps(stamp))
    if place.exists():  # broken: it has no stamp, or its Python is gone
        place.rename(work.folder / "broken")
    folder.rename(place)
    return venv


def _install(interpreter: str, requirement: str, work: _Work) -> None:
    call_uv(
        ["pip", "install", "--python", interpreter, "--requirements", "-"],
        folder=work.folder, stdin=requirement, on_log=work.log,
    )  # fmt: skip


def _read_stamp(folder: Path) -> Venv | None:
    """Returns the venv when it is complete and its Python still exists."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        venv = Venv(folder=folder, **stamp)
    except (OSError, ValueError, TypeError):
        return None
    return venv if (folder / "bin" / "python").exists() and venv.program.exists() else None


def _absolute(pip_url: str) -> str:
    """Returns the requirement with a local path made absolute, as uv runs in another folder."""
    editable, path = ("-e ", pip_url[3:].strip()) if pip_url.startswith("-e ") else ("", pip_url)
    local = Path(path).expanduser()
    if not re.match(r"[\w+.-]+://|[\w+.-]+@|git\+", path) and local.exists():
        return f"{editable}{local.resolve()}"
    return pip_url


def _newest_change(requirement: str) -> str:
    """Returns when a local package was last changed; empty for anything else."""
    path = Path(requirement.removeprefix("-e "))
    if not path.is_absolute() or not path.exists():
        return ""
    times = [path.stat().st_mtime_ns]
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
        times += [Path(folder, name).stat().st_mtime_ns for name in files if name[0] != "."]
    return str(max(times))
