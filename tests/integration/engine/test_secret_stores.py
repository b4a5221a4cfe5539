"""`${vault:…}`, `${aws:…}`, `${gcp:…}` and `${azure:…}` against each service as it speaks."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.server import ThreadedMotoServer

from penstock.engine.references import resolve_references
from penstock.errors import AccessDenied, ConfigError, ConnectionFailed, TransientError
from tests.doubles.vendor import Answer, Request, Vendor, serving

CANARY = "canary-9c2e"


def resolved(reference: str) -> Any:
    return resolve_references({"token": reference})["token"]


@dataclass
class VaultServer(Vendor):
    """Vault's HTTP API: a KV engine of each version, AppRole, and who may read what."""

    failures: int = 0
    tokens: set[str] = field(default_factory=lambda: {"root-token"})

    def answer(self, request: Request) -> Answer:  # noqa: PLR0911 (a return an answer)
        if request.path == "/v1/auth/approle/login":
            if request.json() != {"role_id": "role", "secret_id": "canary-id"}:
                return Answer(400, {"errors": ["invalid role or secret ID"]})
            self.tokens.add("role-token")
            return Answer(200, {"auth": {"client_token": "role-token", "lease_duration": 60}})
        if request.headers.get("x-vault-token") not in self.tokens:
            return Answer(403, {"errors": ["permission denied"]})
        if self.failures:
            self.failures -= 1
            return Answer(503, {"errors": ["Vault is sealed"]})
        path = request.path.removeprefix("/v1/")
        if path.startswith("sys/internal/ui/mounts/"):
            name = path.removeprefix("sys/internal/ui/mounts/").split("/")[0]
            version = {"secret": "2", "kv": "1"}.get(name)
            if version is None:
                return Answer(403, {"errors": ["preflight capability check returned 403"]})
            mount = {"path": f"{name}/", "type": "kv", "options": {"version": version}}
            return Answer(200, {"data": mount})
        known: dict[str, Any] = {
            "secret/data/team/db": {
                "data": {"data": {"password": CANARY, "port": 5432}, "metadata": {"version": 3}}
            },
            "secret/data/gone": {"data": {"data": None, "metadata": {"deletion_time": "2026"}}},
            "kv/db": {"data": {"password": "of version 1"}},
        }
        return Answer(200, known[path]) if path in known else Answer(404, {"errors": []})


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[VaultServer]:
    for name in ("VAULT_NAMESPACE", "VAULT_ROLE_ID", "VAULT_K8S_ROLE", "VAULT_CACERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VAULT_TOKEN", "root-token")
    with serving(VaultServer()) as server:
        assert isinstance(server, VaultServer)
        monkeypatch.setenv("VAULT_ADDR", server.url)
        yield server


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("${vault:secret/team/db#password}", CANARY),
        ("${vault:secret/team/db#port}", "5432"),
        ("${vault:kv/db#password}", "of version 1"),
        ("${vault:kv/db}", '{"password": "of version 1"}'),
    ],
    ids=["kv 2", "a number", "kv 1", "whole"],
)
def test_vault_gives_what_its_own_program_would(
    vault: VaultServer, reference: str, expected: str
) -> None:
    assert resolved(reference) == expected


