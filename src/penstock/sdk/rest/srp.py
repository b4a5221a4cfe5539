"""Proves a password to AWS Cognito without sending it: its variant of Secure Remote Password 6a.

The protocol is that of RFC 5054 §2 over the 3072-bit group of RFC 3526 §5, with SHA-256. What
Cognito has of its own (how numbers are spelled before hashing, the key's derivation, the message
that is signed) is not specified anywhere; it is as AWS's own open-source client has it
(aws-amplify, `AuthenticationHelper`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from penstock.errors import AccessDenied

N: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
    "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
    "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
    "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
    16,
)
"""The prime of RFC 3526 §5 (MODP group 15)."""
G: Final = 2

_KEY_INFO: Final = b"Caldera Derived Key\x01"
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


class SrpLogin:
    """One login: its secret number, and the answer to the server's challenge."""

    def __init__(self, pool_id: str, password: str, *, secret: int | None = None) -> None:
        """`pool_id` is the user pool's, as ap-south-1_AbC. `secret` is drawn unless it is given."""
        self._pool = pool_id.partition("_")[2]
        self._password = password
        self._secret = secret or secrets.randbits(1024)
        self._public = pow(G, self._secret, N)

    @property
    def public(self) -> str:
        """What opens the login: SRP_A."""
        return f"{self._public:x}"

    def answer(self, challenge: Mapping[str, str], now: datetime) -> dict[str, str]:
        """Returns the ChallengeResponses to a PASSWORD_VERIFIER challenge.

        Raises AccessDenied for a challenge that would give the password away (RFC 5054 §2.5.4).
        """
        server, user = int(challenge["SRP_B"], 16), challenge["USER_ID_FOR_SRP"]
        key = self._key(server, int(challenge["SALT"], 16), user)
        block, moment = challenge["SECRET_BLOCK"], timestamp(now)
        message = (self._pool + user).encode() + base64.b64decode(block) + moment.encode()
        signature = hmac.digest(key, message, "sha256")
        return {
            "USERNAME": challenge.get("USERNAME", user),
            "TIMESTAMP": moment,
            "PASSWORD_CLAIM_SECRET_BLOCK": block,
            "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(signature).decode("ascii"),
        }

    def _key(self, server: int, salt: int, user: str) -> bytes:
        scramble = _hash(spelled(self._public) + spelled(server))
        if server % N == 0 or scramble == 0:
            raise AccessDenied(
                "Cognito's answer to the login is not safe to answer.",
                remedy="See whether the address is that of AWS, and the network is to be trusted.",
            )
        private = password_number(self._pool, user, self._password, salt)
        base = (server - MULTIPLIER * pow(G, private, N)) % N
        shared = pow(base, self._secret + scramble * private, N)
        return derived_key(shared, scramble)


def password_number(pool: str, user: str, password: str, salt: int) -> int:
    """Returns SRP's x: what the password, the salt and whose they are come to."""
    identity = hashlib.sha256(f"{pool}{user}:{password}".encode()).digest()
    return _hash(spelled(salt) + identity)


def derived_key(shared: int, scramble: int) -> bytes:
    """Returns the 16 bytes that sign, from what both sides know (HKDF, RFC 5869, one block)."""
    extracted = hmac.digest(spelled(scramble), spelled(shared), "sha256")
    return hmac.digest(extracted, _KEY_INFO, "sha256")[:16]


def spelled(number: int) -> bytes:
    """Returns a number as two's complement bytes, with a zero byte before a leading one bit."""
    return number.to_bytes(number.bit_length() // 8 + 1)


def timestamp(now: datetime) -> str:
    """Returns an instant as Cognito wants it, in English whatever the locale."""
    moment = now.astimezone(UTC)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day} {month} {moment.day} {moment:%H:%M:%S} UTC {moment.year}"


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha256(data).digest())


MULTIPLIER: Final = _hash(spelled(N) + spelled(G))
"""SRP-6a's k."""
