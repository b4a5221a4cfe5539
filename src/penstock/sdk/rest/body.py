"""A page as the other side sent it: its records as slices of JSON text, and what stands around."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, Final

import msgspec
import pyarrow.compute as pc

from penstock.data.json_text import plain
from penstock.data.lines import RecordTexts
from penstock.errors import DataError, TransientError

Path = tuple[str, ...]

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])
_any: Final = msgspec.json.Decoder()
_exact: Final = msgspec.json.Decoder(float_hook=Decimal)
_FEW: Final = 4
_PROXY_REMEDY: Final = "Try again later; if it stays so, see whether a proxy answers in its place."


def path_of(pointer: str | Path | None) -> Path:
    """Returns the names from the outermost in: "data.items", or a tuple where names hold dots."""
    if pointer is None or pointer == "":
        return ()
    return tuple(pointer.split(".")) if isinstance(pointer, str) else pointer


class Body:
    """One JSON answer. Raises TransientError when made of what is not JSON: cut, or a web page."""

    def __init__(self, text: bytes) -> None:
        self._text = text = text.strip(b" \t\r\n")
        self._top: dict[str, msgspec.Raw] = {}
        """The members of the answer, where it is an object: it is read once, and in whole."""
        try:
            text.decode()
            if text[:1] == b"{":
                self._top = _object.decode(text)
            else:
                msgspec.json.decode(text, type=msgspec.Raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            is_html = text.lstrip()[:1] == b"<"
            what = "a web page" if is_html else f"{len(text)} bytes that are not whole JSON"
            raise TransientError(
                f"The answer is {what} where JSON was due.", remedy=_PROXY_REMEDY
            ) from error

    @property
    def size(self) -> int:
        """Bytes of the answer."""
        return len(self._text)

    def raw_at(self, path: Path) -> msgspec.Raw | None:
        """Returns the text of what stands at a path, or None where nothing does."""
        if not path:
            return msgspec.Raw(self._text)
        found = self._top.get(path[0])
        if found is None:
            return None
        for name in path[1:]:
            try:
                found = _object.decode(found)[name]
            except (KeyError, msgspec.ValidationError):
                return None
        return found

    def at(self, path: Path) -> Any:
        """Returns the value at a path; None where nothing stands there."""
        raw = self.raw_at(path)
        return None if raw is None else _any.decode(raw)

    def records(self, path: Path) -> Records:
        """Returns the list of records at a path; a null there is an empty list.

        Raises DataError where nothing stands there, or something else: no answer of another
        form may pass for an empty one.
        """
        raw = self.raw_at(path)
        where = ".".join(path) or "the top"
        if raw is None:
            raise DataError(
                f"The answer has no records at {where}.",
                remedy="See whether the API has changed, and set the stream's `records` to it.",
            )
        text = bytes(raw)
        if text == b"null":
            return Records.of([])
        try:
            return Records(text, _list.decode(text))
        except msgspec.ValidationError as error:
            raise DataError(
                f"What the answer has at {where} is not a list.",
                remedy="See whether the API has changed, and set the stream's `records` to it.",
            ) from error


class Records:
    """Records of one page, each as its JSON text."""

    def __init__(self, text: bytes, raws: Sequence[msgspec.Raw]) -> None:
        """`text` is the JSON list whose items `raws` are."""
        self._text = text
        self._raws = raws

    @classmethod
    def of(cls, raws: Sequence[msgspec.Raw]) -> Records:
        """Makes a list of records."""
        return cls(b"[" + b",".join(raws) + b"]", raws)

    def __len__(self) -> int:
        return len(self._raws)

    def take(self, rows: Sequence[int]) -> Records:
        """Returns some of the records, in the order asked for."""
        return Records.of([self._raws[row] for row in rows])

    def not_objects(self) -> int:
        """Returns how many are no JSON objects, and so no records."""
        is_object = pc.starts_with(self.texts.array, b"{")
        return len(is_object) - int(is_object.true_count)

    def text(self) -> bytes:
        """Returns the records as one JSON list."""
        return self._text

    @cached_property
    def texts(self) -> RecordTexts:
        """Each record's text, as the other side spelled it."""
        return RecordTexts.within(self._text, self._raws)

    def spelled_plainly(self) -> RecordTexts:
        """Returns the records' texts on one line each, mostly in penstock's own spelling.

        (`data.json_text.plain`.) Where a few of them have it, and none spans lines, they are taken
        as they are: the spelling saves time where they are typed, and changes no value.
        """
        if b"\n" not in self._text and all(plain(few) == few for few in self.texts.sample(_FEW)):
            return self.texts
        spelled = plain(self._text)
        return RecordTexts.within(spelled, _list.decode(spelled))

    def values(self, *, is_exact: bool) -> list[dict[str, Any]]:
        """Returns the records as Python values; `is_exact` keeps fractions as Decimal."""
        decoder = _exact if is_exact else _any
        values: list[dict[str, Any]] = decoder.decode(self._text)
        return values

    def fields(self, path: Path) -> list[Any]:
        """Returns one field of each record, None where it has none; the rest is only skipped."""
        if not self._raws:
            return []
        found: list[Any] = _reader(path).decode(self._text)
        for _ in path:
            found = [None if outer is None else outer.value for outer in found]
        return found


@cache
def _reader(path: Path) -> msgspec.json.Decoder[Any]:
    kind: Any = Any
    for name in reversed(path):
        kind = msgspec.defstruct("Outer", [("value", kind, None)], rename={"value": name}) | None
    return msgspec.json.Decoder(list[kind])
