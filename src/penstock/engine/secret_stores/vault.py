"""HashiCorp Vault and OpenBao: `${vault:PATH#FIELD}`, by the API itself.

The client hvac would add 4 MB and `requests` for the three requests that are made here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from penstock.engine.secret_stores.answers import asked
from penstock.errors import ConfigError

_TOKEN_OF_POD: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 (a path)
_REMEDY: Final = (
    "Check the path, VAULT_ADDR, and the token's policy: `vault kv get PATH` has to work."
)


def read(path: str) -> str:
    """Returns a secret as a JSON object, of a KV engine of version 1 or 2, or any other.

    The path is the one that `vault kv get` takes. Where the server is and who asks is said as
    Vault's own programs are told it: VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT, and VAULT_TOKEN
    or ~/.vault-token; or VAULT_ROLE_ID with VAULT_SECRET_ID (AppRole), or VAULT_K8S_ROLE.
    """
    address = os.environ.get("VAULT_ADDR")
    if not address:
        raise ConfigError(
            "Where Vault is has not been said.", remedy="Set VAULT_ADDR, as https://vault:8200."
        )
    vault = _Vault(address.rstrip("/"))
    headers = {"X-Vault-Token": vault.token()}
    clean = path.strip("/")
    mount = vault.ask("GET", f"sys/internal/ui/mounts/{clean}", headers=headers)["data"]
    prefix = str(mount["path"])
    is_versioned = (mount.get("options") or {}).get("version") == "2"
    rest = f"{clean}/".removeprefix(prefix).strip("/")
    found = vault.ask(
        "GET", f"{prefix}{'data/' if is_versioned else ''}{rest}", headers=headers
    ).get("data")
    if is_versioned:
        found = (found or {}).get("data")
    if not isinstance(found, dict):
        # A deleted version of KV 2 answers with its metadata only.
        raise ConfigError(f"Vault has no secret at {clean}: it was deleted.", remedy=_REMEDY)
    return json.dumps(found)


class _Vault:
    """One server, as its environment variables name it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        sent = {"X-Vault-Request": "true", **(headers or {})}
        namespace = os.environ.get("VAULT_NAMESPACE")
        if namespace:
            sent["X-Vault-Namespace"] = namespace
        return asked(
            method,
            f"{self._address}/v1/{path}",
            what=f"Vault at {self._address} ({path})",
            remedy=_REMEDY,
            headers=sent,
            body=body,
            verify=os.environ.get("VAULT_CACERT") or True,
        )

    def token(self) -> str:
        """Returns the token of whoever asks."""
        given = os.environ.get("VAULT_TOKEN")
        if given:
            return given
        role = os.environ.get("VAULT_ROLE_ID")
        if role:
            login = {"role_id": role, "secret_id": os.environ.get("VAULT_SECRET_ID", "")}
            return self._logged_in(os.environ.get("VAULT_APPROLE_PATH", "approle"), login)
        pod = os.environ.get("VAULT_K8S_ROLE")
        if pod:
            jwt = Path(os.environ.get("VAULT_K8S_TOKEN_FILE", _TOKEN_OF_POD)).read_text().strip()
            mount = os.environ.get("VAULT_K8S_PATH", "kubernetes")
            return self._logged_in(mount, {"role": pod, "jwt": jwt})
        try:
            return (Path.home() / ".vault-token").read_text().strip()
        except OSError as error:
            raise ConfigError(
                "Nobody is signed in to Vault.",
                remedy="Set VAULT_TOKEN; or VAULT_ROLE_ID and VAULT_SECRET_ID; or VAULT_K8S_ROLE.",
            ) from error

    def _logged_in(self, mount: str, login: dict[str, Any]) -> str:
        answer = self.ask("POST", f"auth/{mount.strip('/')}/login", body=login)
        return str(answer["auth"]["client_token"])
