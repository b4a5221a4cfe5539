"""A connector's configuration put together: from a file or standard input, then from flags."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from penstock.errors import AccessDenied, ConfigError
from penstock.sdk.config import Flag, config_of_flags, flags_of
from penstock.sdk.config.parse import nearest

_REFERENCE = re.compile(r"\$\{(?:env|file|vault|aws|gcp|azure):[^}]*\}")


@dataclass(frozen=True, slots=True)
class Given:
    """What a user gave for one side: texts by setting, and a file."""

    side: str
    """"source" or "destination", as in `--source.rows`."""
    settings: Mapping[str, Sequence[str]]
    file: str | None = None


def assemble(given: Given, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration: the file's, with what flags say on top; references unresolved.

    Raises one ConfigError with every flag that is unknown or lacks its value.
    """
    config = read_config(given.file) if given.file is not None else {}
    flags = flags_of(schema)
    texts, problems = _checked(given, flags)
    config = _merged(config, config_of_flags(schema, texts))
    if problems:
        # The connector would tell what is missing only once these are corrected.
        missing = [flag.name for flag in flags if flag.required and not _has(config, flag.name)]
        problems += [f"--{given.side}.{name} is required" for name in missing]
        raise _settings_error(given.side, problems)
    return config


def read_config(name: str) -> dict[str, Any]:
    """Returns the settings in a JSON or YAML file; `-` is standard input.

    YAML is read by version 1.2's plain rules: `no` and `2024-01-31` are texts, and so is a number
    with leading zeros.
    """
    parsed = read_document(name)
    if not isinstance(parsed, dict):
        raise ConfigError(
            f"{_called(name)} does not hold settings by name.",
            remedy="Write an object: one `name: value` a line, or JSON in braces.",
        )
    return parsed


def read_document(name: str) -> Any:
    """Returns what a JSON or YAML file holds, by the same rules."""
    text = _text_of(name)
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _yaml(text, name)


def secrets_in_flags(given: Given, schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the settings whose secret stands in the command line itself, for all to see."""
    secret = {
        name for flag in flags_of(schema) if flag.secret for name in (flag.name, *flag.aliases)
    }
    return tuple(
        name
        for name, texts in given.settings.items()
        if name.replace("-", "_") in secret and not all(map(_REFERENCE.search, texts))
    )


def _checked(
    given: Given, flags: Sequence[Flag]
) -> tuple[dict[str, str | Sequence[str]], list[str]]:
    """Returns the texts that a setting can take, and what is wrong with the others."""
    by_name = {name: flag for flag in flags for name in (flag.name, *flag.aliases)}
    shown = [flag.name for flag in flags if not flag.hidden]
    texts: dict[str, str | Sequence[str]] = {}
    problems: list[str] = []
    for name, values in given.settings.items():
        flag = by_name.get(name) or by_name.get(name.replace("-", "_"))
        if flag is None:
            problems.append(f"--{given.side}.{name} is not a setting{nearest(name, shown)}")
        elif not values and flag.kind != "boolean":
            problems.append(f"--{given.side}.{name} has no value")
        elif len(values) > 1 and flag.kind != "list":
            problems.append(f"--{given.side}.{name} is given {len(values)} times")
        elif flag.kind == "list":
            texts[name] = values if len(values) > 1 else values[0]
        else:
            texts[name] = values[0] if values else "true"
    return texts, problems


def _settings_error(side: str, problems: Sequence[str]) -> ConfigError:
    remedy = f"`penstock {side}s NAME` lists the settings."
    if len(problems) == 1:
        return ConfigError(f"{problems[0]}.", remedy=remedy)
    listed = "".join(f"\n  - {problem}" for problem in problems)
    return ConfigError(
        f"The {side}'s settings have {len(problems)} problems:{listed}", remedy=remedy
    )


def _has(config: Mapping[str, Any], path: str) -> bool:
    found: Any = config
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns both, nested objects too; where both say something, `over` does."""
    merged = dict(under)
    for key, value in over.items():
        known = merged.get(key)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[key] = _merged(known, value)
        else:
            merged[key] = value
    return merged


def _text_of(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).expanduser().read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no file {name}.", remedy="Give the path of a JSON or YAML file."
        ) from error
    except PermissionError as error:
        raise AccessDenied(
            f"The file {name} cannot be read.", remedy="Allow this user to."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"The file {name} cannot be read: {error.strerror}.", remedy="Give another path."
        ) from error


def _called(name: str) -> str:
    return "Standard input" if name == "-" else f"The file {name}"


def _yaml(text: bytes, name: str) -> Any:
    """Returns what YAML says; its errors are told without the text, which may hold secrets."""
    import yaml  # noqa: PLC0415 (30 ms, and flags and JSON never need it)

    from penstock.cli.plain_yaml import PlainLoader  # noqa: PLC0415

    try:
        return yaml.load(text, Loader=PlainLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        why = getattr(error, "problem", None) or "it is not text"
        raise ConfigError(
            f"{_called(name)} is neither JSON nor YAML{where}: {why}.",
            remedy="Correct it there.",
        ) from None
