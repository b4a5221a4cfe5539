"""One connection of the client: producers, and the schemas that topics have."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import pulsar
from _pulsar import SchemaType
from pulsar.schema import BytesSchema, Schema

from penstock.destinations.pulsar.address import Address, address_of
from penstock.destinations.pulsar.config import PulsarConfig
from penstock.destinations.pulsar.credentials import Login
from penstock.destinations.pulsar.failures import MAY_BE_A_REFUSAL, as_penstock_error
from penstock.destinations.pulsar.handshake import Greeting, greet
from penstock.errors import AccessDenied, PenstockError

if TYPE_CHECKING:
    from penstock.destinations.pulsar.records import Registered

_log = logging.getLogger(__name__)
_HEADROOM_BYTES: Final = 64 << 10
"""Kept free of a message's most bytes, for what the protocol adds (10 KiB seen), and properties."""
_BATCH_MESSAGES: Final = 1000
_BATCH_BYTES: Final = 1 << 20
_BATCH_MILLISECONDS: Final = 10
_PENDING_MESSAGES: Final = 10_000
_COMPRESSIONS: Final = {
    "none": pulsar.CompressionType.NONE,
    "lz4": pulsar.CompressionType.LZ4,
    "zlib": pulsar.CompressionType.ZLib,
    "zstd": pulsar.CompressionType.ZSTD,
    "snappy": pulsar.CompressionType.SNAPPY,
}


class _ClientLog(logging.Logger):
    """Takes what the client says of its connections, of use only to somebody who looks into one.

    What matters of it comes back as an error. Without a logger the client writes to standard
    output, where our own messages go.
    """

    def log(self, level: int, msg: object, *args: object, **_: Any) -> None:
        quieter = logging.INFO if level in (logging.WARNING, logging.ERROR) else logging.DEBUG
        _log.log(quieter, "client: %s", msg, *args)


class _Ready(Schema):  # type: ignore[misc]  # the client has no types
    """A schema for content that is encoded already."""

    def __init__(self, registered: Registered) -> None:
        kind = SchemaType.AVRO if registered.encoding == "avro" else SchemaType.JSON
        super().__init__(bytes, kind, registered.definition, registered.name)

    def encode(self, obj: bytes) -> bytes:
        return obj

    def decode(self, data: bytes) -> bytes:
        return data


class PulsarSession:
    """The client while it is open, logged in."""

    def __init__(
        self,
        config: PulsarConfig,
        login: Login,
        address: Address,
        *,
        client: pulsar.Client,
        greeting: Greeting,
    ) -> None:
        self._config = config
        self._login = login
        self._address = address
        self._client = client
        self.greeting = greeting

    @property
    def most_bytes(self) -> int:
        """The largest content and key of a message that is not cut."""
        return max(1, self.greeting.max_message_bytes - _HEADROOM_BYTES)

    def full_name(self, topic: str) -> str:
        """Returns a topic's whole name."""
        return f"persistent://{self._config.tenant}/{self._config.namespace}/{topic}"

    def producer(
        self, topic: str, registered: Registered | None, *, cuts: bool = False
    ) -> pulsar.Producer:
        """Opens a producer on a topic of a whole name, registering the schema.

        One that cuts sends each message by itself, those too large in parts.
        """
        config = self._config
        batching = pulsar.BatchingType
        try:
            return self._client.create_producer(
                topic,
                schema=BytesSchema() if registered is None else _Ready(registered),
                send_timeout_millis=config.send_seconds * 1000,
                compression_type=_COMPRESSIONS[config.compression],
                max_pending_messages=_PENDING_MESSAGES,
                block_if_queue_full=True,
                batching_enabled=not cuts,
                batching_max_messages=_BATCH_MESSAGES,
                batching_max_allowed_size_in_bytes=_BATCH_BYTES,
                batching_max_publish_delay_ms=_BATCH_MILLISECONDS,
                batching_type=batching.KeyBased if config.batches_by_key else batching.Default,
                chunking_enabled=cuts,
            )
        except pulsar.PulsarException as error:
            raise self.error(type(error).__name__, f"opening {topic} to write") from error

    def try_producing(self, topic: str) -> None:
        """Sends an empty message to a topic that nobody stores, and that goes by itself."""
        name = f"non-persistent://{self._config.tenant}/{self._config.namespace}/{topic}"
        producer = self.producer(name, None)
        try:
            producer.send(b"")
        except pulsar.PulsarException as error:
            raise self.error(type(error).__name__, f"writing to {name}") from error

    def registered(self, topic: str) -> dict[str, Any] | None:
        """Returns the definition of a topic's newest schema; None where it has none."""
        client = self._client._client  # noqa: SLF001 - the wrapper does not hand it through
        try:
            found = client.get_schema_info(topic, -1)
        except pulsar.TopicNotFound:
            return None
        except pulsar.PulsarException as error:
            raise self.error(type(error).__name__, f"asking for the schema of {topic}") from error
        text = found.schema()
        try:
            definition = json.loads(text)
        except ValueError:
            return None
        return definition if isinstance(definition, dict) else None

    def error(self, name: str, what: str) -> PenstockError:
        """Returns what one of the client's errors means; asks the broker whether it lets us in.

        The client says that it timed out where the broker refuses the login.
        """
        known = self._login.failed
        if known is not None:
            return known
        if name in MAY_BE_A_REFUSAL:
            try:
                greet(self._address, self._login, seconds=self._config.operation_seconds)
            except AccessDenied as refusal:
                return refusal
            except PenstockError as failure:
                _log.debug("the broker does not answer: %s", failure)
        return as_penstock_error(name, what)


@contextmanager
def open_session(
    config: PulsarConfig, login: Login, *, operation_seconds: int
) -> Iterator[PulsarSession]:
    """Logs in and opens a client; leaving by an error drops what is on its way."""
    with ExitStack() as closing:
        address = closing.enter_context(address_of(config))
        greeting = greet(address, login, seconds=operation_seconds)
        try:
            client = pulsar.Client(
                address.url,
                authentication=login.for_client(address.certificate),
                operation_timeout_seconds=operation_seconds,
                connection_timeout_ms=operation_seconds * 1000,
                tls_trust_certs_file_path=address.authorities,
                tls_validate_hostname=address.checks_hostname,
                logger=_ClientLog("pulsar"),
            )
        except pulsar.PulsarException as error:
            raise as_penstock_error(type(error).__name__, "making a client") from error
        try:
            yield PulsarSession(config, login, address, client=client, greeting=greeting)
        finally:
            _close(client)


def _close(client: pulsar.Client) -> None:
    """Closes a client; what it may say then changes nothing: commits waited for every message."""
    try:
        client.close()
    except pulsar.PulsarException as error:
        _log.info("the connection to Pulsar was not closed well", extra={"why": str(error)})
