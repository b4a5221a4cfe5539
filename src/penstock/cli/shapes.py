"""`--shapes FILE`: how streams are changed on their way, read from a file."""

from __future__ import annotations

import msgspec

from penstock.cli.configuration import read_document
from penstock.engine.shaping.documents import StreamShape
from penstock.errors import ConfigError

HELP = (
    "JSON or YAML file with a list of shapes: per stream its table, fields and mappers"
    " (docs/how-to/change-data-on-the-way.md); - reads standard input."
)


def read_shapes(path: str | None) -> tuple[StreamShape, ...]:
    """Returns the shapes in a file; raises ConfigError naming the place of what is wrong."""
    if path is None:
        return ()
    document = read_document(path)
    try:
        return msgspec.convert(document, tuple[StreamShape, ...])
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{path} is not a list of shapes: {error}.",
            remedy="Write a list of {name, mappers: [{type, mapperConfiguration}]}.",
        ) from error
