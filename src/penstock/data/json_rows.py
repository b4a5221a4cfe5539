"""Rows as the JSON texts an API sent, for pages that need no Python object a row."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from penstock.data.lines import RecordTexts

_plain: Final = msgspec.json.Decoder(dict[str, Any])
_exact: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


class JsonRows:
    """A page of rows, each the text of one JSON object on one line; iterating makes values."""

    def __init__(self, texts: RecordTexts, *, is_exact: bool = False) -> None:
        """`is_exact` makes Decimal of fractions where values are asked for."""
        self.texts = texts
        self._decode = (_exact if is_exact else _plain).decode

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._decode, self.texts)

    def __getitem__(self, rows: slice) -> JsonRows:
        cut = JsonRows(self.texts[rows])
        cut._decode = self._decode
        return cut
