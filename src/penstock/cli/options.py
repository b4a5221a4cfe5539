"""Options that several commands share: how a source or destination is named and configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

SOURCE = Group("Source", sort_key=2)
DESTINATION = Group("Destination", sort_key=3)
STREAMS = Group("Streams", sort_key=4)
LIMITS = Group("Limits", sort_key=5)
OUTPUT = Group("Output", sort_key=6)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """How the source is configured and, where it is not a native one, how it is got."""

    source_settings: Annotated[
        list[str] | None,
        Parameter(
            name="--source.KEY",
            group=SOURCE,
            negative=(),
            help="A setting of the source by its name, as in --source.rows 1000. "
            "`penstock sources NAME` lists them. ${env:X} and ${file:PATH} are read when it runs.",
        ),
    ] = None
    source_config: Annotated[
        str | None,
        Parameter(
            group=SOURCE,
            allow_leading_hyphen=True,
            help="Settings from a JSON or YAML file; - is standard input.",
        ),
    ] = None
    source_version: Annotated[
        str | None,
        Parameter(group=SOURCE, help="Version of the connector's package; also NAME@VERSION."),
    ] = None
    pip_url: Annotated[
        str | None,
        Parameter(group=SOURCE, help="Requirement, path or URL to install the connector from."),
    ] = None
    python: Annotated[
        str | None,
        Parameter(group=SOURCE, help="Python of the connector's own environment, as 3.11."),
    ] = None
    executable: Annotated[
        str | None,
        Parameter(group=SOURCE, help="A program on this machine that is the connector."),
    ] = None
    manifest: Annotated[
        str | None,
        Parameter(group=SOURCE, help="Path or URL of a low-code connector's manifest."),
    ] = None
    image: Annotated[
        str | None,
        Parameter(group=SOURCE, help="Container image of the connector (Docker or Podman)."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DestinationOptions:
    """How the destination is configured and, where it is not a native one, how it is got."""

    destination_settings: Annotated[
        list[str] | None,
        Parameter(
            name="--destination.KEY",
            group=DESTINATION,
            negative=(),
            help="A setting of the destination, as in --destination.path out.duckdb. "
            "`penstock destinations NAME` lists them.",
        ),
    ] = None
    destination_config: Annotated[
        str | None,
        Parameter(
            group=DESTINATION,
            allow_leading_hyphen=True,
            help="Settings from a JSON or YAML file; - is standard input.",
        ),
    ] = None
    destination_version: Annotated[
        str | None,
        Parameter(group=DESTINATION, help="Version of its package; also NAME@VERSION."),
    ] = None
    destination_pip_url: Annotated[
        str | None,
        Parameter(group=DESTINATION, help="Requirement, path or URL to install it from."),
    ] = None
    destination_python: Annotated[
        str | None,
        Parameter(group=DESTINATION, help="Python of its own environment, as 3.11."),
    ] = None
    destination_executable: Annotated[
        str | None,
        Parameter(group=DESTINATION, help="A program on this machine that is the destination."),
    ] = None
    destination_image: Annotated[
        str | None,
        Parameter(group=DESTINATION, help="Its container image (Docker or Podman)."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """How much a sync may hold and how often it commits."""

    commit_bytes: Annotated[
        int,
        Parameter(
            group=LIMITS,
            show_default=True,
            help="Bytes read after which the next state is committed with its rows.",
        ),
    ] = 256 << 20
    commit_seconds: Annotated[
        float,
        Parameter(group=LIMITS, show_default=True, help="The same, as time since the last one."),
    ] = 60.0
    buffer_bytes: Annotated[
        int,
        Parameter(
            group=LIMITS,
            show_default=True,
            help="Most bytes that wait between the source and the destination.",
        ),
    ] = 32 << 20


Json = Annotated[bool, Parameter(group=OUTPUT, negative=(), help="Write JSON instead.")]
Quiet = Annotated[bool, Parameter(group=OUTPUT, negative=(), help="Write only what is wrong.")]
