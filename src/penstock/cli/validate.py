"""`penstock validate`: a configuration file judged without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from penstock.cli.configuration import read_config
from penstock.cli.declared import FILE, File
from penstock.cli.options import Json
from penstock.cli.screen import Screen
from penstock.control.declared.document import Document, json_schema, read_document
from penstock.control.declared.fitting import followed_first, full_name
from penstock.control.declared.secret_names import literals
from penstock.control.documents import has_references
from penstock.control.model import ConnectorKind
from penstock.engine.registry import (
    list_destinations,
    list_sources,
    load_destination_class,
    load_source_class,
)
from penstock.errors import ConfigError
from penstock.protocol.spec import ConnectorSpec
from penstock.sdk.config import validate_against_spec
from penstock.sdk.entrypoint import destination_spec, source_spec


def validate(
    file: File = FILE,
    /,
    *,
    schema: Annotated[
        bool, Parameter(negative=(), help="Write the file's JSON Schema instead.")
    ] = False,
    json: Json = False,
) -> None:
    """Checks a configuration file by itself: its shape, its names, its connectors' settings.

    Needs no server. Settings with references are judged where they run, and so are those of
    connectors that are not native.
    """
    screen = Screen()
    if schema:
        screen.write_json(json_schema())
        return
    document = read_document(read_config(file))
    list(followed_first(document.connections))
    problems = [*_of_ends(document), *_of_names(document)]
    if problems:
        raise ConfigError(
            f"{file} has {len(problems)} problem(s):" + "".join(f"\n  - {p}" for p in problems),
            remedy="Correct these; `penstock sources NAME` lists the settings of a connector.",
        )
    counts = {
        kind: len(getattr(document, f"{kind}s")) for kind in ("source", "destination", "connection")
    }
    if json:
        screen.write_json({"valid": True, **{f"{kind}s": n for kind, n in counts.items()}})
    else:
        told = ", ".join(f"{count} {kind}(s)" for kind, count in counts.items())
        screen.show(f"{file} fits: {told}.")


def _of_ends(document: Document) -> Iterator[str]:
    natives = {each.name for each in (*list_sources(), *list_destinations())}
    for kind in ConnectorKind:
        for name, end in document.ends(kind).items():
            full = full_name(kind, end.connector)
            if full in document.connectors or full not in natives:
                continue
            spec = _spec(kind, full)
            for path in literals(end.config, spec.connection_specification):
                yield f'{kind} "{name}": {path} is a secret; write a reference to it'
            if has_references(end.config):
                continue
            try:
                validate_against_spec(end.config, spec)
            except ConfigError as error:
                yield f'{kind} "{name}": {error.message}'


def _of_names(document: Document) -> Iterator[str]:
    for name, connection in document.connections.items():
        for kind in ConnectorKind:
            wanted = getattr(connection, kind.value)
            known = document.ends(kind)
            if known and wanted not in known:
                yield f'connection "{name}": the file has no {kind} "{wanted}"'


def _spec(kind: ConnectorKind, name: str) -> ConnectorSpec:
    if kind is ConnectorKind.SOURCE:
        return source_spec(load_source_class(name))
    return destination_spec(load_destination_class(name))
