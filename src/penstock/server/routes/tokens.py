"""Keys for programs: made, listed, taken back."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from penstock.control.accounts import Token
from penstock.control.store import people
from penstock.errors import UnknownName
from penstock.server.routes.own import own_router
from penstock.server.site import ActorNeeded, SiteNeeded

router = own_router("/tokens", tag="tokens")


class TokenShown(BaseModel):
    """A token, without the token itself."""

    id: str
    name: str
    prefix: str
    """Its first characters, to tell tokens apart."""
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewToken(BaseModel):
    """What a token is for, and what it may."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    scopes: list[str] = Field(default_factory=list)
    """read, run, edit or admin; none: all that you may."""
    expires_at: datetime | None = None


class TokenMade(TokenShown):
    """A new token; its secret is shown this once."""

    secret: str


class Tokens(BaseModel):
    """One's own tokens, the newest first."""

    items: list[TokenShown]


@router.get("")
def list_tokens(actor: ActorNeeded, site: SiteNeeded) -> Tokens:
    """Lists one's own tokens."""
    with site.store.read() as tx:
        return Tokens(items=[_shown(each) for each in people.tokens_of(tx, actor.id)])


@router.post("", status_code=201)
def create_token(body: NewToken, actor: ActorNeeded, site: SiteNeeded) -> TokenMade:
    """Makes a token for oneself; keep its secret, it is not shown again."""
    actor.require_whole()
    made, secret = site.access.new_token(
        actor.user, body.name, site.now(), scopes=body.scopes, expires_at=body.expires_at
    )
    return TokenMade(**_shown(made).model_dump(), secret=secret)


@router.delete("/{token_id}", status_code=204)
def revoke_token(token_id: str, actor: ActorNeeded, site: SiteNeeded) -> None:
    """Makes a token of one's own worthless, at once."""
    with site.store.write() as tx:
        if token_id not in {each.id for each in people.tokens_of(tx, actor.id)}:
            raise UnknownName(f"There is no token {token_id} of yours.", remedy="List yours.")
        people.revoke_token(tx, token_id, now=site.now())


def _shown(token: Token) -> TokenShown:
    return TokenShown(
        id=token.id,
        name=token.name,
        prefix=token.prefix,
        scopes=list(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
        revoked_at=token.revoked_at,
    )
