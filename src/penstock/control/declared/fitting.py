"""What is wrong in a document before anything is done: names of nothing, secrets in clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.control.declared.current import KINDS, Current
from penstock.control.declared.document import DeclaredConnection, Document, schedule_of
from penstock.control.declared.secret_names import literals
from penstock.control.model import ConnectorKind, Definition, Schedule
from penstock.control.schedule import check_schedule
from penstock.errors import ConfigError


def require_fit(document: Document, now: Current, specs: Mapping[str, Definition]) -> None:
    """Raises one ConfigError with every reference to nothing, and every secret in clear."""
    problems: list[str] = []
    for of in ConnectorKind:
        for name, end in document.ends(of).items():
            definition = specs.get(full_name(of, end.connector))
            if definition is not None:
                problems += [
                    f'{of} "{name}": {path} is a secret; write a reference to it'
                    for path in literals(end.config, definition.spec or {})
                ]
    names = {
        kind: {name for each, name in now.items if each == kind}
        | set(getattr(document, f"{kind}s"))
        for kind in KINDS
    }
    for name, connection in document.connections.items():
        for kind in ("source", "destination"):
            if getattr(connection, kind) not in names[kind]:
                problems.append(
                    f'connection "{name}": there is no {kind} "{getattr(connection, kind)}"'
                )
        problems += [
            f'connection "{name}": there is no tag "{each}"; declare it under tags'
            for each in connection.tags
            if each not in names["tag"]
        ]
        problems += _schedule_problems(name, connection, names["connection"])
    if problems:
        raise ConfigError(
            "The configuration cannot be applied:" + "".join(f"\n  - {each}" for each in problems),
            remedy="Secrets are written as ${env:NAME}, ${file:PATH}, a vault's reference, or "
            "${secret:NAME} with --secrets; everything else is named as it is called.",
        )
    list(followed_first(document.connections))


def full_name(kind: ConnectorKind, name: str) -> str:
    """Returns a connector's name with its prefix."""
    return name if name.startswith(f"{kind}-") else f"{kind}-{name}"


def followed_first(declared: Mapping[str, DeclaredConnection]) -> Iterator[str]:
    """Yields connections, those that others follow before them; ConfigError for a circle."""
    seen: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise ConfigError(
                f"Connections would follow each other in a circle: {circle}.",
                remedy="Break the circle of `after` schedules.",
            )
        if name in seen or name not in declared:
            return
        for schedule in (declared[name].schedule, *declared[name].stream_schedules):
            if schedule.after is not None:
                yield from walk(schedule.after, (*path, name))
        seen.add(name)
        yield name

    for name in declared:
        yield from walk(name, ())


def _schedule_problems(name: str, connection: DeclaredConnection, known: set[str]) -> Iterator[str]:
    for declared in (connection.schedule, *connection.stream_schedules):
        if declared.after is not None and declared.after not in known:
            yield f'connection "{name}": there is no connection "{declared.after}" to follow'
            continue
        try:
            schedule: Schedule = schedule_of(declared, {declared.after or "": "known"})
            check_schedule(schedule)
        except ConfigError as error:
            yield f'connection "{name}": {error.message}'
