"""The Pulsar destination: its check and its writers."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from penstock.destinations.pulsar.config import PulsarConfig
from penstock.destinations.pulsar.topics import topic_of
from penstock.errors import ConfigError, MissingDriver
from penstock.sdk.destination import Capabilities, StreamPlan, TableName, WriteMode, Writer

if TYPE_CHECKING:
    from penstock.destinations.pulsar.credentials import Login
    from penstock.destinations.pulsar.session import PulsarSession

_log = logging.getLogger(__name__)
_CHECK_SECONDS: Final = 10


class PulsarDestination:
    """Writes streams as messages, a topic each; at least once, proved by acknowledgements."""

    Config: ClassVar[type[PulsarConfig]] = PulsarConfig
    title: ClassVar[str] = "Apache Pulsar"
    documentation_url: ClassVar[str] = (
        "https://github.com/penstock-data/penstock/tree/main/docs/connectors/destination-pulsar.md"
    )
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({WriteMode.APPEND, WriteMode.APPEND_DEDUP}),
        exactly_once=False,
        max_identifier_bytes=128,
    )

    def __init__(self, config: PulsarConfig, *, token: Callable[[], str] | None = None) -> None:
        """`token` gives the token of each login, for programs that have their own way to one."""
        self._config = config
        self._token = token
        self._topics: dict[str, TableName] = {}
        self._lock = threading.Lock()
        self._known: Login | None = None

    def check(self) -> None:
        """Logs in, opens a topic that is not stored, and sends an empty message to it.

        Raises AccessDenied where the broker refuses the login or the right to produce,
        ConnectionFailed where none answers.
        """
        seconds = min(_CHECK_SECONDS, self._config.operation_seconds)
        with self._session(operation_seconds=seconds) as session:
            session.try_producing(f"penstock-check-{uuid.uuid4().hex}")

    @contextmanager
    def open(self, plan: StreamPlan) -> Iterator[Writer]:
        """Opens one writer; see `penstock.destinations.pulsar.writer`."""
        topic = self._claimed(plan.table)
        with self._session(operation_seconds=self._config.operation_seconds) as session:
            from penstock.destinations.pulsar.writer import pulsar_writer  # noqa: PLC0415

            with pulsar_writer(session, self._config, plan, topic) as writer:
                yield writer

    def _claimed(self, table: TableName) -> str:
        """Returns a stream's topic; raises ConfigError where another stream of the sync has it."""
        topic = topic_of(table, self._config.topic)
        with self._lock:
            other = self._topics.setdefault(topic, table)
        if other != table:
            raise ConfigError(
                f"{table} and {other} would both be written to the topic {topic}.",
                remedy="Set `topic` to a pattern with {namespace} and {stream}.",
                field="topic",
            )
        return topic

    @contextmanager
    def _session(self, *, operation_seconds: int) -> Iterator[PulsarSession]:
        try:
            from penstock.destinations.pulsar.session import open_session  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise MissingDriver(
                f"Pulsar needs the package {error.name}.",
                remedy='Install it: pip install "penstock[pulsar]".',
            ) from error
        with open_session(
            self._config, self._login(), operation_seconds=operation_seconds
        ) as session:
            yield session

    def _login(self) -> Login:
        """Returns the login, one for all streams: they share its tokens."""
        from penstock.destinations.pulsar.credentials import login_of  # noqa: PLC0415 (httpx)

        with self._lock:
            if self._known is None:
                self._known = login_of(self._config.authentication, self._token)
                self._warn_of_plain_login(self._known)
            return self._known

    def _warn_of_plain_login(self, login: Login) -> None:
        from penstock.destinations.pulsar.address import hosts_of  # noqa: PLC0415

        scheme, hosts = hosts_of(self._config.service_url)
        is_plain = scheme == "pulsar" and not all(host.is_here for host in hosts)
        if is_plain and login.method != "none":
            _log.warning(
                "the login goes to Pulsar unencrypted; use pulsar+ssl://",
                extra={"service_url": self._config.service_url},
            )
