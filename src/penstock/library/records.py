"""One record as PyAirbyte hands it out: a dict whose keys are found whatever their case."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from penstock.data.names import EXTRACTED_AT, META, RAW_ID, identifier

__all__ = [
    "StreamRecord",
]

_MAX_BYTES = 255


class StreamRecord(dict[str, Any]):
    """One row under the source's own keys; `record["ID"]` finds "id" too."""

    def __init__(
        self,
        from_dict: Mapping[str, Any],
        *,
        expected_keys: Iterable[str] = (),
        prune_undeclared_fields: bool = False,
        normalize_field_names: bool = False,
        with_internal_columns: bool = True,
        extracted_at: dt.datetime | None = None,
    ) -> None:
        """`expected_keys` are those of the stream's schema: an absent one becomes None."""
        declared = list(expected_keys)
        values: dict[str, Any] = dict.fromkeys(declared)
        keep = values.keys() if prune_undeclared_fields and declared else None
        values.update({k: v for k, v in from_dict.items() if keep is None or k in keep})
        if normalize_field_names:
            values = {identifier(key, _MAX_BYTES): value for key, value in values.items()}
        super().__init__(values)
        self._folded: dict[str, str] | None = None
        if with_internal_columns:
            moment = extracted_at or dt.datetime.now(dt.UTC)
            self.update({RAW_ID: str(uuid.uuid4()), EXTRACTED_AT: moment, META: {}})

    def _own(self, key: object) -> Any:
        if dict.__contains__(self, key) or not isinstance(key, str):
            return key
        if self._folded is None or len(self._folded) != len(self):
            self._folded = {own.lower(): own for own in self}
        return self._folded.get(key.lower(), key)

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__(self._own(key))

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(self._own(key), value)
        self._folded = None

    def __delitem__(self, key: str) -> None:
        super().__delitem__(self._own(key))
        self._folded = None

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._own(key))

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(self._own(key), default)

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        mine = {key.lower(): value for key, value in self.items()}
        return mine == {str(key).lower(): value for key, value in other.items()}

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def without_internal_columns(self) -> dict[str, Any]:
        """Returns the source's own values only, as a plain dict."""
        return {k: v for k, v in self.items() if k not in (RAW_ID, EXTRACTED_AT, META)}
