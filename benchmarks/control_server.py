"""A `penstock up` that is measured: started, asked, and what it takes of the machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.contest import Run
from benchmarks.peers import install

_TICKS = os.sysconf("SC_CLK_TCK")
_OVER = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Server:
    """One server and a client signed in to it; `stderr` is what it has said."""

    process: subprocess.Popen[str]
    address: str
    link: str
    start_seconds: float
    """From the command to the first answer."""
    stderr: Path
    client: httpx.Client = field(init=False)
    workspace: str = ""

    def __post_init__(self) -> None:
        self.client = self.new_client()

    def new_client(self) -> httpx.Client:
        """Returns one more client, as a browser of the same session has it."""
        made = httpx.Client(base_url=f"{self.address}/api/v1", timeout=60)
        if hasattr(self, "client"):
            made.headers.update(self.client.headers)
            made.cookies.update(self.client.cookies)
        return made

    def sign_in(self) -> None:
        """Follows the link that the server has printed."""
        session = self.post("/session", {"link": self.link})
        self.client.headers["x-penstock-csrf"] = session["csrf_token"]
        self.workspace = session["workspaces"][0]["id"]

    def get(self, path: str) -> Any:
        return self.client.get(path).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.post(path, json=body).raise_for_status().json()

    def definition(self, name: str) -> str:
        """Returns the id of a connector's definition."""
        found = self.get("/definitions?limit=500")["items"]
        return next(str(each["id"]) for each in found if each["name"] == name)

    def connector(self, name: str, config: dict[str, Any]) -> str:
        """Makes a connector of that kind, and returns its id."""
        body = {
            "workspace_id": self.workspace,
            "definition_id": self.definition(name),
            "name": name,
            "config": config,
        }
        return str(self.post(f"/{name.partition('-')[0]}s", body)["id"])

    def connection(self, name: str, source: str, destination: str, **more: Any) -> str:
        """Makes a connection, and returns its id."""
        ends = {"source_id": source, "destination_id": destination}
        body = {"workspace_id": self.workspace, "name": name, **ends, **more}
        return str(self.post("/connections", body)["id"])

    def run(self, connection: str) -> int:
        """Asks for a run, and returns its number."""
        return int(self.post(f"/connections/{connection}/runs", {})["id"])

    def ended(
        self, run: int, *, every_seconds: float = 0.005, as_wanted: str = "succeeded"
    ) -> dict[str, Any]:
        """Waits until a run is over; raises RuntimeError unless it has ended as wanted."""
        while (found := self.get(f"/runs/{run}"))["status"] not in _OVER:
            time.sleep(every_seconds)
        if found["status"] != as_wanted:
            raise RuntimeError(f"run {run} {found['status']}: {found['failure']}")
        return dict(found)

    def cpu_seconds(self) -> float:
        """Returns the processor time the server itself has taken, without its children's."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / _TICKS

    def resident_mib(self) -> float:
        """Returns what it holds of memory now."""
        return self._status("VmRSS")

    def peak_mib(self) -> float:
        """Returns the most it has held so far."""
        return self._status("VmHWM")

    def rested(self, seconds: float) -> Run:
        """Leaves it alone for a while, and returns what it took meanwhile."""
        before, began = self.cpu_seconds(), time.perf_counter()
        time.sleep(seconds)
        return Run(
            wall_seconds=time.perf_counter() - began,
            cpu_seconds=self.cpu_seconds() - before,
            peak_mib=self.resident_mib(),
        )

    def _status(self, name: str) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def served(folder: Path, *flags: str) -> Iterator[Server]:
    """Starts the server on a data folder, waits until it answers, and stops it in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    stderr = folder / "stderr.txt"
    words = ["up", "--port", "0", "--data-dir", str(folder / "data"), *flags]
    began = time.perf_counter()
    with stderr.open("w") as said:
        process = subprocess.Popen(
            [install("penstock").program("penstock"), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
            env={**os.environ, "PENSTOCK_HOME": str(folder / "home"), "DO_NOT_TRACK": "1"},
        )
    try:
        server = _answering(process, stderr, began)
        server.sign_in()
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=90)


def cold_start(folder: Path) -> Run:
    """Starts a server on an empty folder, and returns what it took until it answered."""
    with served(folder) as server:
        return Run(
            wall_seconds=server.start_seconds,
            cpu_seconds=server.cpu_seconds(),
            peak_mib=server.peak_mib(),
        )


def _answering(process: subprocess.Popen[str], stderr: Path, began: float) -> Server:
    """Returns the server once it answers."""
    while True:
        text = stderr.read_text()
        if found := re.search(r"is up at (http://\S+)\.", text):
            break
        if process.poll() is not None:
            raise RuntimeError(f"penstock up ended with {process.returncode}: {text[-400:]}")
        time.sleep(0.005)
    link = re.search(r"/login#(\S+)", text)
    server = Server(
        process=process,
        address=found[1],
        link=link[1] if link else "",
        start_seconds=0.0,
        stderr=stderr,
    )
    server.client.get("/health").raise_for_status()
    server.start_seconds = time.perf_counter() - began
    return server
