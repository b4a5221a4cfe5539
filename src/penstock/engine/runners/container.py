"""A connector's container image, where Docker or Podman answers."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from penstock.data.items import LogLine
from penstock.engine.runners.late import LateRunner
from penstock.engine.runners.program import Program, ProgramRunner, RunOptions
from penstock.engine.runners.uv_program import OnLog
from penstock.errors import ConfigError, ConnectionFailed, UnknownName

ENGINES: Final = ("docker", "podman")
FOLDER_INSIDE: Final = "/airbyte/penstock"
ANSWER_SECONDS: Final = 20.0
_LAST_LINES: Final = 10
_NO_IMAGE: Final = ("not found", "manifest unknown", "does not exist", "access denied", "denied")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A container engine that answers."""

    program: str
    name: str


def container_runner(
    name: str,
    image: str,
    *,
    network: str | None = None,
    options: RunOptions | None = None,
) -> LateRunner:
    """Returns a runner of the image; the engine is looked for, the image pulled, when first asked.

    `network` is the engine's `--network`: "host" lets the connector reach servers on this machine.
    """
    options = options or RunOptions()

    def prepare() -> ProgramRunner:
        engine = find_engine()
        pull_missing(engine, image, options.on_log)
        return ProgramRunner(
            name,
            container_program(engine, image, network=network),
            f"image {image} in {engine.name}",
            options=options,
        )

    return LateRunner(name, f"image {image}", prepare)


def find_engine() -> Engine:
    """Returns the first engine whose server answers; raises ConfigError when none does."""
    silent = []
    for name in ENGINES:
        program = shutil.which(name)
        if program is None:
            continue
        problem = _problem(program)
        if problem is None:
            return Engine(program=program, name=name)
        silent.append(f"{name} does not answer ({problem})")
    what = "; ".join(silent) or "neither Docker nor Podman is installed"
    raise ConfigError(
        f"A container image needs a container engine: {what}.",
        remedy="Start it, or install one (https://docs.docker.com/engine/install, "
        "https://podman.io). Without one, a connector runs from its Python package "
        "(`penstock sources` lists them), a manifest, or as an executable.",
    )


def _problem(program: str) -> str | None:
    """Returns why an engine cannot run containers; None when it can."""
    try:
        asked = subprocess.run(  # noqa: S603 - found by its name on PATH
            [program, "ps", "--quiet"],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if asked.returncode == 0:
        return None
    words = asked.stderr.decode("utf-8", "replace").strip().splitlines()
    return words[-1] if words else f"exit status {asked.returncode}"


def pull_missing(engine: Engine, image: str, on_log: OnLog) -> None:
    """Pulls the image unless it is there; raises UnknownName or ConnectionFailed."""
    here = subprocess.run(  # noqa: S603 - the engine found above
        [engine.program, "image", "inspect", image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if here.returncode == 0:
        return
    on_log(LogLine(level="INFO", message=f"Pulling {image} with {engine.name}."))
    words: deque[str] = deque(maxlen=_LAST_LINES)
    with subprocess.Popen(  # noqa: S603 - the engine found above
        [engine.program, "pull", image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as pull:
        for line in cast("IO[str]", pull.stdout):
            words.append(line.strip())
            on_log(LogLine(level="DEBUG", message=f"{engine.name}: {line.strip()}"))
    if pull.returncode != 0:
        raise _pull_error(image, " | ".join(words))


def _pull_error(image: str, words: str) -> Exception:
    if any(phrase in words.lower() for phrase in _NO_IMAGE):
        return UnknownName(
            f"There is no image {image}, or not for you: {words}",
            remedy="Check its name and tag, or log in to its registry.",
        )
    return ConnectionFailed(
        f"The image {image} could not be pulled: {words}",
        remedy="Check the network and the image registry, then repeat.",
    )


def container_program(engine: Engine, image: str, *, network: str | None = None) -> Program:
    """Returns how the image is run once: removed afterwards, its files mounted one by one.

    The private folder is 0700, so nobody else on this machine reaches the files in it; the files
    themselves are open, since the image's own user (`airbyte` in Airbyte's images) must read them.
    """

    def in_folder(folder: Path) -> Sequence[str]:
        argv = [engine.program, "run", "--rm", "-i", "--name", folder.name]
        if network is not None:
            argv += ["--network", network]
        label = ":Z" if engine.name == "podman" else ""  # SELinux, where podman is at home
        for file in sorted(folder.iterdir()):
            argv += ["-v", f"{file}:{FOLDER_INSIDE}/{file.name}{label}"]
        return [*argv, "-e", "PYTHONUNBUFFERED=1", image]

    def last(folder: Path) -> Sequence[str]:
        return (engine.program, "rm", "-f", folder.name)

    return Program(
        argv=(engine.program,),
        file_mode=0o666,
        folder_inside=FOLDER_INSIDE,
        in_folder=in_folder,
        last=last,
        env={"DOCKER_CLI_HINTS": os.environ.get("DOCKER_CLI_HINTS", "false")},
    )
