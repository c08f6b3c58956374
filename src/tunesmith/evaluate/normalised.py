"""When two free answers are the same but for case, punctuation, articles and spaces.

Source: Rajpurkar et al. 2016, "SQuAD", its ``normalize_answer``; but punctuation and spaces of all
scripts, not of English alone, and no text becomes empty: ``A`` (as of a choice) is no missing answer.
"""

from __future__ import annotations

import re
import string
import unicodedata

_ARTICLE = re.compile(r"\b(?:a|an|the)\b")


def normalised(text: str) -> str:
    """Return a text in lower case without punctuation, English articles and needless spaces; ``ﬁ`` is ``fi``.

    Articles stay where nothing else would, and so does punctuation.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(sign for sign in plain if not _is_punctuation(sign))
    forms = (" ".join(form.split()) for form in (_ARTICLE.sub(" ", kept), kept, plain))
    return next((form for form in forms if form), "")


def _is_punctuation(sign: str) -> bool:
    return sign in string.punctuation or unicodedata.category(sign).startswith("P")
