"""A Cognito that proves passwords by SRP as AWS does, which moto's does not.

The arithmetic is pycognito's (a client that works with AWS), not penstock's: an error of ours in
spelling a number or deriving a key does not cancel out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pycognito import aws_srp as aws

N = aws.hex_to_long(aws.N_HEX)
K = aws.hex_to_long(aws.hex_hash("00" + aws.N_HEX + "02"))


class Refused(Exception):
    """An error as Cognito tells it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class CognitoServer:
    """One user pool with one app client and one user."""

    pool_id: str = "ap-south-1_AbCdEfGhI"
    client_id: str = "app-client"
    client_secret: str | None = None
    user: str = "ann@example.org"
    internal: str = "5f0c0d9e-ann"
    """The user as the pool calls it."""
    password: str = "Canary-1-pw!"
    flows: tuple[str, ...] = ("USER_SRP_AUTH",)
    challenge: str | None = None
    """Asked after the right password, instead of giving tokens."""
    refresh_tokens: set[str] = field(default_factory=set)
    logins: dict[str, dict[str, int]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def answer(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((operation, body))
        if body["ClientId"] != self.client_id:
            raise Refused("ResourceNotFoundException", "User pool client does not exist.")
        if operation == "RespondToAuthChallenge":
            return self._verify(body["ChallengeResponses"])
        flow, given = body["AuthFlow"], body["AuthParameters"]
        if flow == "REFRESH_TOKEN_AUTH":
            self._check_hash(given, self.internal)
            if given["REFRESH_TOKEN"] not in self.refresh_tokens:
                raise Refused("NotAuthorizedException", "Refresh Token has expired")
            return self._tokens(refresh=None)
        if flow not in self.flows:
            raise Refused("InvalidParameterException", f"{flow} flow not enabled for this client")
        self._check_hash(given, given["USERNAME"])
        if flow == "USER_PASSWORD_AUTH":
            if (given["USERNAME"], given["PASSWORD"]) != (self.user, self.password):
                raise Refused("NotAuthorizedException", "Incorrect username or password.")
            return self._welcome()
        return self._ask(given)

    def _ask(self, given: dict[str, str]) -> dict[str, Any]:
        salt, private = secrets.randbits(128), secrets.randbits(1024)
        pool = self.pool_id.split("_")[1]
        identity = aws.hash_sha256(f"{pool}{self.internal}:{self.password}".encode())
        x = aws.hex_to_long(aws.hex_hash(aws.pad_hex(salt) + identity))
        verifier = pow(2, x, N)
        public = (K * verifier + pow(2, private, N)) % N
        block = base64.b64encode(secrets.token_bytes(900)).decode()
        a = aws.hex_to_long(given["SRP_A"])
        u = aws.calculate_u(a, public)
        self.logins[block] = {"shared": pow(a * pow(verifier, u, N), private, N), "u": u}
        return {
            "ChallengeName": "PASSWORD_VERIFIER",
            "ChallengeParameters": {
                "SALT": f"{salt:x}",
                "SRP_B": f"{public:x}",
                "SECRET_BLOCK": block,
                "USERNAME": self.internal,
                "USER_ID_FOR_SRP": self.internal,
            },
        }

    def _verify(self, given: dict[str, str]) -> dict[str, Any]:
        self._check_hash(given, self.internal)
        login = self.logins.pop(given["PASSWORD_CLAIM_SECRET_BLOCK"])
        key = aws.compute_hkdf(
            bytearray.fromhex(aws.pad_hex(login["shared"])),
            bytearray.fromhex(aws.pad_hex(login["u"])),
        )
        message = (
            self.pool_id.split("_")[1].encode()
            + self.internal.encode()
            + base64.b64decode(given["PASSWORD_CLAIM_SECRET_BLOCK"])
            + given["TIMESTAMP"].encode()
        )
        expected = base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()
        if given["PASSWORD_CLAIM_SIGNATURE"] != expected:
            raise Refused("NotAuthorizedException", "Incorrect username or password.")
        return self._welcome()

    def _welcome(self) -> dict[str, Any]:
        if self.challenge is not None:
            return {"ChallengeName": self.challenge, "ChallengeParameters": {}, "Session": "s"}
        token = f"canary-refresh-{secrets.token_hex(4)}"
        self.refresh_tokens.add(token)
        return self._tokens(refresh=token)

    def _tokens(self, *, refresh: str | None) -> dict[str, Any]:
        claims = json.dumps({"cognito:username": self.internal, "n": len(self.asked)}).encode()
        payload = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        token = f"e30.{payload}.canary"
        result = {"IdToken": token, "AccessToken": token, "ExpiresIn": 3600, "TokenType": "Bearer"}
        if refresh is not None:
            result["RefreshToken"] = refresh
        return {"AuthenticationResult": result}

    def _check_hash(self, given: dict[str, str], user: str) -> None:
        if self.client_secret is None:
            return
        message = (user + self.client_id).encode()
        digest = hmac.new(self.client_secret.encode(), message, hashlib.sha256).digest()
        if given.get("SECRET_HASH") != base64.b64encode(digest).decode():
            words = f"Unable to verify secret hash for client {self.client_id}"
            raise Refused("NotAuthorizedException", words)


@contextmanager
def serving(cognito: CognitoServer) -> Iterator[CognitoServer]:
    """Serves the pool on this machine while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def log_message(self, format: str, *args: Any) -> None:
            """Stays quiet."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].rsplit(".", 1)[1]
            try:
                status, answer = 200, cognito.answer(operation, body)
            except Refused as refused:
                status, answer = 400, {"__type": refused.kind, "message": str(refused)}
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cognito.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield cognito
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
