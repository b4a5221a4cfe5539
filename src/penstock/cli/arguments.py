"""Command-line words before they are parsed: settings of any name, and `stream=value` texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from penstock.errors import ConfigError

_SETTING = re.compile(r"--(source|destination)\.([^=]+)(?:=(.*))?", re.DOTALL)
_RAW_COMMANDS = frozenset({"connector"})
"""Commands whose words go to a connector as they are."""


def take_flag(argv: Sequence[str], flag: str) -> tuple[list[str], bool]:
    """Returns the words without `flag`, and whether it was there."""
    return [word for word in argv if word != flag], flag in argv


def gather_settings(argv: Sequence[str]) -> list[str]:
    """Returns the words with every `--source.rows 10` as `--source.KEY=rows=10`.

    Which settings there are is known only once the connector has been asked, so the parser sees
    one repeatable option. A setting followed by another option, or by nothing, has no value.
    """
    if argv and argv[0] in _RAW_COMMANDS:
        return list(argv)
    words = list(argv)
    gathered: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            return [*gathered, word, *words]
        found = _SETTING.fullmatch(word)
        if found is None:
            gathered.append(word)
            continue
        side, key, value = found.groups()
        if value is None and words and not words[0].startswith("--"):
            value = words.pop(0)
        gathered.append(f"--{side}.KEY={key}" if value is None else f"--{side}.KEY={key}={value}")
    return gathered


def settings_of(given: Iterable[str]) -> dict[str, list[str]]:
    """Returns the texts given for each setting, in order; an empty list for one without a value."""
    texts: dict[str, list[str]] = {}
    for each in given:
        key, has_value, text = each.partition("=")
        texts.setdefault(key, [])
        if has_value:
            texts[key].append(text)
    return texts


def pairs_of(option: str, given: Iterable[str], *, example: str) -> dict[str, str]:
    """Returns `stream=value` texts as a mapping; one without `=` raises ConfigError."""
    pairs: dict[str, str] = {}
    for each in given:
        stream, has_value, value = each.partition("=")
        if not (has_value and stream.strip() and value.strip()):
            raise ConfigError(
                f'{option} "{each}" does not say which stream it is for.',
                remedy=f"Write it as {example}.",
            )
        if stream.strip() in pairs:
            raise ConfigError(
                f'{option} is given twice for stream "{stream.strip()}".', remedy="Keep one."
            )
        pairs[stream.strip()] = value.strip()
    return pairs


def list_of(given: Iterable[str] | None) -> tuple[str, ...]:
    """Returns the names in texts such as "a,b", each once, in order."""
    names = [name.strip() for text in given or () for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def keys_of(pairs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Returns the columns of each stream's key: "orders=a,b" gives ("a", "b")."""
    return {stream: list_of([columns]) for stream, columns in pairs.items()}
