"""`penstock manifest`: a low-code manifest tried out, with what it asks for and what it gets."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from penstock.cli.arguments import settings_of
from penstock.cli.configuration import Given
from penstock.cli.endpoints import assembled, tell
from penstock.cli.figures import count_of
from penstock.cli.options import SOURCE, Json
from penstock.cli.screen import Screen
from penstock.engine.events import TrialFound, TrialPage
from penstock.engine.references import resolved_config
from penstock.engine.registry import manifest_trial
from penstock.engine.runners.manifest_trial import TrialLimits
from penstock.engine.runners.program import RunOptions
from penstock.engine.settings import ConnectorRef
from penstock.errors import ConfigError
from penstock.sdk.config import validate_against_spec

manifest = App(
    name="manifest", help="Try out a low-code manifest: its requests, responses and records."
)

_NAME = "source-manifest"
_LOUD = ("FATAL", "ERROR", "WARN")


@manifest.command(name="test")
def try_out(
    path: Annotated[str, Parameter(help="Path or URL of the manifest.")],
    stream: Annotated[
        str | None, Parameter(help="Name of the stream; may be left out when there is only one.")
    ] = None,
    /,
    *,
    source_settings: Annotated[
        list[str] | None,
        Parameter(
            name="--source.KEY",
            group=SOURCE,
            negative=(),
            help="A setting that the manifest asks for, as in --source.api_key '${env:KEY}'.",
        ),
    ] = None,
    source_config: Annotated[
        str | None,
        Parameter(
            group=SOURCE,
            allow_leading_hyphen=True,
            help="Settings from a JSON or YAML file; - is standard input.",
        ),
    ] = None,
    records: Annotated[int, Parameter(show_default=True, help="How many records at most.")] = 50,
    pages: Annotated[int, Parameter(show_default=True, help="How many pages of a slice.")] = 5,
    slices: Annotated[int, Parameter(show_default=True, help="How many slices at most.")] = 5,
    json: Json = False,
) -> int:
    """Reads one stream of a manifest: each request, its response, and the records it gave.

    Secrets are masked. Ends with 1 when something went wrong while reading.

    --json writes all of it, with bodies and headers.
    """
    screen = Screen(is_quiet=json)
    for flag, number in (("--records", records), ("--pages", pages), ("--slices", slices)):
        if number < 1:
            raise ConfigError(f"{flag} is {number}.", remedy="Ask for one or more.")
    trial = manifest_trial(
        ConnectorRef(name=_NAME, manifest=path),
        options=RunOptions(on_log=lambda line: tell(line, screen)),
    )
    names = trial.streams()
    if stream is None and len(names) != 1:
        raise ConfigError(
            f"{path} has {count_of(len(names), 'stream')}.",
            remedy=f"Name one: {', '.join(names)}." if names else "Name a stream that it makes.",
        )
    spec = trial.spec()
    given = Given("source", settings_of(source_settings or ()), source_config)
    config = resolved_config(assembled(given, spec, screen), lambda: spec)
    validate_against_spec(config, spec)
    limits = TrialLimits(records=records, pages=pages, slices=slices)
    found = trial.read(config, names[0] if stream is None else stream, limits)
    if json:
        screen.write_json(msgspec.to_builtins(found))
    else:
        _show(found, screen)
    return 1 if any(line.level in ("FATAL", "ERROR") for line in found.lines) else 0


def _show(found: TrialFound, screen: Screen) -> None:
    for each in found.slices:
        if each.slice not in (None, "{}"):
            screen.show(f"slice {each.slice}")
        for page in each.pages:
            screen.show(_page(page))
            for record in page.records:
                screen.show(f"  {record}")
    for line in found.lines:
        if line.level in _LOUD:
            screen.warn(line.message)
    if found.is_cut:
        screen.note("There is more: --records, --pages and --slices say how much is read.")


def _page(page: TrialPage) -> str:
    records = count_of(len(page.records), "record")
    if page.request is None:
        return records
    status = "no answer" if page.response is None else str(page.response.status)
    return f"{page.request.method} {page.request.url} → {status}, {records}"
