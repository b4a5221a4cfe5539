"""What is told to channels, on SQLite and PostgreSQL, by real HTTP and SMTP servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from penstock.control.history import Delivery, DeliveryStatus, Event
from penstock.control.house import House
from penstock.control.launchers.local import LocalLauncher
from penstock.control.model import ChannelKind
from penstock.control.notifying.channels import Channels
from penstock.control.notifying.courier import MOST_TRIES, Courier
from penstock.control.secrets import KeyRing, SecretStore, new_key
from penstock.control.store import Store, Window, events
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from tests.integration.control.samples import NOW, world
from tests.servers.certificates import signed_for
from tests.servers.taking import Taking, taking

SECRET = "whsec_" + base64.b64encode(b"canary-signing-key-of-a-test").decode()


@dataclass
class Post:
    """A control plane's notifying part, its clock in the test's hand."""

    store: Store
    house: House
    channels: Channels
    courier: Courier
    now: list[datetime] = field(default_factory=lambda: [NOW])

    def channel(self, kind: ChannelKind, config: dict[str, Any], *kinds: str) -> str:
        made = self.channels.create(
            workspace_id="w1", name="ops", kind=kind, config=config, kinds=kinds or ("*",)
        )
        return made.id

    def happens(self, kind: str, **data: Any) -> Event:
        with self.store.write() as tx:
            return events.note(
                tx,
                Event(
                    at=self.now[0], kind=kind, workspace_id="w1", connection_id="c1",
                    run_id=7, data=data,
                ),
            )  # fmt: skip

    def look(self) -> None:
        """Sends what is due, in this thread."""
        for errand in self.courier._look(10):
            errand()

    def sent(self, channel_id: str) -> tuple[Delivery, ...]:
        with self.store.read() as tx:
            return events.deliveries_of(tx, channel_id, Window(limit=100)).items


@pytest.fixture
def post(store: Store, tmp_path: Path) -> Post:
    world(store)
    now = [NOW]
    house = House(
        store=store,
        launcher=LocalLauncher(tmp_path),
        secrets=SecretStore(KeyRing((new_key(),))),
        log_folder=tmp_path / "logs",
        server_id="s1",
        clock=lambda: now[0],
    )
    channels = Channels(house)
    courier = Courier(house, channels, public_url="https://etl.example")
    return Post(store, house, channels, courier, now)


@pytest.fixture
def server() -> Iterator[Taking]:
    with taking() as found:
        yield found


def test_a_webhook_gets_the_event_signed_as_standard_webhooks_has_it(
    post: Post, server: Taking
) -> None:
    channel = post.channel(ChannelKind.WEBHOOK, {"url": f"{server.url}/in", "secret": SECRET})
    event = post.happens(
        "run.failed", failure={"message": "No route.", "remedy": "Mend it."}, rows_committed=2**60
    )
    post.look()
    (posted,) = server.posted
    document = json.loads(posted.body)
    assert (document["type"], document["run_id"], document["connection"]["name"]) == (
        "run.failed",
        7,
        "connection c1",
    )
    assert document["data"]["rows_committed"] == 2**60
    assert "No route." in document["text"]
    assert "Mend it." in document["text"]
    assert document["link"] == "https://etl.example/connections/c1/runs/7"
    head = posted.headers
    assert head["webhook-id"] == f"evt_{event.id}"
    signed = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + posted.body
    digest = hmac.new(b"canary-signing-key-of-a-test", signed, hashlib.sha256).digest()
    assert head["webhook-signature"] == "v1," + base64.b64encode(digest).decode()
    (delivery,) = post.sent(channel)
    assert (delivery.status, delivery.tries) == (DeliveryStatus.SENT, 1)


def test_what_is_refused_is_tried_again_later_and_later_and_given_up_in_the_end(
    post: Post, server: Taking
) -> None:
    channel = post.channel(ChannelKind.WEBHOOK, {"url": server.url})
    server.answers.extend([503] * MOST_TRIES)
    post.happens("run.failed")
    waits = []
    for _ in range(MOST_TRIES):
        post.look()
        (delivery,) = post.sent(channel)
        waits.append(delivery.next_at - post.now[0])
        post.look()  # not before its time
        post.now[0] = delivery.next_at
    assert len(server.posted) == MOST_TRIES
    assert waits[:4] == [timedelta(seconds=each) for each in (10, 30, 90, 270)]
    assert max(waits) == timedelta(hours=6)
    assert delivery.status is DeliveryStatus.FAILED
    assert delivery.last_error is not None
    assert "503" in delivery.last_error
    post.courier.try_again(channel, delivery.id)
    post.look()
    assert post.sent(channel)[0].status is DeliveryStatus.SENT


def test_an_event_that_is_undone_tells_nobody_and_one_that_is_kept_always_does(
    post: Post,
) -> None:
    channel = post.channel(ChannelKind.WEBHOOK, {"url": "http://127.0.0.1:1/"})

    def undone() -> None:
        with post.store.write() as tx:
            events.note(tx, Event(at=NOW, kind="run.failed", workspace_id="w1"))
            raise ConfigError("no", remedy="no")

    with pytest.raises(ConfigError):
        undone()
    assert post.sent(channel) == ()
    post.happens("run.failed")
    assert len(post.sent(channel)) == 1


def test_a_server_that_died_in_sending_leaves_it_to_be_sent_again(
    post: Post, server: Taking
) -> None:
    channel = post.channel(ChannelKind.WEBHOOK, {"url": server.url})
    event = post.happens("run.failed")
    assert len(post.courier._look(10)) == 1  # taken, and then the server is gone
    post.look()
    assert server.posted == []
    post.now[0] += timedelta(minutes=3)
    post.look()
    assert [each.headers["webhook-id"] for each in server.posted] == [f"evt_{event.id}"]
    assert post.sent(channel)[0].status is DeliveryStatus.SENT


def test_a_channel_is_told_what_it_asks_for_and_nothing_when_switched_off(post: Post) -> None:
    failures = post.channel(ChannelKind.WEBHOOK, {"url": "http://127.0.0.1:1/"}, "run.failed")
    silent = post.channel(ChannelKind.WEBHOOK, {"url": "http://127.0.0.1:1/"})
    post.channels.update(silent, is_enabled=False)
    post.happens("run.succeeded")
    post.happens("run.failed")
    assert [each.payload["kind"] for each in post.sent(failures)] == ["run.failed"]
    assert post.sent(silent) == ()


def test_slack_gets_its_own_form_and_its_address_stays_secret(post: Post, server: Taking) -> None:
    url = f"{server.url}/services/canary-of-slack"
    channel = post.channel(ChannelKind.SLACK, {"url": url})
    server.answers.append(404)
    post.happens("connection.disabled", name="c", reason="It failed 30 times.")
    post.look()
    (posted,) = server.posted
    assert list(json.loads(posted.body)) == ["text"]
    assert "It failed 30 times." in json.loads(posted.body)["text"]
    with post.store.read() as tx:
        kept = repr(events.channel(tx, channel)) + repr(post.sent(channel))
    assert "canary-of-slack" not in kept


def test_any_json_is_sent_with_what_happened_in_its_texts(post: Post, server: Taking) -> None:
    body = json.dumps({"blocks": [{"text": "${connection}: ${error}"}], "all": "${event}", "n": 1})
    headers = [{"name": "X-Key", "value": "canary-header"}]
    config = {"url": server.url, "body": body, "headers": headers}
    post.channel(ChannelKind.JSON, config)
    post.happens("run.failed", failure={"message": 'Say "no" \\ $x'})
    post.look()
    (posted,) = server.posted
    document = json.loads(posted.body)
    assert document["blocks"] == [{"text": 'connection c1: Say "no" \\ $x'}]
    assert (document["all"]["type"], document["n"]) == ("run.failed", 1)
    assert posted.headers["x-key"] == "canary-header"


class Box:
    """Takes mail."""

    def __init__(self) -> None:
        self.letters: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.letters.append(envelope)
        return "250 taken"


@pytest.fixture
def box() -> Iterator[tuple[Box, int]]:
    found = Box()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    controller = Controller(found, hostname="127.0.0.1", port=port)
    controller.start()
    yield found, port
    controller.stop()


def mail(port: int, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
        "sender": "penstock@etl.example",
        "recipients": ["ops@etl.example", "on-call@etl.example"],
        **more,
    }


def test_mail_reaches_every_recipient_with_what_happened(post: Post, box: tuple[Box, int]) -> None:
    found, port = box
    channel = post.channel(ChannelKind.EMAIL, mail(port))
    post.happens("run.failed", failure={"message": "Größe passt nicht.\nZeile 2"})
    post.look()
    assert post.sent(channel)[0].status is DeliveryStatus.SENT, post.sent(channel)
    (letter,) = found.letters
    assert letter.rcpt_tos == ["ops@etl.example", "on-call@etl.example"]
    assert b"Subject: [penstock] A run failed for good: connection c1" in letter.content


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """The file of a mail server's certificate, and what the server speaks TLS with."""
    made = signed_for("127.0.0.1")
    file, key = tmp_path / "server.pem", tmp_path / "server.key"
    file.write_text(made.certificate)
    key.write_text(made.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context


@contextmanager
def encrypted(security: str, context: ssl.SSLContext, box: Box) -> Iterator[int]:
    """Runs a mail server that takes nothing in the clear, and asks for a password."""

    def knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> Any:
        is_known = (given.login, given.password) == (b"ops", b"canary-mail")
        return AuthResult(success=is_known, handled=False)

    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    options: dict[str, Any] = {"authenticator": knows, "auth_required": True}
    if security == "tls":
        options |= {"ssl_context": context, "auth_require_tls": False}  # it is all within TLS
    else:
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_through_tls_to_a_server_that_is_who_it_says(
    post: Post,
    security: str,
    certificate: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trusted, context = certificate
    found = Box()
    with encrypted(security, context, found) as port:
        user = {"username": "ops", "password": "canary-mail", "security": security}
        channel = post.channel(ChannelKind.EMAIL, mail(port, **user))
        with pytest.raises(ConnectionFailed, match="certificate"):
            post.courier.test(channel)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        post.courier.test(channel)
        wrong = post.channel(ChannelKind.EMAIL, mail(port, **{**user, "password": "other"}))
        with pytest.raises(AccessDenied) as refused:
            post.courier.test(wrong)
        assert "other" not in str(refused.value)
        bare = post.channel(ChannelKind.EMAIL, mail(port))
        with pytest.raises(PenstockError):
            post.courier.test(bare)
    assert len(found.letters) == 1


def test_a_trial_says_what_is_wrong(post: Post, server: Taking, box: tuple[Box, int]) -> None:
    _, port = box
    post.courier.test(post.channel(ChannelKind.WEBHOOK, {"url": server.url}))
    assert len(server.posted) == 1
    trials: list[tuple[str, type[PenstockError]]] = [
        (post.channel(ChannelKind.EMAIL, mail(port, security="starttls")), ConfigError),
        (post.channel(ChannelKind.WEBHOOK, {"url": "http://127.0.0.1:1/"}), ConnectionFailed),
    ]
    for channel, kind in trials:
        with pytest.raises(kind):
            post.courier.test(channel)
    server.answers.append(401)
    with pytest.raises(AccessDenied, match="401"):
        post.courier.test(post.channel(ChannelKind.WEBHOOK, {"url": server.url}))


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        ({"url": "ftp://x"}, ("*",)),
        ({}, ("*",)),
        ({"url": "https://x", "typo": 1}, ("*",)),
        ({"url": "https://x"}, ("run.exploded",)),
        ({"url": "https://x"}, ()),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    post: Post, config: dict[str, Any], kinds: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError):
        post.channels.create(
            workspace_id="w1", name="x", kind=ChannelKind.WEBHOOK, config=config, kinds=kinds
        )


def test_a_slow_channel_keeps_nobody_waiting_and_the_thread_ends(
    post: Post, server: Taking
) -> None:
    channel = post.channel(ChannelKind.WEBHOOK, {"url": server.url})
    post.courier.errands.start()
    try:
        post.happens("run.failed")
        post.courier.errands.wake()
        until = time.monotonic() + 60
        while post.sent(channel)[0].status is DeliveryStatus.PENDING:
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        post.courier.errands.stop()
    assert post.sent(channel)[0].status is DeliveryStatus.SENT
