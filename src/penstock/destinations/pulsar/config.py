"""The settings of the Pulsar destination: where it is, who logs in, what messages are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from penstock.sdk.config import setting

Encoding = Literal["avro", "json"]
Compression = Literal["none", "lz4", "zlib", "zstd", "snappy"]
Oversized = Literal["chunk", "dead_letter", "fail"]

_PEM = "PEM text, or the path of a file."


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLogin:
    """Nobody logs in; a broker that asks for a login refuses."""

    title: ClassVar[str] = "none"
    method: Literal["none"] = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogin:
    """A token (JWT) that is given here."""

    title: ClassVar[str] = "token"
    token: str = setting(title="Token", secret=True)
    method: Literal["token"] = "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFileLogin:
    """A token in a file, read again at each login, so that it may be replaced at any time."""

    title: ClassVar[str] = "token file"
    path: str = setting(
        title="Path", description="Holds the token alone.", examples=["/var/run/secrets/pulsar"]
    )
    method: Literal["token_file"] = "token_file"


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth2Login:
    """Tokens from an OAuth 2.0 server for client credentials, renewed before they expire."""

    title: ClassVar[str] = "OAuth 2.0"
    issuer_url: str = setting(
        title="Issuer",
        description="Its `.well-known/openid-configuration` names where tokens are given.",
        examples=["https://auth.example.org/"],
    )
    client_id: str = setting(title="Client")
    client_secret: str = setting(title="Client secret", secret=True)
    audience: str | None = setting(
        default=None,
        title="Audience",
        description="Who the token is for, as the broker wants it.",
        examples=["urn:sn:pulsar:org:instance"],
    )
    scope: str | None = setting(default=None, title="Scope")
    method: Literal["oauth2"] = "oauth2"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordLogin:
    """A user and a password (the broker's AuthenticationProviderBasic)."""

    title: ClassVar[str] = "password"
    username: str = setting(title="Username")
    password: str = setting(title="Password", secret=True)
    method: Literal["password"] = "password"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateLogin:
    """A client certificate; needs pulsar+ssl://."""

    title: ClassVar[str] = "certificate"
    client_certificate: str = setting(title="Client certificate", description=_PEM, multiline=True)
    client_key: str = setting(title="Client key", description=_PEM, multiline=True, secret=True)
    method: Literal["certificate"] = "certificate"


Authentication = (
    NoLogin | TokenLogin | TokenFileLogin | OAuth2Login | PasswordLogin | CertificateLogin
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PulsarConfig:
    """Which cluster, who logs in, which topics, and what messages are like."""

    service_url: str = setting(
        title="Service URL",
        description="The brokers or proxies: pulsar://host:6650, or pulsar+ssl://host:6651 for TLS."
        " Several hosts are separated by commas.",
        examples=["pulsar+ssl://pulsar.example.org:6651"],
        pattern=r"^pulsar(\+ssl)?://[^/?#@]+$",
        pattern_descriptor="pulsar://host:port or pulsar+ssl://host:port",
    )
    authentication: Authentication = setting(
        default=NoLogin(),
        title="Login",
        description="How the broker knows who writes.",
    )
    ca_certificate: str | None = setting(
        default=None,
        title="CA certificate",
        description="Of the authority that signed the brokers' certificates; those of the Mozilla"
        f" list (certifi) when left out. {_PEM}",
        multiline=True,
    )
    checks_hostname: bool = setting(
        default=True,
        title="Check the host's name",
        description="The broker's certificate must name the host that was asked for. Without it,"
        " whoever has any certificate of the authority can read the login and the rows.",
        advanced=True,
    )
    tenant: str = setting(
        default="public", title="Tenant", pattern=r"^[\w=:.-]+$", alias=["topic_tenant"]
    )
    namespace: str = setting(
        default="default", title="Namespace", pattern=r"^[\w=:.-]+$", alias=["topic_namespace"]
    )
    topic: str = setting(
        default="{namespace}.{stream}",
        title="Topic",
        description="Name of a stream's topic. {stream} is the stream; {namespace} is the stream's"
        " own namespace, and goes with the sign behind it where there is none.",
        pattern=r"^[\w=:.{}-]*\{stream\}[\w=:.{}-]*$",
        pattern_descriptor="letters, digits and -=:._ with {stream} among them",
        alias=["topic_pattern"],
    )
    encoding: Encoding = setting(
        default="avro",
        title="Encoding",
        description="What messages are, and the schema that is registered for the topic. Raw"
        " streams are JSON, without a schema.",
    )
    compression: Compression = setting(
        default="zstd", title="Compression", alias=["compression_type"]
    )
    oversized: Oversized = setting(
        default="chunk",
        title="Rows larger than a message",
        description="chunk: in parts, which consumers put together. dead_letter: likewise, but on"
        " a topic of their own. fail: the sync fails.",
    )
    dead_letter_topic: str = setting(
        default="{topic}-dead-letter",
        title="Dead-letter topic",
        description="Where rows larger than a message go under dead_letter; {topic} is the"
        " stream's topic.",
        pattern=r"^[\w=:.{}-]*\{topic\}[\w=:.{}-]*$",
        pattern_descriptor="letters, digits and -=:._ with {topic} among them",
        advanced=True,
    )
    batches_by_key: bool = setting(
        default=False,
        title="Batches by key",
        description="Rows of one batch have one key: needed for Key_Shared subscriptions, and"
        " slower.",
        advanced=True,
    )
    held_megabytes: int = setting(
        default=64,
        title="Held rows",
        description="Rows wait for the commit of their state, as far as they fit in here; what is"
        " more is sent before.",
        minimum=0,
        advanced=True,
    )
    pending_megabytes: int = setting(
        default=32,
        title="Unacknowledged",
        description="Sending waits while more than this is on its way.",
        minimum=1,
        advanced=True,
    )
    send_seconds: int = setting(
        default=60,
        title="Patience for a message",
        description="A message that no broker has acknowledged after so long fails the sync.",
        minimum=1,
        advanced=True,
    )
    operation_seconds: int = setting(
        default=30,
        title="Patience for a connection",
        description="For finding a topic's broker and opening it.",
        minimum=1,
        advanced=True,
    )
