"""States given and taken by hand: any form that Airbyte, PyAirbyte or penstock writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.library.exceptions import PyAirbyteInputError
from penstock.protocol.codec import decode_states, encode_states
from penstock.protocol.state import State

GivenState = Sequence[Mapping[str, Any] | State] | Mapping[str, Any] | str | bytes | Path | None
"""State messages as documents, one of them, their JSON text, or a file of it."""


def states_from(given: GivenState) -> tuple[State, ...] | None:
    """Returns the states of any form; None stays None. Raises ConfigError, PyAirbyteInputError."""
    if given is None:
        return None
    if isinstance(given, Path):
        return decode_states(given.read_bytes())
    if isinstance(given, bytes):
        return decode_states(given)
    if isinstance(given, str):
        return decode_states(given.encode())
    documents = [given] if isinstance(given, Mapping) else list(given)
    plain = [msgspec.to_builtins(each) if isinstance(each, State) else each for each in documents]
    try:
        text = json.dumps(plain)
    except (TypeError, ValueError) as error:
        raise PyAirbyteInputError(
            f"The state holds something that is no JSON: {error}.",
            remedy="Give what source.get_state(cache) returned.",
        ) from error
    return decode_states(text.encode())


def states_as_documents(states: Iterable[State]) -> list[dict[str, Any]]:
    """Returns states as plain documents, as Airbyte connectors read them."""
    documents: list[dict[str, Any]] = json.loads(encode_states(list(states)))
    return documents
