"""What the library says on its own: samples, specifications, and the few lines worth a log."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

from penstock.errors import PenstockError
from penstock.library.datasets import InMemoryDataset, LazyDataset

logger = logging.getLogger(__name__)


def write_spec(
    spec: Mapping[str, Any], form: str, *, output_file: Path | str | None, to_stderr: bool
) -> None:
    """Writes a JSON Schema as YAML or JSON."""
    if form == "json":
        text = json.dumps(spec, indent=2, ensure_ascii=False) + "\n"
    else:
        text = yaml.safe_dump(dict(spec), sort_keys=False, allow_unicode=True)
    if output_file is not None:
        Path(output_file).write_text(text, encoding="utf-8")
        return
    (sys.stderr if to_stderr else sys.stdout).write(text)


def samples_of(
    get_records: Callable[..., LazyDataset], streams: Sequence[str], *, limit: int, on_error: str
) -> dict[str, InMemoryDataset | None]:
    """Returns the first records of each stream; None for one that fails, unless it raises."""
    found: dict[str, InMemoryDataset | None] = {}
    for stream in streams:
        try:
            found[stream] = get_records(stream, limit=limit).fetch_all()
        except PenstockError as error:
            if on_error == "raise":
                raise
            if on_error == "log":
                logger.warning("no sample of %s: %s", stream, error)
            found[stream] = None
    return found


def print_samples(samples: Mapping[str, InMemoryDataset | None], file: IO[str] | None) -> None:
    """Prints one table a stream, records as columns so that wide streams stay readable."""
    from rich.console import Console  # noqa: PLC0415 (75 ms)
    from rich.table import Table  # noqa: PLC0415

    console = Console(file=file or sys.stdout)
    for name, dataset in samples.items():
        if dataset is None:
            console.print(f"{name}: no sample could be read")
            continue
        records = [record.without_internal_columns() for record in dataset]
        table = Table(title=f"{name} ({len(records)})", title_justify="left")
        table.add_column("property")
        for number in range(len(records)):
            table.add_column(str(number + 1), overflow="fold")
        for key in dict.fromkeys(key for record in records for key in record):
            table.add_row(key, *(str(record.get(key)) for record in records))
        console.print(table)


def log_adoption(source: str, cache: str, count: int) -> None:
    """Logs that a read continues from what PyAirbyte stored."""
    logger.info(
        "%s continues %d states that PyAirbyte stored in this cache", source, count,
        extra={"cache": cache},
    )  # fmt: skip
