"""Settings as command-line flags and as a table, from any connector's JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from penstock.errors import ConfigError, UnknownName
from penstock.sdk.config import text
from penstock.sdk.config.mask import branches_of
from penstock.sdk.config.parse import nearest
from penstock.sdk.config.spec import config_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One setting as a flag: `--auth.token`."""

    name: str
    """Its path, joined with dots."""
    kind: str
    """string, integer, number, boolean, date, date-time, list, object or json."""
    title: str
    help: str
    required: bool
    default: Any = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    hidden: bool = False
    aliases: tuple[str, ...] = ()
    """Other names, joined with dots too."""
    item_kind: str = "string"
    """What a list holds."""
    examples: tuple[Any, ...] = ()


def flags_of(settings: type[Any] | Mapping[str, Any]) -> tuple[Flag, ...]:
    """Returns a flag for every setting, of a configuration class or of any JSON Schema.

    Nested settings have dotted names; the alternatives of a `oneOf` are all there, none of them
    required, and their mark is one flag with a choice a branch.
    """
    schema = config_schema(settings) if isinstance(settings, type) else settings
    found: dict[str, Flag] = {}
    for flag in _flags(schema, "", is_required=True):
        known = found.get(flag.name)
        found[flag.name] = flag if known is None else _merged(known, flag)
    return tuple(found.values())


def config_of_flags(
    settings: type[Any] | Mapping[str, Any], given: Mapping[str, str | Sequence[str]]
) -> dict[str, Any]:
    """Returns the configuration that flags (or environment variables) give, typed by the schema.

    A flag given several times has a list of texts. `a.b=1` gives {"a": {"b": 1}}; a text that does
    not read as what its setting asks for stays text, so that validation names it. An unknown flag
    raises UnknownName with the nearest ones.
    """
    flags = flags_of(settings)
    by_name = {flag.name: flag for flag in flags}
    by_name |= {alias: flag for flag in flags for alias in flag.aliases}
    config: dict[str, Any] = {}
    for name, value in given.items():
        flag = by_name.get(name) or by_name.get(name.replace("-", "_"))
        if flag is None:
            raise UnknownName(
                f"There is no setting {name}{nearest(name, [flag.name for flag in flags])}.",
                remedy="Use one of the connector's settings.",
                setting=name,
            )
        _put(config, flag.name.split("."), _typed(flag, value))
    return config


