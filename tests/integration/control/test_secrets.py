"""Secrets are kept encrypted, given only to runners, and never shown."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from penstock.control.secrets import (
    KEY_VARIABLE,
    KeyRing,
    SecretStore,
    load_keys,
    new_key,
    places,
    shown,
    texts_of,
)
from penstock.control.store import Store, secrets
from penstock.control.store.tables import secrets as table
from penstock.errors import ConfigError
from tests.integration.control.samples import NOW, world

SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "password": {"type": "string", "airbyte_secret": True},
        "tunnel": {
            "oneOf": [
                {"properties": {"kind": {"const": "none"}}},
                {"properties": {"key": {"type": "string", "airbyte_secret": True}}},
            ]
        },
        "keys": {"type": "array", "items": {"type": "string", "airbyte_secret": True}},
    },
}
CONFIG: dict[str, Any] = {
    "host": "db",
    "password": "hunter2-canary",
    "tunnel": {"kind": "key", "key": "-----BEGIN-----\ncanary-line-of-a-key\n-----END-----"},
    "keys": ["canary-one", "canary-two"],
}


@pytest.fixture
def box() -> SecretStore:
    return SecretStore(KeyRing((new_key(),)))


def keep(
    store: Store, box: SecretStore, config: dict[str, Any], before: Any = None
) -> dict[str, Any]:
    with store.write() as tx:
        return box.split(tx, config, SPEC, workspace_id="w1", now=NOW, before=before)


def test_secrets_wherever_they_stand_leave_the_configuration_and_come_back(
    store: Store, box: SecretStore
) -> None:
    world(store)
    kept = keep(store, box, CONFIG)
    assert "canary" not in repr(kept)
    assert kept["host"] == "db"
    with store.read() as tx:
        assert box.opened(tx, kept) == CONFIG
        raw = tx.execute(select(table)).all()
    assert "canary" not in repr(raw)
    assert len(raw) == 4


def test_what_is_shown_and_logged_has_no_secret(store: Store, box: SecretStore) -> None:
    world(store)
    kept = keep(store, box, CONFIG)
    seen = shown(kept, SPEC)
    assert "canary" not in repr(seen)
    assert seen["host"] == "db"
    assert seen["keys"] == ["**********", "**********"]
    with store.read() as tx:
        texts = texts_of(box.opened(tx, kept), kept)
    assert {"hunter2-canary", "canary-one", "canary-line-of-a-key"} <= texts


def test_a_masked_secret_sent_back_stays_what_it_was(store: Store, box: SecretStore) -> None:
    world(store)
    kept = keep(store, box, CONFIG)
    again = keep(store, box, {**shown(kept, SPEC), "host": "other"}, before=kept)
    assert again == {**kept, "host": "other"}


def test_a_mask_without_a_secret_behind_it_is_refused(store: Store, box: SecretStore) -> None:
    world(store)
    with pytest.raises(ConfigError, match="password came masked"):
        keep(store, box, {"password": "**********"})


def test_nobody_opens_a_secret_by_naming_its_id(store: Store, box: SecretStore) -> None:
    world(store)
    kept = keep(store, box, CONFIG)
    for stolen in (
        {"host": kept["password"]},
        {"password": kept["password"]},
        {"tunnel": {"kind": kept["password"]}},
    ):
        with pytest.raises(ConfigError):
            keep(store, box, stolen)


def test_a_reference_is_kept_as_it_is_written(store: Store, box: SecretStore) -> None:
    world(store)
    kept = keep(store, box, {"password": "${env:DB_PASSWORD}"})
    assert kept == {"password": "${env:DB_PASSWORD}"}


def test_a_secret_moved_to_another_place_does_not_open(store: Store, box: SecretStore) -> None:
    world(store)
    one, two = (keep(store, box, {"password": text}) for text in ("canary-a", "canary-b"))
    (first,), (second,) = places(one), places(two)
    with store.write() as tx:
        found = secrets.find(tx, [first, second])
        secrets.reseal(tx, replace(found[second], id=first))
    with store.read() as tx, pytest.raises(ConfigError, match="changed in the database"):
        box.opened(tx, one)


def test_rotation_leaves_nothing_under_the_old_key(store: Store, box: SecretStore) -> None:
    world(store)
    kept = keep(store, box, CONFIG)
    rotated = SecretStore(KeyRing((new_key(), *box.ring.keys)))
    assert rotated.rotate(store) == 4
    only_new = SecretStore(KeyRing(rotated.ring.keys[:1]))
    with store.read() as tx:
        assert only_new.opened(tx, kept) == CONFIG
        assert secrets.count_by_key(tx) == {only_new.ring.current.id: 4}
        with pytest.raises(ConfigError, match="which is not there"):
            box.opened(tx, kept)


def test_a_key_file_is_made_once_and_for_the_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    file = tmp_path / "secrets.key"
    with pytest.raises(ConfigError, match="openssl rand"):
        load_keys(file, makes_file=False)
    made = load_keys(file, makes_file=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_keys(file, makes_file=True) == made
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_keys(file, makes_file=True)


def test_a_key_of_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    ring = load_keys(tmp_path / "none", makes_file=False)
    assert ring.current.value == b"01234567890123456789012345678901"
    monkeypatch.setenv(KEY_VARIABLE, "too-short")
    with pytest.raises(ConfigError, match="no key of 32 bytes"):
        load_keys(tmp_path / "none", makes_file=False)
