"""Secrets at rest: taken out of configurations, encrypted, and put back only for a runner."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from penstock.control.store import Store, Transaction, secrets
from penstock.control.store.secrets import SealedSecret
from penstock.errors import ConfigError
from penstock.sdk.config import MASK, masked, secret_paths

KEY_VARIABLE: Final = "PENSTOCK_SECRET_KEY"
AIRBYTE_MASK: Final = "**********"
"""What Airbyte's API shows for a secret; sent back, it means "as it is"."""
_PLACE: Final = "_secret"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_REFERENCE: Final = re.compile(r"^\$\{[a-z][a-z0-9-]*:[^}]+\}$")
_ANY: Final = "*"
_BATCH: Final = 200
MAPPER_SECRETS: Final = {
    "properties": {
        "mappers": {
            "items": {
                "properties": {
                    "mapperConfiguration": {"properties": {"key": {"airbyte_secret": True}}}
                }
            }
        }
    }
}
"""The one secret of a mapper, in the words of a connector's specification."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of 256 bits; its id tells keys apart and betrays nothing."""

    id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys secrets are encrypted under: the first encrypts, all decrypt."""

    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        return self.keys[0]

    def find(self, key_id: str) -> Key:
        """Returns a key; raises ConfigError when it is not on the ring."""
        for key in self.keys:
            if key.id == key_id:
                return key
        raise ConfigError(
            f"A secret was encrypted under the key {key_id}, which is not there.",
            remedy=f"Put that key back: into the key file, or into {KEY_VARIABLE}.",
        )


def new_key() -> Key:
    """Returns a new random key."""
    return _key(os.urandom(_KEY_BYTES))


def load_keys(file: Path, *, makes_file: bool) -> KeyRing:
    """Returns the keys of `PENSTOCK_SECRET_KEY` (base64, with commas between), else of a file.

    A file has a key a line, the newest first, and is readable by its owner only. With
    `makes_file` a missing one is made; else ConfigError says how to make one.
    """
    given = os.environ.get(KEY_VARIABLE)
    if given:
        return _ring(given.split(","), KEY_VARIABLE)
    try:
        if file.stat().st_mode & 0o077:
            raise ConfigError(
                f"The key file {file} can be read by others.", remedy=f"chmod 600 {file}"
            )
        return _ring(file.read_text().split(), str(file))
    except FileNotFoundError:
        if not makes_file:
            raise ConfigError(
                "There is no key to encrypt secrets with.",
                remedy=f"Set {KEY_VARIABLE} to 32 random bytes in base64, the same on every "
                "server: openssl rand -base64 32",
            ) from None
    ring = KeyRing((new_key(),))
    write_keys(ring, file)
    return ring


def write_keys(ring: KeyRing, file: Path) -> None:
    """Writes the keys, whole or not at all, readable by the owner only."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.writelines(base64.b64encode(key.value).decode() + "\n" for key in ring.keys)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(file)


