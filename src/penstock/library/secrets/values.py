"""A secret as a value: a string that does not show itself."""

from __future__ import annotations

import json
from typing import Any

from penstock.library.exceptions import PyAirbyteInputError


class SecretString(str):
    """A string whose `repr` is masked; it is True even when empty, as PyAirbyte's is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<SecretString: ****>"

    def __bool__(self) -> bool:
        return True

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def is_empty(self) -> bool:
        """Tells whether there is no text in it."""
        return len(self) == 0

    def is_json(self) -> bool:
        """Tells whether it is JSON."""
        try:
            json.loads(self)
        except ValueError:
            return False
        return True

    def parse_json(self) -> Any:
        """Returns it parsed as JSON; raises PyAirbyteInputError, without quoting it."""
        try:
            return json.loads(self)
        except ValueError as error:
            raise PyAirbyteInputError(
                f"The secret is not JSON (at character {getattr(error, 'pos', 0)}).",
                remedy="Store it as JSON, or use it as text.",
            ) from None