def test_vault_is_signed_in_to_by_a_role(
    vault: VaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    monkeypatch.setenv("VAULT_ROLE_ID", "role")
    monkeypatch.setenv("VAULT_SECRET_ID", "canary-id")
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    assert resolved("${vault:kv/db#password}") == "of version 1"
    assert {each.headers.get("x-vault-namespace") for each in vault.asked} == {"team"}


def test_a_secret_of_several_fields_is_read_once(vault: VaultServer) -> None:
    config = {"a": "${vault:kv/db#password}", "b": ["x ${vault:kv/db#password}"]}
    assert resolve_references(config) == {"a": "of version 1", "b": ["x of version 1"]}
    assert vault.paths().count("/v1/kv/db") == 1


@pytest.mark.parametrize(
    ("reference", "kind", "said"),
    [
        ("${vault:secret/nothing#x}", ConfigError, "has nothing there"),
        ("${vault:secret/gone#x}", ConfigError, "was deleted"),
        ("${vault:other/x}", AccessDenied, "refuses"),
        ("${vault:kv/db#pasword}", ConfigError, "no such field (password)"),
    ],
    ids=["missing", "deleted", "no such mount", "no such field"],
)
def test_what_vault_has_not_is_told_with_its_place(
    vault: VaultServer, reference: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind) as raised:
        resolved(reference)
    assert said in str(raised.value)
    assert "The setting token" in str(raised.value)


def test_a_sealed_vault_is_asked_again_and_then_told_as_passing(vault: VaultServer) -> None:
    vault.failures = 2
    assert resolved("${vault:kv/db#password}") == "of version 1"
    vault.failures = 50
    with pytest.raises(TransientError):
        resolved("${vault:kv/db#password}")


def test_a_vault_that_is_away_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:9")
    monkeypatch.setenv("VAULT_TOKEN", CANARY)
    with pytest.raises(ConnectionFailed) as raised:
        resolved("${vault:kv/db}")
    assert CANARY not in str(raised.value)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    try:
        yield botocore.session.get_session().create_client("secretsmanager")
    finally:
        server.stop()


def test_aws_gives_the_newest_version_by_name_and_by_arn(aws: Any) -> None:
    made = aws.create_secret(Name="team/db", SecretString=json.dumps({"password": "old"}))
    assert resolved("${aws:team/db#password}") == "old"
    aws.put_secret_value(SecretId="team/db", SecretString=json.dumps({"password": CANARY}))
    assert resolved("${aws:team/db#password}") == CANARY
    assert resolved(f"${{aws:{made['ARN']}#password}}") == CANARY
    aws.create_secret(Name="raw", SecretBinary=b"bytes of text")
    assert resolved("${aws:raw}") == "bytes of text"
    with pytest.raises(ConfigError, match="AWS has no secret nothing"):
        resolved("${aws:nothing}")


def test_aws_without_credentials_says_who_is_missing(
    aws: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AccessDenied, match="Nobody is signed in to AWS"):
        resolved("${aws:team/db}")


@dataclass
class GoogleServer(Vendor):
    """Google's token endpoint, and Secret Manager's `access`."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/token":
            grant = request.form()["grant_type"]
            assert grant == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            return Answer(200, {"access_token": "google-token", "expires_in": 3600})
        if request.headers.get("authorization") != "Bearer google-token":
            return Answer(401, {"error": {"code": 401}})
        if request.path == "/v1/projects/team/secrets/db/versions/latest:access":
            data = base64.b64encode(json.dumps({"password": CANARY}).encode()).decode()
            return Answer(
                200, {"name": "projects/1/secrets/db/versions/4", "payload": {"data": data}}
            )
        return Answer(404, {"error": {"code": 404, "status": "NOT_FOUND"}})


def test_google_is_signed_in_to_by_a_service_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    with serving(GoogleServer()) as server:
        account = {
            "type": "service_account",
            "project_id": "team",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": "penstock@team.iam.gserviceaccount.com",
            "token_uri": f"{server.url}/token",
        }
        file = tmp_path / "account.json"
        file.write_text(json.dumps(account))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", f"{server.url}/")
        assert resolved("${gcp:db#password}") == CANARY
        assert resolved("${gcp:projects/team/secrets/db}") == json.dumps({"password": CANARY})
        with pytest.raises(ConfigError, match="has nothing there"):
            resolved("${gcp:other/3}")


@dataclass
class AzureServer(Vendor):
    """A managed identity's endpoint (App Service), and a key vault."""

    def answer(self, request: Request) -> Answer:
        if request.path == "/identity":
            assert request.headers["x-identity-header"] == "header"
            assert request.query["resource"] == "https://vault.azure.net"
            until = str(int(time.time()) + 3600)
            token = {"access_token": "azure-token", "expires_on": until, "token_type": "Bearer"}
            return Answer(200, {**token, "resource": request.query["resource"]})
        if request.headers.get("authorization") != "Bearer azure-token":
            return Answer(401, {"error": {"code": "Unauthorized"}})
        if request.path == "/secrets/db" and request.query["api-version"] == "7.4":
            return Answer(200, {"value": CANARY, "id": f"{self.url}/secrets/db/1"})
        return Answer(404, {"error": {"code": "SecretNotFound"}})


def test_azure_is_signed_in_to_by_a_managed_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with serving(AzureServer()) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/identity")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        assert resolved(f"${{azure:{server.url}/secrets/db}}") == CANARY
        with pytest.raises(ConfigError, match="has nothing there"):
            resolved(f"${{azure:{server.url}/secrets/other}}")
    with pytest.raises(ConfigError, match="in clear"):
        resolved("${azure:http://vault.example.org/secrets/db}")
