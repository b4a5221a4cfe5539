"""Rows as the JSON texts an API sent, for pages that need no Python object a row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import msgspec

from penstock.data.lines import RecordTexts

_plain: Final = msgspec.json.Decoder(dict[str, Any])
_exact: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonRows:
    """A page of rows, each the text of one JSON object on one line; iterating makes values."""

    texts: RecordTexts
    is_exact: bool = False
    """Whether fractions become Decimal where values are asked for."""

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map((_exact if self.is_exact else _plain).decode, self.texts)

    def __getitem__(self, rows: slice) -> JsonRows:
        return replace(self, texts=self.texts[rows])
