"""Measures what a browser fetches for the first page; ends with 1 when it is more than 500 kB."""

from __future__ import annotations

import re
import sys
from pathlib import Path

STATIC = Path(__file__).resolve().parent.parent / "src/penstock/server/static"
BUDGET = 500_000


def main() -> int:
    """Adds up the page's files, as sent, and those of the home page's parts, its charts too."""
    page = (STATIC / "index.html").read_text()
    first = {STATIC / f"{name}.gz" for name in re.findall(r'"/(assets/[^"]+)"', page)}
    home = {each for name in ("Home", "Charts") for each in STATIC.glob(f"assets/{name}-*.*")}
    if not first or not home:
        sys.stderr.write(f"{STATIC} holds no built pages: make ui\n")
        return 1
    size = sum(path.stat().st_size for path in first | home)
    sys.stderr.write(f"first page: {size:,} bytes of {BUDGET:,} allowed\n")
    return 0 if size <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