@dataclass(frozen=True, slots=True)
class SecretStore:
    """Encrypts with AES-256-GCM; a secret moved to another id or workspace does not open."""

    ring: KeyRing

    def split(
        self,
        tx: Transaction,
        config: Mapping[str, Any],
        spec: Mapping[str, Any],
        *,
        workspace_id: str,
        now: datetime,
        before: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Returns the configuration with its secrets kept apart, as `{"_secret": id}`.

        What the spec marks `airbyte_secret` is a secret. One that comes back masked stays what it
        was in `before`; a reference (`${env:X}`) is kept as it is, to be resolved by the runner.
        """
        paths = secret_paths(spec)

        def kept(value: Any, path: tuple[str, ...], old: Any) -> Any:
            if _matches(path, paths):
                return self._kept_secret(tx, value, path, old, workspace_id, now)
            if _is_place(value) and value != old:
                raise _not_there(path)  # else it would open somebody else's secret
            if isinstance(value, Mapping):
                return {
                    key: kept(inner, (*path, str(key)), _item(old, key))
                    for key, inner in value.items()
                }
            if isinstance(value, list | tuple):
                return [
                    kept(inner, (*path, _ANY), _item(old, number))
                    for number, inner in enumerate(value)
                ]
            return value

        return {key: kept(inner, (str(key),), _item(before, key)) for key, inner in config.items()}

    def split_listed(
        self,
        tx: Transaction,
        name: str,
        listed: Sequence[Mapping[str, Any]],
        spec: Mapping[str, Any],
        *,
        workspace_id: str,
        now: datetime,
        before: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[dict[str, Any], ...]:
        """Returns a list of documents with their secrets kept apart; `spec` has it as `name`.

        Documents are told apart by their ids, else by their places.
        """
        by_id = {each.get("id"): each for each in before}
        aligned = [
            by_id.get(each.get("id")) if each.get("id") is not None else _item(before, number)
            for number, each in enumerate(listed)
        ]
        kept = self.split(
            tx,
            {name: listed},
            spec,
            workspace_id=workspace_id,
            now=now,
            before={name: aligned},
        )
        return tuple(kept[name])

    def opened(self, tx: Transaction, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the configuration with its secrets in place: for a runner, never to be shown."""
        found = secrets.find(tx, places(config))
        return {key: self._opened(value, found) for key, value in config.items()}

    def seal(self, tx: Transaction, value: Any, *, workspace_id: str, now: datetime) -> str:
        """Keeps a secret and returns its id."""
        secret_id = uuid.uuid4().hex
        sealed = self._sealed(secret_id, workspace_id, msgspec.json.encode(value), now)
        secrets.keep(tx, sealed)
        return secret_id

    def open(self, sealed: SealedSecret) -> Any:
        """Returns what a secret holds; raises ConfigError when it was tampered with."""
        return msgspec.json.decode(self._plain(sealed))

    def rotate(self, store: Store) -> int:
        """Encrypts every secret under the current key; returns how many were under another."""
        done = 0
        while True:
            with store.write() as tx:
                batch = secrets.not_under(tx, self.ring.current.id, limit=_BATCH)
                for old in batch:
                    new = self._sealed(old.id, old.workspace_id, self._plain(old), old.created_at)
                    secrets.reseal(tx, new)
            if not batch:
                return done
            done += len(batch)

    def _kept_secret(  # noqa: PLR0917 (one leaf, all that is known of it)
        self,
        tx: Transaction,
        value: Any,
        path: tuple[str, ...],
        old: Any,
        workspace_id: str,
        now: datetime,
    ) -> Any:
        if value is None or (isinstance(value, str) and _REFERENCE.match(value)):
            return value
        if _is_place(value) or value in (MASK, AIRBYTE_MASK):
            if _is_place(old) or (isinstance(old, str) and _REFERENCE.match(old)):
                if _is_place(value) and value != old:
                    raise _not_there(path)
                return old
            raise _not_there(path)
        return {_PLACE: self.seal(tx, value, workspace_id=workspace_id, now=now)}

    def _opened(self, value: Any, found: Mapping[str, SealedSecret]) -> Any:
        if _is_place(value):
            sealed = found.get(value[_PLACE])
            if sealed is None:
                raise ConfigError(
                    f"The secret {value[_PLACE]} of this configuration is gone.",
                    remedy="Enter it again.",
                )
            return self.open(sealed)
        if isinstance(value, Mapping):
            return {key: self._opened(inner, found) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._opened(inner, found) for inner in value]
        return value

    def _sealed(
        self, secret_id: str, workspace_id: str, plain: bytes, now: datetime
    ) -> SealedSecret:
        key = self.ring.current
        nonce = os.urandom(_NONCE_BYTES)
        return SealedSecret(
            id=secret_id,
            workspace_id=workspace_id,
            key_id=key.id,
            nonce=nonce,
            ciphertext=AESGCM(key.value).encrypt(nonce, plain, _bound(workspace_id, secret_id)),
            created_at=now,
        )

    def _plain(self, sealed: SealedSecret) -> bytes:
        key = self.ring.find(sealed.key_id)
        bound = _bound(sealed.workspace_id, sealed.id)
        try:
            return AESGCM(key.value).decrypt(sealed.nonce, sealed.ciphertext, bound)
        except InvalidTag as error:
            raise ConfigError(
                f"The secret {sealed.id} cannot be opened: it was changed in the database.",
                remedy="Enter it again, or restore the database from a backup.",
            ) from error


def places(config: Any) -> frozenset[str]:
    """Returns the ids of all secrets a configuration refers to."""
    if _is_place(config):
        return frozenset((config[_PLACE],))
    inner: Iterable[Any] = ()
    if isinstance(config, Mapping):
        inner = config.values()
    elif isinstance(config, list | tuple):
        inner = config
    return frozenset().union(*(places(each) for each in inner))


def place_of(value: Any) -> str | None:
    """Returns the id of the secret that a value stands for; None for any other value."""
    return str(value[_PLACE]) if _is_place(value) else None


def unmasked(config: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration with the places of kept secrets where it has masks."""

    def filled(value: Any, old: Any) -> Any:
        if value in (MASK, AIRBYTE_MASK) and old is not None:
            return old
        if isinstance(value, Mapping) and not _is_place(value):
            known = old if isinstance(old, Mapping) else {}
            return {key: filled(inner, known.get(key)) for key, inner in value.items()}
        if isinstance(value, list):
            olds = [*(old if isinstance(old, list) else []), *[None] * len(value)]
            return [filled(inner, held) for inner, held in zip(value, olds, strict=False)]
        if _is_place(value) and value != old:
            raise _not_there(())
        return value

    return {key: filled(value, before.get(key)) for key, value in config.items()}


def shown(
    config: Mapping[str, Any], spec: Mapping[str, Any] | None, *, mask: str = AIRBYTE_MASK
) -> dict[str, Any]:
    """Returns a kept configuration to be shown: a mask in the place of each secret."""

    def hidden(value: Any) -> Any:
        if _is_place(value):
            return mask
        if isinstance(value, Mapping):
            return {key: hidden(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [hidden(inner) for inner in value]
        return value

    without = {key: hidden(inner) for key, inner in config.items()}
    if spec is None:
        return without
    return {key: _remasked(inner, mask) for key, inner in masked(without, spec).items()}


def texts_of(opened: Mapping[str, Any], kept: Mapping[str, Any]) -> frozenset[str]:
    """Returns the secret texts of an opened configuration, for taking them out of logs."""
    found: set[str] = set()

    def gather(value: Any, place: Any) -> None:
        if _is_place(place):
            _add_texts(value, found)
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                gather(inner, _item(place, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                gather(inner, _item(place, number))

    gather(opened, kept)
    return frozenset(found)


def _add_texts(value: Any, found: set[str]) -> None:
    if isinstance(value, Mapping):
        for inner in value.values():
            _add_texts(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _add_texts(inner, found)
    elif isinstance(value, str):
        found.add(value)
        found.update(line.strip() for line in value.splitlines() if len(line.strip()) > 8)


def _remasked(value: Any, mask: str) -> Any:
    if value == MASK:
        return mask
    if isinstance(value, Mapping):
        return {key: _remasked(inner, mask) for key, inner in value.items()}
    if isinstance(value, list):
        return [_remasked(inner, mask) for inner in value]
    return value


def _is_place(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {_PLACE}


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _matches(path: tuple[str, ...], paths: Iterable[tuple[str, ...]]) -> bool:
    return any(
        len(each) == len(path)
        and all(wanted in (_ANY, part) for wanted, part in zip(each, path, strict=True))
        for each in paths
    )


def _not_there(path: tuple[str, ...]) -> ConfigError:
    return ConfigError(
        f"The secret {'.'.join(path)} came masked, but there is none to keep.",
        remedy="Write the secret itself.",
        setting=".".join(path),
    )


def _bound(workspace_id: str, secret_id: str) -> bytes:
    return f"{workspace_id}/{secret_id}".encode()


def _key(value: bytes) -> Key:
    return Key(id=hashlib.sha256(value).hexdigest()[:12], value=value)


def _ring(texts: Iterable[str], where: str) -> KeyRing:
    keys = []
    for text in texts:
        try:
            value = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            value = b""
        if len(value) != _KEY_BYTES:
            raise ConfigError(
                f"{where} holds something that is no key of {_KEY_BYTES} bytes in base64.",
                remedy="Make one with: openssl rand -base64 32",
            )
        keys.append(_key(value))
    if not keys:
        raise ConfigError(f"{where} holds no key.", remedy="Make one: openssl rand -base64 32")
    return KeyRing(tuple(keys))
