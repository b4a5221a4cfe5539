"""A double of BigQuery on localhost: its REST API, behind which DuckDB runs queries and loads.

It stands in for a service that tests cannot reach; Google's own client talks to it. Facts: the
API's discovery document (bigquery v2) and google-cloud-bigquery. What it takes stricter than it
must: types of a load have to be the table's own. What it cannot tell is in
`docs/connectors/destination-bigquery.md`, "What a real account must still confirm".
"""

from __future__ import annotations

import base64
import io
import json
import re
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.doubles.bigquery_sql import (
    Options,
    Outcome,
    Refused,
    Warehouse,
    python_value,
    rest_value,
)
from tests.doubles.vendor import Answer, Request, Vendor, serving

ACCOUNT = "loader@project.iam.gserviceaccount.com"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_STATUS = {
    "invalid": 400,
    "invalidQuery": 400,
    "notFound": 404,
    "duplicate": 409,
    "accessDenied": 403,
    "quotaExceeded": 403,
    "backendError": 503,
}
_PAGE_ROWS = 4_000
_MOST_JOBS = 500
_TOKEN = "canary-bigquery-token"


@dataclass
class Job:
    """One job and what it came to."""

    resource: dict[str, Any]
    outcome: Outcome = field(default_factory=Outcome)


@dataclass
class BigQueryServer(Vendor):
    """One project; its warehouse lives as long as the double."""

    project: str = "project-one"
    warehouse: Warehouse = field(default_factory=lambda: Warehouse("project-one"))
    jobs: dict[str, Job] = field(default_factory=dict)
    uploads: dict[str, tuple[dict[str, Any], bytearray]] = field(default_factory=dict)
    job_faults: deque[str] = field(default_factory=deque)
    """One for each job to come: a reason and a message; "lost" does the job and breaks off."""
    may_use: bool = True
    """False: the account lacks every permission on the project."""

    def key(self) -> str:
        """Returns the key file of the account that may use the project."""
        private = _KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return key_file(private.decode(), self.url)

    def answer(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except Refused as refusal:
            return _refused(refusal)

    def _answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return self._token(request)
        if request.headers.get("authorization") != f"Bearer {_TOKEN}":
            return _failed(401, "authError", "Request had invalid authentication credentials.")
        found = re.fullmatch(
            r"(?:/upload)?(?:/resumable)?/bigquery/v2/projects/([^/]+)(/.*)", request.path
        )
        if found is None:
            return _failed(404, "notFound", f"No such path: {request.path}")
        if found[1] != self.project:
            raise Refused("notFound", f"Not found: Project {found[1]}")
        if not self.may_use:
            message = f"Access Denied: Project {self.project}: User does not have"
            raise Refused("accessDenied", f"{message} bigquery.jobs.create permission")
        parts = [unquote(part) for part in found[2].strip("/").split("/")]
        if request.path.startswith(("/upload", "/resumable")):
            return self._upload(request)
        match request.method, parts:
            case "POST", ["jobs"]:
                return self._insert(request.json(), None)
            case "POST", ["queries"]:
                return self._query(request.json())
            case "GET", ["jobs", name]:
                return self._job(name)
            case "GET", ["queries", name]:
                return self._results(self.jobs[name], request.query)
            case method, ["datasets", *rest]:
                return self._dataset(method, rest, request)
            case _:
                return _failed(404, "notFound", f"No such path: {request.path}")

    def _token(self, request: Request) -> Answer:
        """Gives a token for an assertion that the account's own key has signed."""
        head, body, signature = request.form()["assertion"].split(".")
        claims = json.loads(_decoded(body))
        try:
            _KEY.public_key().verify(
                _decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except Exception:  # noqa: BLE001 (whatever is wrong with it)
            return Answer(
                400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            )
        if claims["iss"] != ACCOUNT or "auth/bigquery" not in claims["scope"]:
            return Answer(400, {"error": "invalid_grant", "error_description": "account not found"})
        return Answer(200, {"access_token": _TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    def _dataset(self, method: str, rest: list[str], request: Request) -> Answer:
        match method, rest:
            case "POST", []:
                given = request.json()
                name = given["datasetReference"]["datasetId"]
                if name in self.warehouse.locations:
                    raise Refused("duplicate", f"Already Exists: Dataset {self.project}:{name}")
                self.warehouse.make_dataset(name, given.get("location", "US"))
                return Answer(200, self._dataset_resource(name))
            case "GET", [name]:
                self._know(name)
                return Answer(200, self._dataset_resource(name))
            case "DELETE", [name]:
                self._know(name)
                self.warehouse.drop_dataset(name)
                return Answer(204, b"")
            case _, [name, "tables", *more]:
                self._know(name)
                return self._table(method, name, more, request)
            case _:
                return _failed(404, "notFound", f"No such path: {request.path}")

    def _know(self, dataset: str) -> None:
        if dataset not in self.warehouse.locations:
            raise Refused("notFound", f"Not found: Dataset {self.project}:{dataset}")

    def _dataset_resource(self, name: str) -> dict[str, Any]:
        return {
            "kind": "bigquery#dataset",
            "id": f"{self.project}:{name}",
            "datasetReference": {"projectId": self.project, "datasetId": name},
            "location": self.warehouse.locations[name],
        }

    def _table(self, method: str, dataset: str, rest: list[str], request: Request) -> Answer:
        match method, rest:
            case "GET", []:
                listed = [self._table_resource(dataset, n) for n in self.warehouse.tables(dataset)]
                return Answer(200, {"tables": listed, "totalItems": len(listed)})
            case "POST", []:
                given = request.json()
                name = given["tableReference"]["tableId"]
                if self.warehouse.fields(dataset, name) is not None:
                    raise Refused("duplicate", f"Already Exists: Table {dataset}.{name}")
                self.warehouse.make_table(dataset, name, given["schema"]["fields"])
                made = Options(expires=given.get("expirationTime"))
                self.warehouse.options[dataset, name] = made
                return Answer(200, self._table_resource(dataset, name))
            case _, [name, *more]:
                fields = self.warehouse.fields(dataset, name)
                if fields is None:
                    raise Refused("notFound", f"Not found: Table {self.project}:{dataset}.{name}")
                if method == "DELETE":
                    self.warehouse.drop_table(dataset, name)
                    return Answer(204, b"")
                if more == ["data"]:
                    return Answer(200, _page(self.warehouse.page(dataset, name), request.query))
                return Answer(200, self._table_resource(dataset, name, fields))
        return _failed(404, "notFound", f"No such path: {request.path}")

    def _table_resource(
        self, dataset: str, name: str, fields: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        options = self.warehouse.options.get((dataset, name), Options())
        reference = {"projectId": self.project, "datasetId": dataset, "tableId": name}
        resource: dict[str, Any] = {
            "kind": "bigquery#table",
            "id": f"{self.project}:{dataset}.{name}",
            "tableReference": reference,
            "type": "TABLE",
            "labels": options.labels,
        }
        if options.expires:
            resource["expirationTime"] = options.expires
        if fields is not None:
            resource["schema"] = {"fields": fields}
        return resource

    def _upload(self, request: Request) -> Answer:
        if request.method == "PUT":
            return self._chunk(request)
        if request.query.get("uploadType") == "resumable":
            name = uuid.uuid4().hex
            self.uploads[name] = (request.json(), bytearray())
            return Answer(200, b"", {"Location": f"{self.url}{request.path}?upload_id={name}"})
        head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + request.body)
        metadata, content = (part.get_payload(decode=True) for part in message.get_payload())  # type: ignore[union-attr]
        return self._insert(json.loads(metadata), content)  # type: ignore[arg-type]

    def _chunk(self, request: Request) -> Answer:
        metadata, content = self.uploads[request.query["upload_id"]]
        content += request.body
        total = request.headers["content-range"].rpartition("/")[2]
        if total == "*" or len(content) < int(total):
            return Answer(308, b"", {"Range": f"bytes=0-{len(content) - 1}"})
        return self._insert(metadata, bytes(content))

    def _insert(self, given: dict[str, Any], file: bytes | None) -> Answer:
        name = given["jobReference"].get("jobId") or f"job_{uuid.uuid4().hex}"
        if name in self.jobs:
            raise Refused("duplicate", f"Already Exists: Job {self.project}:{name}")
        fault = self.job_faults.popleft() if self.job_faults else ""
        job = Job(resource=self._job_resource(given, name))
        while len(self.jobs) >= _MOST_JOBS:
            del self.jobs[next(iter(self.jobs))]
        self.jobs[name] = job
        reason, _, message = fault.partition(": ")
        try:
            if fault and reason != "lost":
                raise Refused(reason, message)
            self._do(job, given["configuration"], file)
        except Refused as refusal:
            error = {"reason": refusal.reason, "message": refusal.message, "location": "query"}
            job.resource["status"] |= {"errorResult": error, "errors": [error]}
        if reason == "lost":
            return Answer(
                503,
                {"error": {"code": 503, "message": "lost", "errors": [{"reason": "backendError"}]}},
            )
        return Answer(200, job.resource)

    def _query(self, given: dict[str, Any]) -> Answer:
        """Runs a query and answers with its first rows, as jobs.query does."""
        name = f"job_{uuid.uuid4().hex}"
        reference = {"jobId": name, "location": given.get("location", "US")}
        self._insert({"jobReference": reference, "configuration": {"query": given}}, None)
        return self._results(self.jobs[name], {"maxResults": str(_PAGE_ROWS)})

    def _job_resource(self, given: dict[str, Any], name: str) -> dict[str, Any]:
        location = given["jobReference"].get("location", "US")
        now = str(int(time.time() * 1000))
        return {
            "kind": "bigquery#job",
            "id": f"{self.project}:{location}.{name}",
            "jobReference": {"projectId": self.project, "jobId": name, "location": location},
            "configuration": given["configuration"],
            "status": {"state": "DONE"},
            "statistics": {"creationTime": now, "startTime": now, "endTime": now},
        }

    def _do(self, job: Job, configuration: dict[str, Any], file: bytes | None) -> None:
        location = job.resource["jobReference"]["location"]
        if "load" in configuration:
            target = configuration["load"]["destinationTable"]
            self._is_here(target["datasetId"], location)
            rows = self.warehouse.load(
                target["datasetId"],
                target["tableId"],
                io.BytesIO(file or b""),
                is_truncating=configuration["load"]["writeDisposition"] == "WRITE_TRUNCATE",
            )
            job.resource["statistics"]["load"] = {"outputRows": str(rows), "inputFiles": "1"}
            return
        query = configuration["query"]
        told: dict[str, Any]
        for dataset in set(re.findall(r"`[^`]+`\.`([^`]+)`\.`", query["query"])):
            self._is_here(dataset, location)
        values = [
            python_value(each["parameterType"]["type"], each["parameterValue"].get("value"))
            for each in query.get("queryParameters", [])
        ]
        default = query.get("defaultDataset", {}).get("datasetId")
        if configuration.get("dryRun"):
            told = {"statementType": self.warehouse.kind_of(query["query"])}
            job.resource["statistics"]["query"] = told
            return
        job.outcome = self.warehouse.run(query["query"], values, default)
        told = {"statementType": job.outcome.kind}
        if job.outcome.touched is not None:
            told["numDmlAffectedRows"] = str(job.outcome.touched)
        job.resource["statistics"]["query"] = told

    def _is_here(self, dataset: str, location: str) -> None:
        if self.warehouse.locations.get(dataset, location) != location:
            message = f"Not found: Dataset {self.project}:{dataset} was not found in location"
            raise Refused("notFound", f"{message} {location}")

    def _job(self, name: str) -> Answer:
        if name not in self.jobs:
            raise Refused("notFound", f"Not found: Job {self.project}:{name}")
        return Answer(200, self.jobs[name].resource)

    def _results(self, job: Job, query: dict[str, str]) -> Answer:
        error = job.resource["status"].get("errorResult")
        if error:
            raise Refused(error["reason"], error["message"])
        told = job.resource["statistics"].get("query", {})
        body = {
            "kind": "bigquery#getQueryResultsResponse",
            "jobReference": job.resource["jobReference"],
            "jobComplete": True,
            "schema": {"fields": job.outcome.fields},
            **_page(job.outcome, query),
        }
        if "numDmlAffectedRows" in told:
            body["numDmlAffectedRows"] = told["numDmlAffectedRows"]
        return Answer(200, body)


@contextmanager
def running() -> Iterator[BigQueryServer]:
    """Serves the double while the context lasts."""
    double = BigQueryServer()
    with serving(double):
        yield double
    double.warehouse.close()


def key_file(private_key: str, url: str) -> str:
    """Returns the text of a service account's key."""
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "project-one",
            "private_key_id": "key-1",
            "private_key": private_key,
            "client_email": ACCOUNT,
            "token_uri": f"{url}/token",
        }
    )


def _page(outcome: Outcome, query: dict[str, str]) -> dict[str, Any]:
    start = int(query.get("pageToken") or query.get("startIndex") or 0)
    size = min(int(query.get("maxResults") or _PAGE_ROWS), _PAGE_ROWS)
    if query.get("maxResults") == "0":
        size = 0
    rows = outcome.rows[start : start + size]
    body: dict[str, Any] = {"totalRows": str(len(outcome.rows))}
    if rows:
        body["rows"] = [{"f": [{"v": rest_value(value)} for value in row]} for row in rows]
    if size and start + size < len(outcome.rows):
        body["pageToken"] = str(start + size)
    return body


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _refused(refusal: Refused) -> Answer:
    return _failed(_STATUS[refusal.reason], refusal.reason, refusal.message)


def _failed(status: int, reason: str, message: str) -> Answer:
    errors = [{"reason": reason, "message": message, "domain": "global"}]
    return Answer(status, {"error": {"code": status, "message": message, "errors": errors}})
