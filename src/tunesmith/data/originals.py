"""What redaction took out of the rows, kept encrypted beside the Dataset: ``originals.enc``.

Owns that file, its cipher, and where the key comes from. Does not own what is redacted (`noise.clean`). Rows are sealed
in the process that reads them, so that no original is ever written in the clear.

The file is lines of JSON: a head that says how the key is made, then one sealed piece of the data a line. AES-SIV needs
no random number and is authenticated: the same originals under the same key are the same bytes, and a piece that was
changed, or put where another was, does not open. Source: RFC 5297 (AES-SIV); RFC 7914 (scrypt, key from secret).
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.core.errors import ArtifactError, MissingExtraError, SetupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tunesmith.core.artifacts import Artifact
    from tunesmith.recipe import Originals

FILE = "originals.enc"
FORMAT = 1
FEWEST_CHARS = 16
"""Shortest secret: 16 random letters and digits are 95 bits, more than scrypt's price per guess lets anybody try."""

KEY_BYTES = 64
SCRYPT = {"n": 2**15, "r": 8, "p": 1}
"""A tenth of a second and 32 MiB a guess. Source: RFC 7914, section 2, after Percival's advice for interactive use."""


@dataclass(frozen=True, slots=True)
class Original:
    """One redacted span: its row, its place (``messages[0]``, or ``removed.text``), its placeholder, and what it was.

    The spans of one place are in the order they were replaced; putting them back in the opposite order restores it.
    """

    row_id: str
    field: str
    placeholder: str
    original: str


@dataclass(frozen=True)
class Sealer:
    """Seals pieces of originals under one key. ``dataset`` is the Dataset's id: another one's key is another."""

    dataset: str
    key: bytes = field(repr=False)

    @property
    def head(self) -> str:
        """The first line of the file."""
        kdf = {"name": "scrypt", "salt": self.dataset, **SCRYPT}
        return json.dumps({"format": FORMAT, "cipher": "AES-256-SIV", "kdf": kdf})

    @cached_property
    def _cipher(self) -> Any:
        return _cryptography().AESSIV(self.key)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the cipher, which cannot be sent to another process, behind."""
        return {"dataset": self.dataset, "key": self.key}

    def seal(self, number: int, originals: Sequence[Original]) -> str:
        """Return the line of a piece of the data."""
        plain = json.dumps([asdict(one) for one in originals], ensure_ascii=False).encode("utf-8", "surrogatepass")
        sealed = self._cipher.encrypt(plain, self._bound_to(number))
        return json.dumps({"piece": number, "sealed": base64.b64encode(sealed).decode()})

    def open(self, line: str) -> list[Original]:
        """Return the originals of a piece.

        Raises:
            ArtifactError: if it was sealed with another key, or changed.
        """
        from cryptography.exceptions import InvalidTag

        try:
            piece = json.loads(line)
            plain = self._cipher.decrypt(base64.b64decode(piece["sealed"]), self._bound_to(piece["piece"]))
        except (InvalidTag, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{FILE} of {self.dataset} does not open with this key",
                expected="the key it was sealed with, and a file nobody changed",
                hint=f"tunesmith show {self.dataset} --verify tells whether the file was changed",
            ) from error
        return [Original(**one) for one in json.loads(plain.decode("utf-8", "surrogatepass"))]

    def _bound_to(self, number: int) -> list[bytes]:
        return [self.head.encode(), str(number).encode()]


def sealer_of(settings: Originals | None, dataset: str, folder: Path) -> Sealer | None:
    """Return what seals the originals of a Dataset; None if the recipe does not keep them.

    Args:
        settings: the recipe's ``data.privacy.originals``.
        dataset: id of the Dataset.
        folder: where a relative ``key_file`` is looked for, the recipe's folder.

    Raises:
        SetupError: if the key is not there or too short.
        MissingExtraError: without the ``privacy`` extra.
    """
    if settings is None:
        return None
    _cryptography()
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    secret = _secret(settings, folder).encode("utf-8", "surrogatepass")
    kdf = Scrypt(salt=dataset.encode(), length=KEY_BYTES, **SCRYPT)
    return Sealer(dataset, kdf.derive(secret))


def _secret(settings: Originals, folder: Path) -> str:
    where, secret = _found(settings, folder)
    if secret is None:
        raise SetupError(
            f"data.privacy.originals: {where} is not there, so originals can be neither kept nor read",
            expected="the secret that the key is made from",
            hint=f"set it, and keep it where it is not lost; for a new one: {_NEW_KEY}",
        )
    if len(secret) < FEWEST_CHARS:
        raise SetupError(
            f"data.privacy.originals: {where} has {len(secret)} characters, which can be guessed",
            expected=f"at least {FEWEST_CHARS}",
            hint=_NEW_KEY,
        )
    return secret


_NEW_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


def _found(settings: Originals, folder: Path) -> tuple[str, str | None]:
    """Return how the place of the secret is called in messages, and the secret, if it is there."""
    if settings.key_env is not None:
        return f"the environment variable {settings.key_env}", os.environ.get(settings.key_env)
    file = folder / Path(settings.key_file or "").expanduser()
    try:
        return f"the file {file}", file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return f"the file {file}", None


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers import aead
    except ModuleNotFoundError as error:
        raise MissingExtraError("privacy", "cryptography") from error
    return aead


def join(sealer: Sealer, pieces: Iterable[Path], file: Path) -> int:
    """Write the sealed pieces of a Dataset as one file; return how many originals they hold.

    Raises:
        ArtifactError: if a piece, left by a run that was killed, was sealed with another key.
    """
    count = 0
    with file.open("w", encoding="utf-8") as out:
        out.write(f"{sealer.head}\n")
        for piece in pieces:
            line = piece.read_text(encoding="utf-8")
            count += len(sealer.open(line))
            out.write(f"{line}\n")
    return count


def read_originals(dataset: Artifact, folder: Path, row_id: str = "") -> Iterator[Original]:
    """Yield what was redacted in the rows of a Dataset, of all or of those whose id begins with ``row_id``.

    ``folder`` is where a relative ``key_file`` of its recipe is looked for.

    Raises:
        ArtifactError: if the Dataset keeps none, or the key is not the one they were sealed with.
        SetupError: if the key is not there.
        MissingExtraError: without the ``privacy`` extra.
    """
    file = dataset.path / FILE
    if not file.exists():
        raise ArtifactError(
            f"{dataset.id} keeps nothing of what was redacted",
            hint="data.privacy.originals: {key_env: TUNESMITH_ORIGINALS_KEY}, and prepare again",
        )
    sealer = sealer_of(_settings(dataset), dataset.id, folder)
    assert sealer is not None
    with file.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            yield from (one for one in sealer.open(line) if one.row_id.startswith(row_id))


def _settings(dataset: Artifact) -> Originals:
    from tunesmith.recipe import Originals

    return Originals.model_validate(dataset.manifest["given"]["data"]["privacy"]["originals"])
