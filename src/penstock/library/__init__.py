"""PyAirbyte's names on penstock's engine; `import penstock as ab` is the front door to them."""

from __future__ import annotations
