"""The command line's way to a server: where it is, who asks, and its errors as our own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Group, Parameter

import penstock.errors as all_errors
from penstock.cli.db import opened, server_folder
from penstock.errors import ConfigError, ConnectionFailed, PenstockError, UnknownName

if TYPE_CHECKING:
    import httpx

ADDRESS_FILE: Final = "server.json"
"""Where `penstock up` says that it is up, in its data folder."""
_TOKEN_FILE: Final = "cli.token"  # noqa: S105 (a file's name)
_PAGE: Final = 500
_SECONDS: Final = 120.0
_CONNECT_SECONDS: Final = 10.0
SERVER = Group("Server", sort_key=9)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Which server is asked, and by whom."""

    server: Annotated[
        str | None,
        Parameter(
            group=SERVER,
            env_var="PENSTOCK_SERVER",
            help="Its address, as http://127.0.0.1:8787; else the one running on the data folder.",
        ),
    ] = None
    token: Annotated[
        str | None,
        Parameter(
            group=SERVER,
            env_var="PENSTOCK_TOKEN",
            help="A token of `penstock token create`; better given by PENSTOCK_TOKEN. Whoever can "
            "read the server's files needs none.",
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        Parameter(group=SERVER, help="Folder of the server's files, as given to `penstock up`."),
    ] = None


@dataclass(frozen=True, slots=True)
class Server:
    """A server's own API, by its resources."""

    client: httpx.Client

    def get(self, path: str, **query: Any) -> Any:
        """Returns the answer to a question."""
        given = {key: value for key, value in query.items() if value is not None}
        return self._asked("GET", path, params=given)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Asks for something, and returns the answer."""
        return self._asked("POST", path, json=dict(body))

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Sets something, and returns the answer."""
        return self._asked("PUT", path, json=dict(body))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Changes something, and returns the answer."""
        return self._asked("PATCH", path, json=dict(body))

    def delete(self, path: str) -> None:
        """Removes something."""
        self._asked("DELETE", path)

    def every(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Yields the items of a list, page by page."""
        after = None
        while True:
            page = self.get(path, limit=_PAGE, after=after, **query)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def named(self, kind: str, name: str, **query: Any) -> dict[str, Any]:
        """Returns the object of a name or id; UnknownName for none, ConfigError for several."""
        known = list(self.every(f"/{kind}s", **query))
        found = [each for each in known if each["id"] == name] or [
            each for each in known if each["name"] == name
        ]
        if not found:
            names = ", ".join(sorted({each["name"] for each in known})) or "there is none yet"
            raise UnknownName(f'There is no {kind} "{name}".', remedy=f"Choose among: {names}.")
        if len(found) > 1:
            ids = ", ".join(each["id"] for each in found)
            raise ConfigError(
                f'{len(found)} {kind}s are called "{name}".', remedy=f"Give the id: {ids}."
            )
        return found[0]

    def workspace(self, name: str | None) -> str:
        """Returns the id of a workspace, the first one without a name."""
        if name is not None:
            return str(self.named("workspace", name)["id"])
        first = self.get("/workspaces", limit=1)["items"]
        if not first:
            raise UnknownName("There is no workspace you may see.", remedy="Ask for a role in one.")
        return str(first[0]["id"])

    def follow(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yields the events of a stream of them (server-sent events) until it ends."""
        with self._reached(), self.client.stream("GET", path, timeout=None) as answer:
            if answer.is_error:
                answer.read()
                raise _error(answer)
            event, data = "message", ""
            for line in answer.iter_lines():
                if line.startswith("event:"):
                    event = line.partition(":")[2].strip()
                elif line.startswith("data:"):
                    data += line.partition(":")[2].strip()
                elif not line and data:
                    yield event, json.loads(data)
                    event, data = "message", ""

    def _asked(self, method: str, path: str, **more: Any) -> Any:
        with self._reached():
            answer = self.client.request(method, path, **more)
        if answer.is_error:
            raise _error(answer)
        return answer.json() if answer.content else None

    @contextmanager
    def _reached(self) -> Iterator[None]:
        import httpx  # noqa: PLC0415 (slow to load: `penstock up` only says where it is)

        try:
            yield
        except httpx.TransportError as error:
            raise ConnectionFailed(
                f"The server at {self.client.base_url} cannot be reached: {error}.",
                remedy="Start it: penstock up; or give another --server.",
            ) from error


@contextmanager
def server_of(options: ServerOptions | None) -> Iterator[Server]:
    """Gives the server that is meant, signed in; raises ConfigError when none is running."""
    import httpx  # noqa: PLC0415

    options = options or ServerOptions()
    address, token = options.server, options.token
    if address is None:
        address = _address(server_folder(options.data_dir))
        token = token or _token(options.data_dir)
    elif token is None:
        raise ConfigError(
            f"Nobody is signed in to {address}.",
            remedy="Set PENSTOCK_TOKEN, to what `penstock token create NAME` prints there.",
        )
    headers = {"Authorization": f"Bearer {token}"}
    base = f"{address.rstrip('/')}/api/v1"
    timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
    with httpx.Client(base_url=base, headers=headers, timeout=timeout) as client:
        yield Server(client)


@contextmanager
def announced(folder: Path, address: str, database_url: str | None) -> Iterator[None]:
    """Says in the data folder where the server is, while it runs."""
    path = folder / ADDRESS_FILE
    _write(path, json.dumps({"address": address, "database_url": database_url}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _address(folder: Path) -> str:
    try:
        return str(json.loads((folder / ADDRESS_FILE).read_text())["address"])
    except FileNotFoundError as error:
        raise ConfigError(
            f"No server is running on {folder}.",
            remedy="Start one: penstock up; or say where it is: --server URL, --data-dir FOLDER.",
        ) from error


def _token(data_dir: Path | None) -> str:
    """Returns a token of the first administrator, kept beside the database it opens."""
    from penstock.control.access import Access, NotSignedIn  # noqa: PLC0415 (slow to load)

    folder = server_folder(data_dir)
    path = folder / _TOKEN_FILE
    now = datetime.now(UTC)
    store = opened(data_dir, json.loads((folder / ADDRESS_FILE).read_text())["database_url"])
    try:
        access = Access(store)
        if path.exists():
            known = path.read_text().strip()
            try:
                access.by_token(known, now)
            except NotSignedIn:
                path.unlink()
            else:
                return known
        _, made = access.new_token(access.first_user(now), "command line", now)
    finally:
        store.close()
    _write(path, made)
    return made


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text + "\n")


def _error(answer: httpx.Response) -> PenstockError:
    """Returns the error a problem document tells, of the class it has on the server."""
    try:
        problem = answer.json()
        code, detail, remedy = problem["code"], problem["detail"], problem["remedy"]
    except (ValueError, KeyError, TypeError):
        return ConnectionFailed(
            f"{answer.request.url} answered {answer.status_code}, and not as penstock does.",
            remedy="Check the address given by --server.",
        )
    for known in vars(all_errors).values():
        is_ours = isinstance(known, type) and issubclass(known, PenstockError)
        if is_ours and known.code == code and known is not PenstockError:
            made: PenstockError = known(detail, remedy=remedy)
            return made
    return ConfigError(detail, remedy=remedy)
