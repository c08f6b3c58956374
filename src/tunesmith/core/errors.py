"""The one tree of errors a user can meet.

::

    TunesmithError            exit 2
    ├── RecipeError           the recipe says something impossible or unknown
    ├── DataError             a file or row cannot be what it should be
    ├── ArtifactError         an artifact is missing, incomplete or damaged
    ├── SetupError            the machine or installation lacks something
    │   └── MissingExtraError an optional dependency is not installed
    ├── GateError             exit 3: the gate said fail or undecided
    └── RemoteError           exit 4: a remote service refused or is unreachable

Every message says what is wrong (with the value and where), what was expected, what to do next.
The command line prints these without a traceback; any other exception is our bug (exit 1).
Adding one: subclass the nearest leaf, give it a first line a user understands, raise it where the fact is known.
Does not own: argument parsing errors (click) and HTTP error bodies (`serve`).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class TunesmithError(Exception):
    """A fault the user can mend.

    Args:
        message: what is wrong, with the offending value and where it stands.
        expected: what would have been right; printed on its own line.
        hint: the next command or edit to try.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, expected: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)


class RecipeError(TunesmithError):
    """The recipe is not valid."""


class DataError(TunesmithError):
    """The examples cannot be used as they are."""


class ArtifactError(TunesmithError):
    """An artifact is missing, incomplete or damaged."""


class SetupError(TunesmithError):
    """The machine or the installation lacks something."""


class MissingExtraError(SetupError):
    """An optional dependency is not installed.

    Args:
        extra: the extra of this package that brings it, e.g. ``"serve"``.
        package: the import name that was not found.
    """

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"{package!r} is not installed",
            expected=f"the extra {extra!r} of tunesmith",
            hint=f"pip install 'tunesmith[{extra}]'",
        )


class GateError(TunesmithError):
    """The gate said fail or undecided, so nothing was promoted."""

    exit_code: ClassVar[int] = 3


class RemoteError(TunesmithError):
    """A remote service refused or is unreachable."""

    exit_code: ClassVar[int] = 4


class Refusals:
    """Takes in what is wrong with one thing, each part looked at in a ``with`` block, to tell all of it at once."""

    def __init__(self) -> None:
        self.found: list[TunesmithError] = []

    def __enter__(self) -> Refusals:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Take in a user's error that needs no other machine; anything else goes on."""
        taken = isinstance(error, TunesmithError) and error.exit_code == TunesmithError.exit_code
        if taken and isinstance(error, TunesmithError):
            self.found.append(error)
        return taken

    def tell(self) -> None:
        """Raise what was found, if anything was.

        Raises:
            TunesmithError: the one error, or one that tells all, of the kind that all of them are.
        """
        if self.found:
            raise together(self.found)


def together(errors: Sequence[TunesmithError]) -> TunesmithError:
    """Return one error that tells several, each with what was expected and what to try; a single one as it is."""
    if len(errors) == 1:
        return errors[0]
    kinds = {type(one) for one in errors}
    kind = kinds.pop() if len(kinds) == 1 else TunesmithError
    if issubclass(kind, MissingExtraError):
        kind = SetupError
    return kind("\n".join([f"{len(errors)} things do not fit", *(f"- {one}" for one in errors)]))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the nearest known word, or the sorted list when none is near."""
    choices = sorted(known)
    near = get_close_matches(word, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else "one of " + ", ".join(choices)
