"""How figures are written for people: rows, bytes, rates, seconds."""

from __future__ import annotations

_KIBI = 1024
_MINUTE = 60
_HOUR = 3600
_SHORTEST_SECONDS = 0.1


def rows(count: int) -> str:
    """Returns 1234567 as "1,234,567"."""
    return f"{count:,}"


def size(count: float) -> str:
    """Returns bytes as "1.2 MiB"."""
    if count < _KIBI:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= _KIBI
        if count < _KIBI:
            return f"{count:.1f} {unit}"
    return f"{count / _KIBI:.1f} TiB"


def rate(count: int, seconds: float) -> str:
    """Returns rows a second as "12,345/s"; nothing before there is enough time to divide by."""
    return f"{count / seconds:,.0f}/s" if seconds >= _SHORTEST_SECONDS and count else ""


def duration(seconds: float) -> str:
    """Returns "0.42 s", "12.3 s", "3 min 05 s" or "2 h 07 min"."""
    if seconds < _MINUTE:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE):02d} s"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02d} min"


def short(description: str) -> str:
    """Returns how a source runs without the folder it is in, for lines that say it in passing."""
    return description.partition(" in ")[0]


def count_of(number: int, noun: str) -> str:
    """Returns "1 row", "2 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
