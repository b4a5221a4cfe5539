"""Who may write: logins of every kind, and nothing written without one where it is asked for."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from penstock.destinations.pulsar import PulsarDestination
from penstock.destinations.pulsar.config import (
    NoLogin,
    OAuth2Login,
    PasswordLogin,
    TokenFileLogin,
    TokenLogin,
)
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, PenstockError
from penstock.testing.feed import batch_of
from penstock.testing.lab import simple_rows
from tests.doubles.pulsar_frames import ServerError
from tests.integration.destination_pulsar.conftest import Place, load, plan_of

_GOOD = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LWNhbmFyeQ.good"
_BAD = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LWNhbmFyeQ.bad"


def only(*tokens: str) -> Callable[[str, bytes], bool]:
    return lambda method, data: method == "token" and data.decode() in tokens


def test_a_good_token_writes(opened: Callable[..., Place]) -> None:
    place = opened(accepts=only(_GOOD))
    destination = PulsarDestination(place.config(authentication=TokenLogin(token=_GOOD)))
    destination.check()
    assert load(destination, plan_of("visits"), simple_rows(1, 2)) == 2
    assert {method for method, _ in place.gate.logins} == {"token"}
    assert len(place.behind("visits")) == 2


@pytest.mark.parametrize(
    "login",
    [TokenLogin(token=_BAD), NoLogin(), PasswordLogin(username="u", password=_BAD)],
    ids=["token", "none", "password"],
)
def test_nothing_is_written_where_the_broker_refuses_the_login(
    opened: Callable[..., Place], login: TokenLogin | NoLogin | PasswordLogin
) -> None:
    place = opened(accepts=only(_GOOD))
    destination = PulsarDestination(place.config(authentication=login))
    with pytest.raises(AccessDenied) as refused:
        load(destination, plan_of("visits"), simple_rows(1, 2))
    assert (place.gate.producers, place.gate.sent) == ([], 0)
    assert place.behind("visits") == []
    assert _BAD not in str(refused.value)


def test_check_tells_a_refused_token_at_once(opened: Callable[..., Place]) -> None:
    place = opened(accepts=only(_GOOD))
    began = time.monotonic()
    with pytest.raises(AccessDenied, match=r"refused the login .*Unable to authenticate"):
        PulsarDestination(place.config(authentication=TokenLogin(token=_BAD))).check()
    assert time.monotonic() - began < 2


def test_check_says_that_nobody_logged_in(opened: Callable[..., Place]) -> None:
    place = opened(accepts=only(_GOOD))
    with pytest.raises(AccessDenied, match="nobody logged in"):
        PulsarDestination(place.config()).check()


def test_check_tells_a_broker_that_is_not_there(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"pulsar://127.0.0.1:{free.getsockname()[1]}"
    config = place.config(service_url=url, authentication=TokenLogin(token=_GOOD))
    with pytest.raises(ConnectionFailed, match="cannot be reached"):
        PulsarDestination(config).check()


def test_check_tells_a_port_that_speaks_something_else(place: Place) -> None:
    with issuer("any") as url:
        config = place.config(service_url=url.replace("http://", "pulsar://"))
        with pytest.raises(ConnectionFailed, match=r"does not answer as a Pulsar broker|reached"):
            PulsarDestination(config).check()


def test_check_tells_a_missing_right_to_produce(opened: Callable[..., Place]) -> None:
    place = opened(refuses_topic=lambda _: ServerError.AUTHORIZATION)
    with pytest.raises(AccessDenied, match="AuthorizationError") as refused:
        PulsarDestination(place.config()).check()
    assert "grant-permission" in refused.value.remedy


def test_check_leaves_no_stored_topic(opened: Callable[..., Place]) -> None:
    place = opened()
    PulsarDestination(place.config()).check()
    assert [topic.split("://")[0] for topic in place.gate.producers] == ["non-persistent"]


def test_the_second_host_is_asked_where_the_first_is_not_there(place: Place) -> None:
    url = f"pulsar://127.0.0.1:1,127.0.0.1:{place.gate.port}"
    PulsarDestination(place.config(service_url=url)).check()


def test_a_token_file_is_read_again_when_the_broker_asks_again(
    opened: Callable[..., Place], tmp_path: Path
) -> None:
    tokens = {"first-token"}
    place = opened(accepts=lambda _, data: data.decode() in tokens)
    file = tmp_path / "token"
    file.write_text("first-token\n")
    config = place.config(authentication=TokenFileLogin(path=str(file)))
    plan = plan_of("visits")
    with PulsarDestination(config).open(plan) as writer:
        writer.write(batch_of(plan, simple_rows(1)))
        writer.commit(None)
        tokens.clear()
        tokens.add("second-token")
        file.write_text("second-token\n")
        place.gate.ask_again()
        writer.write(batch_of(plan, simple_rows(2)))
        writer.finish(None)
    until = time.monotonic() + 60
    while not place.gate.renewed and time.monotonic() < until:
        time.sleep(0.01)
    assert set(place.gate.renewed) == {b"second-token"}
    assert len(place.behind("visits")) == 2


def test_a_token_that_is_revoked_in_mid_sync_fails_the_commit(
    opened: Callable[..., Place], tmp_path: Path
) -> None:
    tokens = {_GOOD}
    place = opened(accepts=lambda _, data: data.decode() in tokens)
    plan = plan_of("visits")
    config = place.config(authentication=TokenLogin(token=_GOOD), send_seconds=2)
    destination = PulsarDestination(config)

    def write() -> None:
        with destination.open(plan) as writer:
            writer.write(batch_of(plan, simple_rows(1)))
            writer.commit(None)
            tokens.clear()
            place.gate.answers_send = lambda _: "close"
            writer.write(batch_of(plan, simple_rows(2)))
            writer.commit(None)

    with pytest.raises(AccessDenied, match="refused the login"):
        write()
    assert len(place.behind("visits")) == 1


def test_a_token_file_that_is_not_there_is_told(opened: Callable[..., Place]) -> None:
    place = opened(accepts=only(_GOOD))
    config = place.config(authentication=TokenFileLogin(path="/nowhere/token"))
    with pytest.raises(ConfigError, match="/nowhere/token"):
        PulsarDestination(config).check()
    assert place.gate.logins == []


def test_a_program_gives_tokens_of_its_own(opened: Callable[..., Place]) -> None:
    place = opened(accepts=only("token 1", "token 2"))
    numbers = iter(range(1, 1000))
    destination = PulsarDestination(place.config(), token=lambda: f"token {min(next(numbers), 2)}")
    assert load(destination, plan_of("visits"), simple_rows(1)) == 1
    assert place.gate.logins[0] == ("token", b"token 1")
    assert place.gate.logins[-1] == ("token", b"token 2")


def test_a_password_is_sent_as_the_broker_knows_it(opened: Callable[..., Place]) -> None:
    place = opened(accepts=lambda method, data: (method, data) == ("basic", b"loader: s3:cret "))
    login = PasswordLogin(username="loader", password=" s3:cret ")
    destination = PulsarDestination(place.config(authentication=login))
    destination.check()
    assert load(destination, plan_of("visits"), simple_rows(1)) == 1


@contextmanager
def issuer(secret: str) -> Iterator[str]:
    """An OAuth 2.0 server that gives `_GOOD` for client credentials with this secret."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here = f"http://127.0.0.1:{server.server_port}"
            known = self.path == "/.well-known/openid-configuration"
            self._answer(200 if known else 404, {"token_endpoint": f"{here}/give"})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            expected = {
                "grant_type": ["client_credentials"],
                "client_id": ["loader"],
                "client_secret": [secret],
                "audience": ["urn:pulsar"],
            }
            if form == expected and self.path == "/give":
                self._answer(200, {"access_token": _GOOD, "expires_in": 3600})
            else:
                self._answer(401, {"error": "invalid_client"})

        def _answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def oauth2(url: str, secret: str) -> OAuth2Login:
    return OAuth2Login(
        issuer_url=url, client_id="loader", client_secret=secret, audience="urn:pulsar"
    )


