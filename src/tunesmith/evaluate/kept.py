"""Answers that were given before: another metric, gate, judge or suite asks no model again, nor the server.

Owns under what answers are kept, which is all that they depend on, and that a damaged file is as good as none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from tunesmith.core.ids import digest
from tunesmith.core.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class Keepable(Protocol):
    """What can be written to a file and read again."""

    def save(self, path: Path) -> None:
        """Write to a file that is complete or not there."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""


K = TypeVar("K", bound=Keepable)


@dataclass(frozen=True)
class KeptAnswers:
    """Answers by what they depend on.

    Args:
        folder: where they lie, a file for each system.
        facts: what the answers of every system depend on.
    """

    folder: Path
    facts: Mapping[str, Any]

    def of(self, kind: type[K], name: str, make: Callable[[], K], *, told: str | None = None, **more: Any) -> K:
        """Return a system's answers, made and kept if they are not there.

        ``more`` is what they depend on besides; ``told`` is what people are told in place of the name, nothing if it
        is empty.
        """
        told = name if told is None else told
        path = self.folder / f"{digest([name, dict(self.facts), more], hex_digits=32)}.json"
        try:
            answers = kind.load(path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError):
            say(f"  {path} is damaged: the answers of {told or name} are given again", style="yellow")
        else:
            if told:
                say(f"  answers of {told}: given before", style="dim")
            return answers
        answers = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        answers.save(path)
        return answers
