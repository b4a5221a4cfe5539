"""Dimagi's own client reads the double as the real thing, and finds what our source finds."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from penstock.protocol.catalog import SyncMode
from penstock.sdk.stream import ReadRequest
from penstock.sources.commcare import CommCareConfig, CommCareSource
from tests.doubles.commcare_server import CommCare
from tests.doubles.vendor import serving

CLIENT = "commcare-export==1.16.0"
QUERIES = {
    "forms": ("form", ["id", "form.name", "form.age", "indexed_on"]),
    "children": ("form[*].form.children[*]", ["$.id", "name", "age"]),
    "users": ("user", ["id", "username", "user_data.chw_id"]),
}


def query(folder: Path) -> Path:
    """Writes what is to be exported, as the client's users do: a sheet each."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, (source, fields) in QUERIES.items():
        sheet = book.create_sheet(name)
        sheet.append(["Data Source", "Field", "Source Field"])
        for number, field in enumerate(fields):
            sheet.append([source if number == 0 else None, field, field])
    path = folder / "query.xlsx"
    book.save(path)
    return path


def export(hq: CommCare, folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """Runs the client, and returns the rows of each sheet, sorted."""
    out = folder / "out.zip"
    command = [sys.executable, "-m", "uv", "tool", "run", "--from", CLIENT, "commcare-export"]
    command += ["--commcare-hq", hq.url, "--project", hq.domain, "--username", hq.username]
    command += ["--password", hq.api_key, "--auth-mode", "apikey", "--batch-size", "25"]
    command += ["--query", str(query(folder)), "--output-format", "csv", "--output", str(out)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tables = {}
    with zipfile.ZipFile(out) as archive:
        for name in archive.namelist():
            text = io.StringIO(archive.read(name).decode())
            tables[Path(name).stem] = sorted(tuple(row) for row in list(csv.reader(text))[1:])
    return tables


def _age(row: dict[str, Any]) -> str:
    """An answer as it was given: what is no number is beside the column."""
    if row.get("form.age") is not None:
        return str(row["form.age"])
    return str((row["_extra"] or {}).get("age", ""))


@pytest.mark.network
@pytest.mark.slow
def test_dimagis_own_client_finds_the_same_rows(tmp_path: Path) -> None:
    with serving(CommCare.of(120)) as hq:
        hq.faults.extend([None, "429:0.5"])
        theirs = export(hq, tmp_path)
        config = CommCareConfig(
            base_url=hq.url,
            project_space=hq.domain,
            username=hq.username,
            api_key=hq.api_key,
            page_size=25,
        )
        source = CommCareSource(config)
        ours = {
            stream.name: [
                row
                for item in stream.read(ReadRequest(mode=SyncMode.FULL_REFRESH))
                if isinstance(item, list)
                for row in item
            ]
            for stream in source.streams()
        }
    typed = [*ours["form_registration_4281eb62"], *ours["form_visit_9f1c22b0"]]
    children = ours["form_registration_4281eb62__children"]
    users = ours["users"]
    assert theirs == {
        "forms": sorted(
            (
                row["id"],
                row.get("form.name") or "",
                _age(row),
                row["indexed_on"],
            )
            for row in typed
        ),
        "children": sorted(
            (row["form_id"], row["form.children.name"], str(row["form.children.age"]))
            for row in children
        ),
        "users": sorted((row["id"], row["username"], row["user_data"]["chw_id"]) for row in users),
    }
