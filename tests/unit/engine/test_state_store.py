"""Checkpoints beside the destination."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.engine.state_store import (
    StoredCheckpoint,
    exclusive,
    file_name_of,
    open_state_store,
    write_durably,
)
from penstock.errors import ConfigError, ResourceBusy
from penstock.protocol.catalog import StreamDescriptor
from penstock.protocol.state import stream_state

USERS = StreamDescriptor("users", "public")
ORDERS = StreamDescriptor("orders")


def _checkpoint(stream: StreamDescriptor, blob: bytes, fence: int = 1) -> StoredCheckpoint:
    return StoredCheckpoint(stream=stream, state=stream_state(stream, blob), fence=fence)


def test_what_is_saved_is_loaded_to_the_byte(tmp_path: Path) -> None:
    store = open_state_store(tmp_path)
    blob = b'{"cursor":"2024-01-01","big":12345678901234567890123,"f":1.10}'
    store.save("c", _checkpoint(USERS, blob))
    loaded = store.load("c")
    assert loaded[0].state is not None
    assert loaded[0].state.stream is not None
    assert bytes(loaded[0].state.stream.stream_state) == blob


def test_streams_are_kept_apart_and_replaced_one_by_one(tmp_path: Path) -> None:
    store = open_state_store(tmp_path)
    store.save("c", _checkpoint(USERS, b'{"x":1}'))
    store.save("c", _checkpoint(ORDERS, b'{"x":2}'))
    store.save("c", _checkpoint(USERS, b'{"x":3}'))
    assert {c.stream: c for c in store.load("c")} == {
        USERS: _checkpoint(USERS, b'{"x":3}'),
        ORDERS: _checkpoint(ORDERS, b'{"x":2}'),
    }


def test_an_older_attempt_cannot_save_over_a_newer_one(tmp_path: Path) -> None:
    store = open_state_store(tmp_path)
    store.save("c", _checkpoint(USERS, b'{"x":2}', fence=2))
    with pytest.raises(ResourceBusy):
        store.save("c", _checkpoint(USERS, b'{"x":1}', fence=1))
    assert store.load("c") == (_checkpoint(USERS, b'{"x":2}', fence=2),)


def test_forgetting_removes_only_what_is_named(tmp_path: Path) -> None:
    store = open_state_store(tmp_path)
    store.save("c", _checkpoint(USERS, b"{}"))
    store.save("c", _checkpoint(ORDERS, b"{}"))
    store.forget("c", [USERS])
    assert [c.stream for c in store.load("c")] == [ORDERS]
    store.forget("c")
    assert store.load("c") == ()


def test_a_damaged_file_is_an_error_with_its_path_and_not_an_empty_state(tmp_path: Path) -> None:
    store = open_state_store(tmp_path)
    store.save("c", _checkpoint(USERS, b"{}"))
    (tmp_path / "state" / "c.json").write_text("{ half")
    with pytest.raises(ConfigError, match=r"c\.json is damaged"):
        store.load("c")


@pytest.mark.parametrize(
    ("one", "other"),
    [("a/b", "a_b"), ("A", "a"), ("..", "."), ("é", "è"), ("x" * 300, "x" * 301)],
    ids=["slash", "case", "dots", "accents", "long"],
)
def test_different_connections_have_different_files(one: str, other: str) -> None:
    names = {file_name_of(one).lower(), file_name_of(other).lower()}
    assert len(names) == 2
    assert not any("/" in name or name.startswith(".") or len(name) > 100 for name in names)


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    write_durably(tmp_path / "x" / "f.json", b"{}")
    assert stat.S_IMODE((tmp_path / "x" / "f.json").stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["f.json"]


def test_a_connection_is_held_by_one_process_and_freed_by_its_death(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from penstock.engine.state_store import exclusive\n"
        f"with exclusive(Path({str(tmp_path)!r}), 'c'):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ResourceBusy, match=f"in process {holder.pid}"), exclusive(tmp_path, "c"):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with exclusive(tmp_path, "c"):
        pass
