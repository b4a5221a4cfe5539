"""The least Python can do with an API: fetch page after page, parse each, count the records."""

from __future__ import annotations

import sys

import httpx
import orjson

url, expected = sys.argv[1:]
count, page = 0, 1
with httpx.Client(timeout=60) as http:
    while items := orjson.loads(http.get(url, params={"page": page}).content)["items"]:
        count, page = count + len(items), page + 1
if count != int(expected):
    sys.exit(f"{count} records instead of {expected}")