def typed_references(
    written: Mapping[str, Any], resolved: Mapping[str, Any], settings: type[Any] | Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the resolved configuration, with what references brought read as its settings ask.

    `written` has the references (`${env:ROWS}`), `resolved` the texts they brought: "12" becomes
    12 where an integer is asked for, as on the command line. Texts written as such stay texts.
    """
    typed = dict(resolved)
    for flag in flags_of(settings):
        for path in (flag.name, *flag.aliases):
            names = path.split(".")
            before, after = _at(written, names), _at(resolved, names)
            if isinstance(before, str) and isinstance(after, str) and before != after:
                typed = _with(typed, names, _typed(flag, after))
    return typed


def _at(config: Any, names: Sequence[str]) -> Any:
    for name in names:
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _with(config: Mapping[str, Any], names: Sequence[str], value: Any) -> dict[str, Any]:
    inner = value if len(names) == 1 else _with(config[names[0]], names[1:], value)
    return {**config, names[0]: inner}


def settings_table(config_class: type[Any]) -> str:
    """Returns the settings as a Markdown table, for the connector's page."""
    lines = ["| Setting | Type | Default | What it does |", "|---|---|---|---|"]
    for flag in flags_of(config_class):
        if flag.hidden:
            continue
        words = ", ".join(f"`{choice}`" for choice in flag.choices) or _type_words(flag)
        default = "**required**" if flag.required else _default_words(flag.default)
        about = f"{flag.title}. {flag.help}".strip() if flag.help else f"{flag.title}."
        notes = " Secret." if flag.secret else ""
        if flag.aliases:
            notes += f" Also read from {', '.join(f'`{alias}`' for alias in flag.aliases)}."
        cells = (f"`{flag.name}`", words, default, about + notes)
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _flags(schema: Mapping[str, Any], prefix: str, *, is_required: bool) -> Iterator[Flag]:
    own = schema.get("required")
    for branch in branches_of(schema):
        is_own = branch is schema
        required = own if is_own and is_required and isinstance(own, Sequence) else ()
        properties = branch.get("properties")
        if not isinstance(properties, Mapping):
            continue
        for name, inner in sorted(properties.items(), key=_order):
            if isinstance(inner, Mapping):
                is_mark = is_required and not is_own and "const" in inner
                needed = is_mark or name in required
                yield from _flag(f"{prefix}{name}", inner, is_required=needed)


def _flag(name: str, schema: Mapping[str, Any], *, is_required: bool) -> Iterator[Flag]:
    has_parts = any("properties" in branch for branch in branches_of(schema))
    if has_parts:
        yield from _flags(schema, f"{name}.", is_required=is_required)
        return
    kind = _kind(schema)
    items = schema.get("items")
    parent = name.rpartition(".")[0]
    yield Flag(
        name=name,
        kind=kind,
        title=str(schema.get("title") or name.rpartition(".")[2]),
        help=str(schema.get("description") or ""),
        required=is_required and "default" not in schema,
        default=schema.get("default"),
        choices=_choices(schema),
        secret=bool(schema.get("airbyte_secret")),
        hidden=bool(schema.get("airbyte_hidden")),
        aliases=tuple(
            f"{parent}.{alias}" if parent else str(alias) for alias in schema.get("aliases", ())
        ),
        item_kind=_kind(items) if kind == "list" and isinstance(items, Mapping) else "string",
        examples=tuple(schema.get("examples") or ())
        if isinstance(schema.get("examples"), list)
        else (),
    )


def _order(named: tuple[str, Any]) -> float:
    order = named[1].get("order") if isinstance(named[1], Mapping) else None
    return order if isinstance(order, (int, float)) else float("inf")


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if "const" in schema:
        return (str(schema["const"]),)
    listed = schema.get("enum")
    return tuple(map(str, listed)) if isinstance(listed, list) else ()


def _kind(schema: Mapping[str, Any]) -> str:
    declared = schema.get("type")
    names = declared if isinstance(declared, list) else [declared]
    kinds = [name for name in names if name != "null"]
    if len(kinds) != 1 or not isinstance(kinds[0], str):
        return "json"
    kind = _KINDS.get(kinds[0], kinds[0])
    items = schema.get("items")
    if kind == "list" and isinstance(items, Mapping) and _kind(items) in ("object", "json"):
        return "json"
    declared_format = schema.get("format")
    if kind == "string" and declared_format in ("date", "date-time"):
        return str(declared_format)
    return kind


_KINDS: Final = {"array": "list"}


def _merged(one: Flag, other: Flag) -> Flag:
    """Returns the flag of a setting that several branches have."""
    choices = tuple(dict.fromkeys(one.choices + other.choices))
    return replace(
        one,
        kind=one.kind if one.kind == other.kind else "json",
        choices=choices if one.choices and other.choices else (),
        secret=one.secret or other.secret,
        required=one.required and other.required,
    )


def _typed(flag: Flag, value: str | Sequence[str]) -> Any:
    if isinstance(value, str):
        if flag.kind == "list":
            parts = text.list_of(value)
            return parts if isinstance(parts, str) else [_item(flag, part) for part in parts]
        return _READERS.get(flag.kind, str)(value)
    if flag.kind == "list":
        return [_item(flag, part) for part in value]
    if len(value) != 1:
        raise ConfigError(
            f"The setting {flag.name} was given {len(value)} times.", remedy="Give it once."
        )
    return _typed(flag, value[0])


def _item(flag: Flag, part: Any) -> Any:
    return _READERS.get(flag.item_kind, str)(part) if isinstance(part, str) else part


_READERS: Final[dict[str, Any]] = {
    "integer": text.integer_of,
    "number": text.number_of,
    "boolean": text.boolean_of,
    "object": text.object_of,
    "json": text.json_of,
}


def _put(config: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        config = config.setdefault(name, {})
    config[path[-1]] = value


def _type_words(flag: Flag) -> str:
    return f"list of {flag.item_kind}" if flag.kind == "list" else flag.kind


def _default_words(default: Any) -> str:
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


def _cell(content: str) -> str:
    return " ".join(content.replace("|", "\\|").split())
