"""Pages of CommCare's lists: by offset, with the place of the next one in `meta`."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.errors import DataError
from penstock.sdk.rest.paginate import PageFacts, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaOffset:
    """Pages by offset, until `meta.next` is null.

    Only whether there is a next address is read, not the address: older servers leave its path
    out. The offset grows by what was given, as servers cap page sizes.
    """

    limit: int

    def first(self) -> Turn:
        """Asks for the first page."""
        return self._turn(0)

    def next(self, turn: Turn, page: PageFacts) -> Turn | None:
        """Asks for the records after those had."""
        if page.body.at(("meta", "next")) is None:
            return None
        if not page.count:
            raise DataError(
                "CommCare gave a page without records and says that more follow.",
                remedy="Read again; if it stays so, report it to Dimagi.",
            )
        return self._turn(turn.position + page.count)

    def _turn(self, offset: int) -> Turn:
        return Turn(params={"limit": self.limit, "offset": offset}, position=offset)
