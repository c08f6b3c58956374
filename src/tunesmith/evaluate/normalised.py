"""When two free answers are the same but for case, punctuation, articles and spaces.

Source: Rajpurkar et al. 2016, "SQuAD", its ``normalize_answer``; but punctuation and spaces of all
scripts, not of English alone.
"""

from __future__ import annotations

import re
import unicodedata

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalised(text: str) -> str:
    """Return a text in lower case without punctuation, English articles and needless spaces; ``ﬁ`` is ``fi``."""
    plain = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(sign for sign in plain if not unicodedata.category(sign).startswith("P"))
    return " ".join(_ARTICLE.sub(" ", kept).split())
