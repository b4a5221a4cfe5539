"""Who watches: said by the environment's standard variables, as in other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from penstock.control.observing.watchers import Watcher

_TRACES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_LINEAGE: Final = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG", "OPENLINEAGE__TRANSPORT__TYPE")


def asked_for(environment: Mapping[str, str]) -> Iterator[Watcher]:
    """Yields the watchers that variables ask for.

    Raises MissingDriver where what one of them needs is not installed.
    """
    if _is_set(environment, _TRACES, unless="OTEL_SDK_DISABLED"):
        from penstock.control.observing.tracing import Tracing  # noqa: PLC0415 (200 ms)

        yield Tracing()
    if _is_set(environment, _LINEAGE, unless="OPENLINEAGE_DISABLED"):
        from penstock.control.observing.lineage import Lineage  # noqa: PLC0415 (200 ms)

        yield Lineage()


def _is_set(environment: Mapping[str, str], names: tuple[str, ...], *, unless: str) -> bool:
    is_off = environment.get(unless, "").lower() == "true"
    return not is_off and any(environment.get(name) for name in names)
