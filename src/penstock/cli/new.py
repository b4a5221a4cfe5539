"""`penstock new`: a connector project that works, to be made into one's own."""

from __future__ import annotations

import keyword
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from penstock.cli.screen import Screen
from penstock.engine.registry import full_name, list_destinations, list_sources
from penstock.errors import ConfigError
from penstock.version import __version__

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME: Final = 50
_PLACEHOLDER: Final = re.compile(r"\{\{([\w-]+)\}\}")
_SUFFIX: Final = ".tmpl"


class SourceKind(StrEnum):
    """What a new source reads from."""

    REST = "rest"
    PYTHON = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """Folders of templates, later ones over earlier ones, and what they say of their streams."""

    folders: tuple[str, ...]
    words: Mapping[str, str]


_TEMPLATES: Final[Mapping[str, _Template]] = {
    SourceKind.REST: _Template(
        folders=("source", "source_rest"),
        words={
            "example-flags": "--source.base-url https://api.example.com/v1"
            " --source.token '${env:TOKEN}'",
            "example-stream": "customers",
            "streams-table": "| customers | id | updated_at | |\n"
            "| orders | customer_id, id | | read for each customer |",
        },
    ),
    SourceKind.PYTHON: _Template(
        folders=("source", "source_python"),
        words={
            "example-flags": "--source.events 200",
            "example-stream": "events",
            "streams-table": "| events | id | id | |",
        },
    ),
    "destination": _Template(folders=("destination",), words={}),
}


def new(
    what: Annotated[Literal["source", "destination"], Parameter(help="source or destination.")],
    name: Annotated[str, Parameter(help="Its name, in small letters and hyphens: acme-crm.")],
    /,
    *,
    kind: Annotated[
        SourceKind | None,
        Parameter(
            help="What a source reads from: rest (an HTTP API; the default) or python (whatever "
            "your code can reach)."
        ),
    ] = None,
    folder: Annotated[
        Path | None, Parameter(help="Where to put it; else a folder of its full name here.")
    ] = None,
) -> None:
    """Writes a connector project that works: settings, check, discover, read or write, tests, docs.

    Its tests pass as it is; change it step by step into your own. Installed beside penstock, its
    connector is listed and used like any other, and its program speaks the Airbyte protocol.
    """
    if what == "destination" and kind is not None:
        raise ConfigError("--kind is for sources.", remedy="Leave it out.")
    short = _checked(name, what)
    place = folder or Path(full_name(short, what))
    template = _TEMPLATES[what if what == "destination" else kind or SourceKind.REST]
    words = {
        **template.words,
        "name": short,
        "full-name": full_name(short, what),
        "package": full_name(short, what).replace("-", "_"),
        "Class": "".join(part.capitalize() for part in short.split("-")),
        "Title": " ".join(part.capitalize() for part in short.split("-")),
        "version": __version__,
    }
    _write(place, {name: text for part in template.folders for name, text in _read(part, words)})
    screen = Screen()
    screen.show(f"✓ {place} is a {what} that works. Next:")
    screen.show(f"  cd {place}")
    screen.show("  python3 -m venv .venv && . .venv/bin/activate")
    screen.show('  pip install -e ".[test]" && pytest')


def _checked(name: str, what: Literal["source", "destination"]) -> str:
    """Returns the name without its prefix; raises ConfigError for one that will not do."""
    short = name.removeprefix(f"{what}-")
    if not _NAME.fullmatch(short) or len(short) > _LONGEST_NAME:
        better = "-".join(re.findall(r"[a-z0-9]+", short.lower()))[:_LONGEST_NAME].strip("-")
        fits = _NAME.fullmatch(better) is not None
        raise ConfigError(
            f"{name!r} cannot be the name of a {what}: it takes small letters, digits and single"
            f" hyphens, a letter first, {_LONGEST_NAME} characters at most.",
            remedy=f"Use {better}." if fits else "Use a name such as acme-crm.",
        )
    if keyword.iskeyword(short) or short in ("source", "destination"):
        raise ConfigError(f"{name!r} says nothing.", remedy="Use a name such as acme-crm.")
    listed = list_sources() if what == "source" else list_destinations()
    if any(each.name == full_name(short, what) for each in listed):
        raise ConfigError(
            f"There is a {what} {short} already: `penstock {what}s {short}`.",
            remedy="Choose another name; the installed one would win.",
        )
    return short


def _read(folder: str, words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns the files of one folder of templates, their names and texts filled in."""
    root = files("penstock.cli").joinpath("templates", folder)
    return [
        (
            name.removesuffix(_SUFFIX)
            .replace("__package__", words["package"])
            .replace("__full_name__", words["full-name"])
            .replace("gitignore", ".gitignore"),
            _PLACEHOLDER.sub(lambda found: words[found[1]], text),
        )
        for name, text in _walk(root, "")
    ]


def _walk(folder: Traversable, path: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{path}{each.name}"
        if each.is_dir():
            found += _walk(each, f"{name}/")
        elif name.endswith(_SUFFIX):
            found.append((name, each.read_text(encoding="utf-8")))
    return found


def _write(place: Path, texts: Mapping[str, str]) -> None:
    """Writes a new folder; raises ConfigError when there is something already."""
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ConfigError(
                f"{place} exists already and is not empty.",
                remedy="Choose another place with --folder, or remove it first.",
            )
        for name, text in texts.items():
            path = place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{place} cannot be written: {os.strerror(error.errno or 0)}.",
            remedy="Choose another place with --folder.",
        ) from error
