"""Pages of CommCare's lists: by offset, each overlapping the one before, to see what moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from penstock.errors import TransientError
from penstock.sdk.rest.body import Body
from penstock.sdk.rest.paginate import PageFacts, Turn

_MOST_READINGS: Final = 10


def says_more(body: Body, number: int) -> bool:
    """Tells whether an answer names a page after it, be it empty itself."""
    del number
    return body.at(("meta", "next")) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page begins, and the record that should be first there."""

    offset: int = 0
    first: tuple[str, ...] | None = None
    again: int = 0
    """How often the list was begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaOffset:
    """Pages by offset, until `meta.next` is null.

    Each page begins with the last record of the one before. When another stands there, records
    were added or deleted meanwhile and others have moved past: the list is read anew, and the
    stream leaves out what it has had. Only whether there is a next address is read, not the
    address: older servers leave its path out.
    """

    limit: int
    """Records a page, two at least; servers may give fewer."""
    repeats: ClassVar[bool] = True

    def first(self) -> Turn:
        """Asks for the first page."""
        return self._turn(Place())

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks for the records from the last one on, or from the first where some have moved."""
        place: Place = turn.position
        ids = page.ids()
        if place.first is not None and ids[:1] != [place.first]:
            if place.again >= _MOST_READINGS:
                raise TransientError(
                    "A list of CommCare changes faster than it can be read.",
                    remedy="Read again when fewer changes are under way.",
                )
            return self._turn(Place(again=place.again + 1))
        if not says_more(page.body, place.offset):
            return None
        if page.count < 2:
            # Too few to overlap with; an empty page stands for as many as were asked for.
            step = page.count or self.limit
            return self._turn(Place(offset=place.offset + step, again=place.again))
        return self._turn(
            Place(offset=place.offset + page.count - 1, first=ids[-1], again=place.again)
        )

    def _turn(self, place: Place) -> Turn:
        params = {"limit": self.limit, "offset": place.offset}
        return Turn(params=params, position=place, again=place.again)