def test_oauth2_logs_in_with_the_token_that_the_issuer_gives(opened: Callable[..., Place]) -> None:
    place = opened(accepts=only(_GOOD))
    with issuer("s3cret") as url:
        config = place.config(authentication=oauth2(f"{url}/", "s3cret"))
        assert load(PulsarDestination(config), plan_of("visits"), simple_rows(1)) == 1


def test_oauth2_tells_what_the_issuer_refuses_without_the_secret(
    opened: Callable[..., Place],
) -> None:
    place = opened(accepts=only(_GOOD))
    with issuer("s3cret") as url:
        config = place.config(authentication=oauth2(url, "wr0ng"))
        with pytest.raises(AccessDenied, match="invalid_client") as refused:
            PulsarDestination(config).check()
    assert "wr0ng" not in str(refused.value)
    assert place.gate.logins == []


def test_oauth2_tells_an_address_that_is_no_issuer(place: Place) -> None:
    with issuer("s3cret") as url:
        config = place.config(authentication=oauth2(f"{url}/other", "s3cret"))
        with pytest.raises(ConfigError, match="token endpoint"):
            PulsarDestination(config).check()


def test_no_log_and_no_error_has_a_secret(
    opened: Callable[..., Place],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place = opened(accepts=only(_GOOD))
    errors = []
    with caplog.at_level(logging.DEBUG):
        for token in (_GOOD, _BAD):
            config = place.config(authentication=TokenLogin(token=token))
            try:
                load(PulsarDestination(config), plan_of("visits"), simple_rows(1))
            except PenstockError as error:
                errors.append(f"{error!r} {error} {error.as_document()} {config}")
    said = capfd.readouterr()
    everything = "\n".join([caplog.text, said.out, said.err, *errors])
    assert len(errors) == 1
    assert "c2VjcmV0LWNhbmFyeQ" not in everything
    assert said.out == ""


def test_two_logins_are_one_too_many(place: Place) -> None:
    config = place.config(authentication=TokenLogin(token=_GOOD))
    with pytest.raises(ConfigError, match="another login"):
        PulsarDestination(config, token=lambda: _GOOD).check()
