"""What happens after a run: SQL, a command, dbt, a webhook; asked for once, told in the run."""

from __future__ import annotations
