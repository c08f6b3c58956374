"""API keys: made, listed, revoked, checked.

A secret has 192 random bits and is kept only as its SHA-256: nothing can be guessed from the hash, so a slow hash
would only make every request slower. Does not own what a key may do: each may do everything.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.core.errors import SetupError, did_you_mean

if TYPE_CHECKING:
    from datetime import datetime

    from tunesmith.core.store import Store

SECRET_BYTES = 24
PREFIX_LENGTH = 8
"""Characters of the secret that are kept to recognise a key by."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; the only time its secret is known."""

    id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Key:
    """What is kept of a key."""

    id: str
    name: str
    prefix: str
    created: datetime
    revoked: datetime | None


def create_key(store: Store, name: str) -> NewKey:
    """Make a key for somebody. From now on the server asks for one.

    Raises:
        SetupError: if the name is empty or longer than 200 characters.
    """
    if not name.strip() or len(name) > 200:
        raise SetupError(f"{name!r} cannot name a key", expected="1 to 200 characters that say whose it is")
    made = NewKey(f"key-{secrets.token_hex(6)}", f"ts-{secrets.token_urlsafe(SECRET_BYTES)}")
    row = {"id": made.id, "name": name, "prefix": made.secret[:PREFIX_LENGTH], "hash": _hash(made.secret)}
    with store.writing() as connection:
        connection.execute(sa.insert(tables.api_keys).values(**row, created=now_utc()))
    return made


def list_keys(store: Store) -> list[Key]:
    """Return every key, revoked ones too, oldest first."""
    table = tables.api_keys
    columns = (table.c.id, table.c.name, table.c.prefix, table.c.created, table.c.revoked)
    with store.reading() as connection:
        rows = connection.execute(sa.select(*columns).order_by(table.c.created, table.c.id))
        return [Key(**row) for row in rows.mappings()]


def revoke_key(store: Store, key_id: str) -> None:
    """Make a key useless from the next request on; revoking it again changes nothing.

    Raises:
        SetupError: if there is no such key.
    """
    table = tables.api_keys
    known = {key.id: key.revoked for key in list_keys(store)}
    if key_id not in known:
        hint = did_you_mean(key_id, known) if known else "tunesmith keys create --name NAME makes the first"
        raise SetupError(f"no key {key_id!r}", hint=hint)
    with store.writing() as connection:
        connection.execute(
            sa.update(table).where(table.c.id == key_id, table.c.revoked.is_(None)).values(revoked=now_utc())
        )


def any_key(store: Store) -> bool:
    """Tell whether a key was ever made. Revoking the last one does not open the door."""
    with store.reading() as connection:
        return connection.execute(sa.select(tables.api_keys.c.id).limit(1)).first() is not None


@dataclass
class KeyRing:
    """The keys of a store as last read, so that checking one asks no database."""

    store: Store
    needed: bool = True
    _ids: dict[str, str] = field(default_factory=dict)

    def refresh(self) -> None:
        """Read the keys anew; revoked ones stop working, new ones begin to.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: if the store cannot be read; then nothing changes.
        """
        table = tables.api_keys
        with self.store.reading() as connection:
            rows = connection.execute(sa.select(table.c.id, table.c.hash, table.c.revoked)).all()
        self._ids = {row.hash: row.id for row in rows if row.revoked is None}
        self.needed = bool(rows)

    def verify(self, secret: str) -> str | None:
        """Return the id of the key with this secret, or None if there is none or it was revoked."""
        return self._ids.get(_hash(secret))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
