"""Which values of a configuration are secret, and `****` in their place in a connector's words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, quote_plus

from penstock.errors import PenstockError

MASK: Final = "****"

_SECRET_KEY: Final = re.compile(
    r"passw(or)?d|passphrase|pwd|secret|token|api_?key|apikey|private_?key|access_?key|"
    r"credentials?_json|service_account|authorization|connection_string|^dsn$|signature|cookie",
    re.IGNORECASE,
)
_NOT_SECRET_KEY: Final = re.compile(r"(_url|_uri|_type|_expiry_date|_expires_in)$", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"://[^/\s:@]*:([^@/\s]+)@")
_BRANCHES: Final = ("oneOf", "anyOf", "allOf")
_SHORT: Final = 3
"""Secrets up to this length are masked as whole words only, lest every "a" became `****`."""


class Masker:
    """Replaces the secret values of a configuration in any text."""

    def __init__(self, config: Any = None, spec: Mapping[str, Any] | None = None) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(config, spec)

    def add(self, config: Any, spec: Mapping[str, Any] | None = None) -> None:
        """Learns the secrets of one more configuration: of fields the spec (JSON Schema) marks
        `airbyte_secret`, of keys that look secret, and of passwords inside URLs."""
        for value in _secret_values(config, [spec] if spec else [], is_secret=False):
            self._secrets.update(_spellings(value))
        ordered = sorted(self._secrets, key=len, reverse=True)
        parts = [
            re.escape(text) if len(text) > _SHORT else rf"(?<!\w){re.escape(text)}(?!\w)"
            for text in ordered
        ]
        self._pattern = re.compile("|".join(parts)) if parts else None

    def __call__(self, text: str) -> str:
        """Returns the text with every known secret replaced."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def mask_error(self, error: PenstockError) -> None:
        """Masks the message and the context of an error that quotes a connector."""
        error.message = self(error.message)
        error.context = {
            key: self(value) if isinstance(value, str) else value
            for key, value in error.context.items()
        }


def _secret_values(
    value: Any, schemas: Sequence[Mapping[str, Any]], *, is_secret: bool
) -> Iterator[str]:
    """Yields the texts of all secret leaves of one value, described by any of the schemas."""
    branches = list(_with_branches(schemas))
    is_secret = is_secret or any(schema.get("airbyte_secret") is True for schema in branches)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            looks = bool(_SECRET_KEY.search(str(key)) and not _NOT_SECRET_KEY.search(str(key)))
            secret = is_secret or (looks and not isinstance(inner, Mapping))
            yield from _secret_values(inner, _property(branches, str(key)), is_secret=secret)
    elif isinstance(value, list | tuple):
        items = [s["items"] for s in branches if isinstance(s.get("items"), Mapping)]
        for inner in value:
            yield from _secret_values(inner, items, is_secret=is_secret)
    elif isinstance(value, str):
        if is_secret:
            yield value
        yield from _URL_PASSWORD.findall(value)
    elif is_secret and isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _with_branches(schemas: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for schema in schemas:
        yield schema
        for word in _BRANCHES:
            inner = schema.get(word)
            if isinstance(inner, list):
                yield from _with_branches([one for one in inner if isinstance(one, Mapping)])


def _property(schemas: Sequence[Mapping[str, Any]], key: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for schema in schemas:
        properties = schema.get("properties")
        if isinstance(properties, Mapping) and isinstance(properties.get(key), Mapping):
            found.append(properties[key])
    return found


def _spellings(value: str) -> Iterator[str]:
    """Yields a secret as it may appear: verbatim, in JSON, in a URL, line by line, or inside."""
    if not value.strip():
        return
    yield value
    for ascii_only in (True, False):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) > 2 * _SHORT]
    if len(lines) > 1:
        yield from (line for line in lines if not line.startswith("-----"))
    yield from _inside(value)


def _inside(value: str) -> Iterator[str]:
    """Yields the secrets of a JSON document that is one (a service account's key file)."""
    if not value.lstrip().startswith("{"):
        return
    try:
        document = json.loads(value)
    except ValueError:
        return  # not JSON after all: its verbatim spelling is masked
    for inner in _secret_values(document, [], is_secret=False):
        yield from _spellings(inner)
