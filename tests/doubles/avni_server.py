"""An Avni server on localhost: its external API with its windows, orders, logins and quirks.

Facts: avni-server's `external-api.yaml` and the controllers behind it. Where the server departs
from its own description (totals of one page, 500 for an expired token, coordinates under another
name), the double does as the server does.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.doubles.vendor import Answer, Request, Vendor

Row = dict[str, Any]
START = datetime(2024, 1, 1, tzinfo=UTC)
_SPACE = uuid.UUID("12345678-1234-5678-1234-567812345679")
_LARGEST_PAGE = 2000
_TYPED = ("Subject type", "Program", "Encounter type")
_EXPIRED = b'{"message":"com.auth0.jwt.exceptions.TokenExpiredException: The Token has expired"}'

STRICT = {"subjects", "programEnrolments", "programEncounters", "approvalStatuses"}
"""Lists whose window leaves its ends out; the others' windows hold them."""


def uid(kind: str, number: int) -> str:
    """An id that is the same in every run."""
    return str(uuid.uuid5(_SPACE, f"{kind} {number}"))


def shown(moment: datetime) -> str:
    """An instant as Avni shows it: cut to milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass
class Kept:
    """A record of the database: its instant has microseconds, which the API does not show."""

    body: Row
    modified_at: datetime
    number: int

    def shown(self) -> Row:
        audit = {
            "Created at": shown(START),
            "Last modified at": shown(self.modified_at),
            "Created by": "ann@demo",
            "Last modified by": "ann@demo",
        }
        return {**self.body, "audit": audit}


def _kept(bodies: list[Row]) -> list[Kept]:
    return [
        Kept(body, START + timedelta(seconds=number, microseconds=250), number)
        for number, body in enumerate(bodies)
    ]


@dataclass
class Avni(Vendor):
    """An organisation's data, who may see it, and how one logs in."""

    idp: str = "none"
    """none, cognito, keycloak or both."""
    user: str = "ann@demo"
    password: str = "canary-password-1"
    pool_id: str = "ap-south-1_demo"
    client_id: str = "demo-client"
    jwks_url: str | None = None
    """Where Cognito's keys are, when it is not this double that stands in for Cognito."""
    life_seconds: float = 3600.0
    """What a login says of its token."""
    largest_age: float | None = None
    """After which a token has expired for the server, whatever the login said."""
    hides_bodies: bool = False
    flows: set[str] = field(default_factory=lambda: {"USER_PASSWORD_AUTH", "REFRESH_TOKEN_AUTH"})
    forwards_to: str | None = None
    """Another Cognito, which answers what this one allows but cannot do itself."""
    challenge: str | None = None
    may_generate_tokens: bool = True
    has_idp_details: bool = True
    data: dict[str, list[Kept]] = field(default_factory=dict)
    tasks: list[Row] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    """Lists of which the user may not see some type."""
    denied_types: set[str] = field(default_factory=set)
    """Types the user may not see: a page with one of their records is refused as a whole."""
    has_hole: bool = False
    """Whether a whole page of records comes empty at the front of every list."""
    absent: set[str] = field(default_factory=set)
    """Lists that this version of the server does not have."""
    has_old_names: bool = False
    """Before February 2026 coordinates stood under "… location"."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    tokens: dict[str, float] = field(default_factory=dict)
    """Tokens given by the double itself, and when."""
    logins: list[str] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, count: int, **settings: Any) -> Avni:
        """An organisation with some of everything."""
        data = {
            "subjects": [_subject(number) for number in range(count)],
            "programEnrolments": [_enrolment(number) for number in range(count // 2)],
            "programEncounters": [_encounter(number, "ANC") for number in range(count)],
            "encounters": [_encounter(number, None) for number in range(count)],
            "groupSubjects": [_membership(number) for number in range(count // 4)],
            "locations": [_location(number) for number in range(count // 4)],
            "approvalStatuses": [_approval(number) for number in range(count // 4)],
        }
        kept = {name: _kept(bodies) for name, bodies in data.items()}
        return cls(data=kept, tasks=[_task(number) for number in range(count // 4)], **settings)

    def edit(self, name: str, number: int, at: datetime, **changes: Any) -> None:
        """Changes a record, which moves it to another place of its list."""
        found = next(one for one in self.data[name] if one.number == number)
        found.body.update(changes)
        found.modified_at = at

    def answer(self, request: Request) -> Answer:  # noqa: PLR0911 (a table of answers)
        path = request.path
        if path == "/idp-details" and self.has_idp_details:
            return Answer(body=self._idp_details())
        if path == "/cognito-details":
            return Answer(body={"poolId": self.pool_id, "clientId": self.client_id})
        logins = {
            "/cognito/": self._cognito,
            "/auth/realms/On-premise/protocol/openid-connect/token": self._keycloak,
            "/api/user/generateToken": self._generate,
        }
        if path in logins:
            return logins[path](request)
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if path == "/web/operationalModules":
            return Answer(body=MODULES)
        name = path.removeprefix("/api/")
        if name in self.denied:
            return Answer(403, b"" if self.hides_bodies else b"User doesn't have privilege")
        if name == "tasks":
            return self._tasks(request)
        if name not in self.data or name in self.absent:
            return Answer(404, b"")
        return self._window(name, request.query)

    def _window(self, name: str, query: dict[str, str]) -> Answer:
        if "lastModifiedDateTime" not in query:
            return Answer(400, b"")
        since, until = datetime.fromisoformat(query["lastModifiedDateTime"]), self.now()
        if "now" in query:
            until = datetime.fromisoformat(query["now"])
        rows = sorted(self.data[name], key=lambda one: (one.modified_at, one.number))
        if name in STRICT:
            rows = [one for one in rows if since < one.modified_at < until]
        else:
            rows = [one for one in rows if since <= one.modified_at <= until]
        filters = {"subjectType": "Subject type", "program": "Program"}
        filters |= {"encounterType": "Encounter type"}
        for parameter, key in filters.items():
            if parameter in query:
                rows = [one for one in rows if one.body.get(key) == query[parameter]]
        bodies = [one.shown() for one in rows]
        size = min(int(query.get("size", 20)), _LARGEST_PAGE)
        start = int(query.get("page", 0)) * size
        on_page = bodies[start : start + size]
        if any(self.denied_types & {str(body.get(key)) for key in _TYPED} for body in on_page):
            return Answer(403, b"" if self.hides_bodies else b"User doesn't have privilege")
        if "subjectType" in query:
            for body in bodies:
                del body["Subject type"]
        return self._page([self._named(body) for body in bodies], query)

    def _named(self, body: Row) -> Row:
        if not self.has_old_names:
            return body
        return {name.replace(" Coordinates", " location"): value for name, value in body.items()}

    def _tasks(self, request: Request) -> Answer:
        if not {"type", "isTerminalStatus", "metadata"} <= request.query.keys():
            return Answer(400, b"")
        is_terminal = request.query["isTerminalStatus"] == "true"
        kind = request.query["type"]
        rows = [
            row
            for row in self.tasks
            if row["Task type"] == kind and (row["Task status"] == "Done") is is_terminal
        ]
        return self._page(rows, request.query)

    def _page(self, seen: list[Row], query: dict[str, str]) -> Answer:
        # Spring caps the size without telling; the total is that of the page alone.
        size = min(int(query.get("size", 20)), _LARGEST_PAGE)
        start = int(query.get("page", 0)) * size
        rows = [*([None] * size if self.has_hole else []), *seen]
        page = [row for row in rows[start : start + size] if row is not None]
        body = {
            "content": page,
            "totalElements": len(page),
            "totalPages": -(-len(rows) // size),
            "pageSize": size,
        }
        return Answer(body=body, is_data=True)

    def _idp_details(self) -> Row:
        keycloak = {
            "authServerUrl": f"{self.url}/auth",
            "clientId": "avni-client",
            "grantType": "password",
            "scope": "openid",
            "realm": "On-premise",
        }
        return {
            "idpType": self.idp,
            "cognito": {"poolId": self.pool_id, "clientId": self.client_id},
            "keycloak": keycloak if self.idp in {"keycloak", "both"} else None,
            "genericConfig": {"webAppTimeoutInMinutes": 60, "avniEnvironment": "test"},
        }

    def _refusal(self, request: Request) -> Answer | None:
        """Who asks, as the server's filter finds it out; None when all is well."""
        if self.idp == "none":
            is_known = request.headers.get("user-name") == self.user
            return None if is_known else Answer(401, b"")
        token = request.headers.get("auth-token", "")
        given_at = self.tokens.get(token)
        if given_at is None and self.jwks_url is not None:
            given_at = self._issued_at(token)
        if given_at is None:
            return Answer(401, b"")
        largest = self.life_seconds if self.largest_age is None else self.largest_age
        if time.time() - given_at > largest:
            # The exception escapes the filter: no 401, but 500.
            return Answer(500, b"" if self.hides_bodies else _EXPIRED)
        return None

    def _issued_at(self, token: str) -> float | None:
        """When a token of Cognito was issued; None when the server would not take it."""
        parts = token.split(".")
        if len(parts) != 3:
            return None
        head, claims = (json.loads(_from64(part)) for part in parts[:2])
        if not self.keys:
            found = httpx.get(str(self.jwks_url)).json()["keys"]
            self.keys = {key["kid"]: key for key in found}
        key = self.keys.get(head["kid"])
        if key is None:
            return None
        numbers = [int.from_bytes(_from64(key[name]), "big") for name in ("e", "n")]
        public = rsa.RSAPublicNumbers(*numbers).public_key()
        signed = ".".join(parts[:2]).encode()
        try:
            public.verify(_from64(parts[2]), signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return None
        issuer = f"https://cognito-idp.ap-south-1.amazonaws.com/{self.pool_id}"
        wanted = {"token_use": "id", "aud": self.client_id, "iss": issuer}
        if {name: claims.get(name) for name in wanted} != wanted:
            return None
        return float(claims.get("auth_time") or claims["iat"])

    def _give(self, how: str) -> str:
        self.logins.append(how)
        token = f"canary-token-{len(self.logins)}"
        self.tokens[token] = time.time()
        return token

    def _cognito(self, request: Request) -> Answer:
        asked = request.json()
        flow, told = asked.get("AuthFlow"), asked.get("AuthParameters")
        if self.forwards_to is not None and flow in {*self.flows, None}:
            names = ("x-amz-target", "content-type")
            headers = {name: request.headers[name] for name in names}
            reply = httpx.post(self.forwards_to, content=request.body, headers=headers)
            return Answer(reply.status_code, reply.content)
        if flow not in self.flows:
            words = f"{flow} flow not enabled for this client"
            return Answer(400, {"__type": "InvalidParameterException", "message": words})
        if flow == "REFRESH_TOKEN_AUTH":
            is_right = told["REFRESH_TOKEN"] == "canary-refresh-1"
        else:
            is_right = (told["USERNAME"], told["PASSWORD"]) == (self.user, self.password)
        if not is_right:
            words = "Incorrect username or password."
            return Answer(400, {"__type": "NotAuthorizedException", "message": words})
        if self.challenge is not None:
            return Answer(body={"ChallengeName": self.challenge, "Session": "s"})
        result = {"IdToken": self._give(flow), "ExpiresIn": self.life_seconds}
        if flow == "USER_PASSWORD_AUTH":
            result["RefreshToken"] = "canary-refresh-1"
        return Answer(body={"AuthenticationResult": result})

    def _keycloak(self, request: Request) -> Answer:
        form = request.form()
        asked = (form.get("username"), form.get("password"), form.get("grant_type"))
        if asked != (self.user, self.password, "password"):
            words = "Invalid user credentials"
            return Answer(401, {"error": "invalid_grant", "error_description": words})
        token = self._give("keycloak")
        return Answer(body={"access_token": token, "expires_in": self.life_seconds})

    def _generate(self, request: Request) -> Answer:
        asked = request.json()
        if asked["username"] != self.user:
            return Answer(404, b"")
        if not self.may_generate_tokens or asked["password"] != self.password:
            return Answer(403, b"")
        return Answer(body={"authToken": self._give("generateToken")})


def _from64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _subject(number: int) -> Row:
    observations: Row = {
        "Blood group": "B+" if number % 2 else "AB-",
        "Weight (kg)": 50 + number / 4,
        "Children": number % 5,
        "Date of first visit": f"2024-01-{1 + number % 28:02d}",
        "Symptoms 🩺": ["Fever", "Cough"][: number % 3],
        "Phone": {"phoneNumber": "9801010101", "verified": False},
        "नाम": f"आशा {number}",
    }
    if number % 9 == 8:
        observations = {}
    kind = "Household" if number % 4 == 3 else "Individual"
    return {
        "Subject type": kind,
        "ID": uid("subject", number),
        "External ID": f"00{number}" if number % 2 else None,
        "Voided": number % 11 == 10,
        "Registration Coordinates": {"X": 19.1253108, "Y": 74.7364501},
        "Registration date": "2024-01-01",
        "location": {"State": "Goa", "Village": "Assagao"},
        "Location ID": uid("location", number % 3),
        "relatives": [],
        "observations": observations,
        "encounters": [uid("encounter", number)],
        "enrolments": [],
        "Groups": [],
        "Large": 9007199254740993 + number,
    }


def _enrolment(number: int) -> Row:
    return {
        "ID": uid("enrolment", number),
        "Voided": False,
        "Subject type": "Individual",
        "Subject ID": uid("subject", number),
        "External ID": None,
        "Subject external ID": None,
        "Program": "ANC",
        "Enrolment datetime": shown(START),
        "Enrolment Coordinates": {"X": 1.5, "Y": 2.5},
        "Exit datetime": None,
        "observations": {"Parity": number % 3},
        "exitObservations": {},
        "encounters": [],
    }


def _encounter(number: int, program: str | None) -> Row:
    kind = "Delivery" if number % 3 == 2 else "Monthly visit"
    row: Row = {
        "ID": uid("encounter" if program is None else "program encounter", number),
        "Voided": number % 13 == 12,
        "External ID": None,
        "Subject ID": uid("subject", number),
        "Subject type": "Individual",
        "Subject external ID": None,
        "Encounter type": kind if program else "Home visit",
        "Encounter Coordinates": None,
        "Encounter date time": shown(START),
        "Earliest scheduled date": None,
        "Max scheduled date": None,
        "observations": {"BP systolic": 110 + number, "Remark": None},
        "Cancel date time": None,
        "cancelObservations": {},
    }
    if program:
        row |= {"Enrolment ID": uid("enrolment", number), "Program": program}
        row |= {"Enrolment external ID": None}
    return row


def _membership(number: int) -> Row:
    return {
        "Group subject": {"ID": uid("subject", 3), "Subject type": "Household"},
        "Member subject": {"ID": uid("subject", number), "Subject type": "Individual"},
        "Voided": False,
        "Membership start date": shown(START),
        "Membership end date": None,
        "Role": "Member" if number else "Head",
    }


def _location(number: int) -> Row:
    parent = {"ID": uid("location", 0), "Title": "Goa", "Type": "State", "Level": 3}
    return {
        "ID": uid("location", number),
        "External ID": None,
        "Title": f"Village {number}",
        "Type": "Village" if number else "State",
        "Level": 1.0 if number else 3.0,
        "GPS Coordinates": None,
        "customProperties": {"population": 1001},
        "Parent": parent if number else None,
        "Voided": False,
    }


def _approval(number: int) -> Row:
    return {
        "Entity ID": uid("subject", number),
        "Entity type": "Subject",
        "Entity type ID": uid("type", 0),
        "Approval status": "Approved" if number % 2 else "Rejected",
        "Approval status comment": None,
        "Status date time": shown(START + timedelta(seconds=number)),
    }


def _task(number: int) -> Row:
    return {
        "ID": uid("task", number),
        "Task type": "Call",
        "Task status": "Done" if number % 3 == 0 else "New",
        "Name": f"Call {number}",
        "Assigned to": "ann@demo",
        "External ID": None,
        "Completed on": None,
        "Scheduled on": shown(START),
        "Subject ID": uid("subject", number),
        "Subject external ID": None,
        "metadata": {"Contact number": "9801010101"},
        "observations": {},
        "Voided": False,
    }


MODULES: Row = {
    "subjectTypes": [
        {"uuid": "st-1", "name": "Individual", "active": True},
        {"uuid": "st-2", "name": "Household", "active": True},
    ],
    "programs": [{"uuid": "p-1", "name": "ANC", "active": True}],
    "encounterTypes": [
        {"uuid": "et-1", "name": "Monthly visit", "active": True},
        {"uuid": "et-2", "name": "Delivery", "active": True},
        {"uuid": "et-3", "name": "Home visit", "active": True},
    ],
    "formMappings": [
        {"subjectTypeUUID": "st-1", "formType": "IndividualProfile"},
        {"subjectTypeUUID": "st-1", "programUUID": "p-1", "formType": "ProgramEnrolment"},
        {"programUUID": "p-1", "encounterTypeUUID": "et-1", "formType": "ProgramEncounter"},
        {"programUUID": "p-1", "encounterTypeUUID": "et-2", "formType": "ProgramEncounter"},
        {"subjectTypeUUID": "st-1", "encounterTypeUUID": "et-3", "formType": "Encounter"},
    ],
    "taskTypes": [{"uuid": "tt-1", "name": "Call", "taskTypeName": "Call"}],
}
