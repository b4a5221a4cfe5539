"""What goes into the store comes out as it was, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import text

from penstock.control.accounts import AuditEntry, IdempotentReply, LoginLink, Token, User
from penstock.control.history import Event, RunStatus, StreamState
from penstock.control.model import Channel, ChannelKind, ConnectionStatus, Tag
from penstock.control.store import (
    Store,
    Window,
    audit,
    connections,
    connectors,
    due,
    events,
    people,
    runs,
    states,
    workspaces,
)
from penstock.control.store.copying import copy_all
from penstock.control.store.migrate import upgrade
from penstock.errors import ConfigError, ConnectionFailed, ResourceBusy, Superseded, UnknownName
from tests.integration.control.samples import NOW, a_connection, a_run, later, world


def test_a_connector_comes_back_with_exact_values(store: Store) -> None:
    kept = world(store)
    with store.read() as tx:
        assert connectors.get(tx, kept.source.id) == kept.source


def test_a_connection_comes_back_as_it_was(store: Store) -> None:
    kept = world(store)
    with store.read() as tx:
        assert connections.get(tx, "c1") == kept.connection


def test_a_moment_comes_back_in_utc_whatever_its_zone(store: Store) -> None:
    kept = world(store)
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    with store.write() as tx:
        connections.save(tx, replace(kept.connection, failing_since=there))
    with store.read() as tx:
        found = connections.get(tx, "c1").failing_since
    assert found == NOW
    assert found is not None
    assert found.utcoffset() == timedelta(0)


def test_what_is_deleted_is_unknown_but_still_listed_on_request(store: Store) -> None:
    world(store)
    with store.write() as tx:
        connections.delete_(tx, "c1", now=NOW)
    with store.read() as tx:
        with pytest.raises(UnknownName, match="no connection c1"):
            connections.get(tx, "c1")
        found = connections.get(tx, "c1", with_deleted=True)
    assert found.status is ConnectionStatus.DEPRECATED


def test_pages_give_every_item_once_though_their_times_are_equal(store: Store) -> None:
    world(store)
    with store.write() as tx:
        for number in range(24):
            connections.create(tx, a_connection("w1", f"x{number:02}"))
    seen: list[str] = []
    cursor = None
    with store.read() as tx:
        while True:
            page = connections.list_(tx, Window(limit=7, after=cursor))
            seen += [each.id for each in page.items]
            cursor = page.next
            if cursor is None:
                break
    assert seen == ["c1", *(f"x{number:02}" for number in range(24))]


def test_a_made_up_cursor_is_refused(store: Store) -> None:
    with store.read() as tx, pytest.raises(ConfigError, match="no cursor"):
        runs.list_(tx, Window(after="nonsense"))


def test_connections_are_found_by_a_part_of_their_name_and_by_tag(store: Store) -> None:
    world(store)
    with store.write() as tx:
        connections.create(tx, replace(a_connection("w1", "c2"), name="100% Sales"))
        connections.create_tag(tx, Tag(id="t", workspace_id="w1", name="finance", color="ff0000"))
        connections.set_tags(tx, "c2", ["t", "t"])
    with store.read() as tx:
        for wanted in (
            connections.Filter(search="0% sal"),
            connections.Filter(tag_ids=["t"]),
        ):
            assert [each.id for each in connections.list_(tx, Window(), wanted).items] == ["c2"]
        assert connections.tags_of(tx, ["c1", "c2"])["c2"][0].name == "finance"


def test_a_connection_has_one_run_at_a_time(store: Store) -> None:
    kept = world(store)
    with store.write() as tx:
        first = runs.enqueue(tx, a_run(kept.connection))
    with store.write() as tx, pytest.raises(ResourceBusy, match=f"run {first.id}"):
        runs.enqueue(tx, a_run(kept.connection))
    with store.write() as tx:
        assert runs.request_cancel(tx, first.id, by="me", now=NOW).status is RunStatus.CANCELLED
        assert runs.enqueue(tx, a_run(kept.connection)).id > first.id


def test_of_many_who_ask_at_once_one_gets_the_run(store: Store) -> None:
    kept = world(store)
    won: list[int] = []
    lost: list[str] = []

    def ask() -> None:
        try:
            with store.write() as tx:
                won.append(runs.enqueue(tx, a_run(kept.connection)).id)
        except ResourceBusy as error:
            lost.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)


def test_fences_grow_even_when_the_clock_goes_back(store: Store) -> None:
    world(store)
    with store.write() as tx:
        first = connections.next_fence(tx, "c1", now=NOW)
        second = connections.next_fence(tx, "c1", now=later(-3600))
    assert first == int(NOW.timestamp())
    assert second == first + 1


def test_an_older_attempt_cannot_save_its_state(store: Store) -> None:
    world(store)
    newer = StreamState(
        connection_id="c1", name="users", state='{"at": 2.10}', fence=8, updated_at=NOW
    )
    with store.write() as tx:
        states.save(tx, newer)
    with store.write() as tx, pytest.raises(Superseded):
        states.save(tx, replace(newer, state="{}", fence=7))
    with store.read() as tx:
        assert states.of_connection(tx, "c1") == (newer,)


def test_streams_of_equal_name_in_two_namespaces_have_two_states(store: Store) -> None:
    world(store)
    bare = StreamState(connection_id="c1", name="users", state="{}", updated_at=NOW)
    with store.write() as tx:
        states.save(tx, bare)
        states.save(tx, replace(bare, namespace="public"))
        states.forget(tx, "c1", [(None, "users")])
    with store.read() as tx:
        assert [each.namespace for each in states.of_connection(tx, "c1")] == ["public"]


def test_two_servers_do_not_both_take_a_due_slot(store: Store) -> None:
    world(store)
    with store.write() as tx:
        due.arrange(tx, "c1", [due.Slot(connection_id="c1", slot=0, next_at=NOW)])
        (slot,) = due.reached(tx, NOW, limit=5)
        assert due.reached(tx, later(-1), limit=5) == ()
    with store.write() as tx:
        assert due.move(tx, slot, later(60), expected=slot.next_at)
        assert not due.move(tx, slot, later(60), expected=slot.next_at)


def test_an_event_is_delivered_to_the_channels_that_want_it(store: Store) -> None:
    world(store)
    channel = Channel(
        id="h",
        workspace_id="w1",
        name="hook",
        kind=ChannelKind.WEBHOOK,
        config={},
        events=("run.failed",),
        created_at=NOW,
    )
    with store.write() as tx:
        events.create_channel(tx, channel)
        events.note(tx, Event(at=NOW, kind="run.succeeded", workspace_id="w1"))
        kept = events.note(tx, Event(at=NOW, kind="run.failed", workspace_id="w1"))
    with store.write() as tx:
        (taken,) = events.take_deliveries(tx, NOW, until=later(60))
        assert taken.event_id == kept.id
        assert events.take_deliveries(tx, NOW, until=later(60)) == ()


def test_a_login_link_works_once(store: Store) -> None:
    with store.write() as tx:
        people.create_user(tx, User(id="u", email="a@b.c", name="A", created_at=NOW))
        link = LoginLink(link_hash="h", user_id="u", created_at=NOW, expires_at=later(60))
        people.create_link(tx, link)
    with store.write() as tx:
        assert people.use_link(tx, "h", now=later(61)) is None
        assert people.use_link(tx, "h", now=later(1)) is not None
        assert people.use_link(tx, "h", now=later(2)) is None


def test_a_deleted_user_leaves_no_token_behind(store: Store) -> None:
    token = Token(id="t", user_id="u", name="ci", token_hash="x", prefix="pst_ab", created_at=NOW)
    with store.write() as tx:
        people.create_user(tx, User(id="u", email="a@b.c", name="A", created_at=NOW))
        people.create_token(tx, token)
        assert people.token_by_hash(tx, "x") == token
        people.delete_user(tx, "u")
        assert people.token_by_hash(tx, "x") is None


def test_a_repeated_request_finds_the_first_ones_answer(store: Store) -> None:
    asked = IdempotentReply(
        key="k", actor_id="u", request_digest="d", created_at=NOW, expires_at=later(60)
    )
    with store.write() as tx:
        assert audit.begin_reply(tx, asked) is None
        audit.end_reply(tx, replace(asked, status=200, body="{}"))
    with store.write() as tx:
        assert audit.begin_reply(tx, asked) == replace(asked, status=200, body="{}")
        again = replace(asked, created_at=later(61), expires_at=later(120))
        assert audit.begin_reply(tx, again) is None


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    world(store)

    def write_and_fail() -> None:
        with store.write() as tx:
            workspaces.set_setting(tx, "x", {"a": 1})
            connections.get(tx, "missing")

    with pytest.raises(UnknownName):
        write_and_fail()
    with store.read() as tx:
        assert workspaces.setting(tx, "x") is None


def test_every_row_is_copied_into_the_other_kind_of_database(
    store: Store, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    kept = world(store)
    with store.write() as tx:
        run = runs.enqueue(tx, a_run(kept.connection))
        entry = AuditEntry(
            at=NOW, actor_id=None, actor="cli", action="x", target_kind="run", target_id="1"
        )
        audit.note(tx, entry)
    other = (
        Store(request.getfixturevalue("postgres").url)
        if store.is_sqlite
        else Store.of_file(tmp_path / "copy.db")
    )
    upgrade(other)
    counts = copy_all(store, other, now=NOW)
    assert (counts["runs"], counts["connectors"], counts["audit"]) == (1, 2, 1)
    with other.write() as tx:
        assert connectors.get(tx, kept.source.id) == kept.source
        assert runs.get(tx, run.id) == run
        runs.request_cancel(tx, run.id, by=None, now=NOW)
        assert runs.enqueue(tx, a_run(kept.connection)).id > run.id
    with pytest.raises(ConfigError, match="not empty"):
        copy_all(store, other, now=NOW)
    other.close()


def test_a_copy_is_refused_while_rows_would_be_lost(store: Store, tmp_path: Path) -> None:
    other = Store.of_file(tmp_path / "without-tables.db")
    with pytest.raises(ConfigError, match="db upgrade"):
        copy_all(store, other, now=NOW)
    other.close()


def test_many_writers_never_meet_a_locked_database(store: Store) -> None:
    failures: list[Exception] = []

    def write(name: str) -> None:
        try:
            for number in range(25):
                with store.write() as tx:
                    workspaces.set_setting(tx, f"{name}-{number}", {"n": number})
                with store.read() as tx:
                    assert workspaces.setting(tx, f"{name}-{number}") == {"n": number}
        except Exception as error:  # noqa: BLE001 (told by the test itself)
            failures.append(error)

    threads = [threading.Thread(target=write, args=(str(each),)) for each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with store.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM instance")).scalar() == 200


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_no_such_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///path"):
        Store(url)


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    store = Store("postgresql://me:hidden@127.0.0.1:1/x")
    with pytest.raises(ConnectionFailed) as raised, store.read():
        pass
    assert "127.0.0.1" in raised.value.message
    assert "hidden" not in str(raised.value)
