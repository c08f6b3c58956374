"""A training run that is killed after some steps and started again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tunesmith.train import loop


class Killed(Exception):
    """Raised where a kill would fall."""


def killed_after(steps: int, train: Callable[[], Any]) -> None:
    """Train until so many steps are done, and die in the next."""
    real, done = loop.update, iter(range(steps))

    def dies(*arguments: Any) -> None:
        if next(done, None) is None:
            raise Killed
        real(*arguments)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "update", dies)
        train()
