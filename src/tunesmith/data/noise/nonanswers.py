"""Answers that do not answer: a placeholder for an answer, the words of an AI assistant, a refusal, the question again.

Owns the rules ``no_answer``, ``ai_disclaimer``, ``refusal``, ``echo``. Does not own empty answers (`check`). Whether a
refusal is right depends on the question, so refusals are only shown to people by default; the rest is never right.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.function_words import word_set
from tunesmith.text.refusals import HEAD_CHARS, UNABLE, declines

if TYPE_CHECKING:
    from tunesmith.data.noise.exchange import Exchange

LONGEST_PLACEHOLDER_CHARS = 80
_THING = (
    r"(?:output|answer|response|result|reply|completion|solution|content|data|text|value|input|information|info|"
    r"explanation|summary|description|translation|code|comment|label)s?"
)
_PLACEHOLDER = re.compile(
    rf"(?:no|none|without|missing|empty|blank|null|insert|enter|your|the|add|write|put|pending|sample|example)?\s*"
    rf"(?:an?|the|your|my)?\s*(?:model|expected|correct|valid|relevant|final|suitable|further)?\s*{_THING}"
    rf"(?:\s*(?:is|was|are|were))?\s*(?:not\s*)?(?:yet\s*)?(?:to be )?"
    rf"(?:available|provided|given|found|required|needed|necessary|possible|applicable|specified|generated|supplied|"
    rf"missing|pending|here|goes here|added|determined|n\s?a|none|returned|recorded|entered|text)?"
    rf"|n\s?a|not\s?(?:applicable|available|provided|specified|given|answered|yet answered|found|known|sure)"
    rf"|none (?:provided|given|available|needed|required|found|specified|applicable|supplied)"
    rf"|nothing (?:to (?:add|say|output|report|see here)|provided|here|found)"
    rf"|to ?do|t\s?b\s?[adcf]|fix\s?me|wip|to be (?:added|determined|completed|filled(?: in)?|done|decided|written|"
    rf"confirmed|provided|announced|updated|answered)(?: later| soon)?|(?:answer|see) (?:below|above|later|attached)"
    rf"|place\s?holder(?: text)?|lorem ipsum(?: \w+)*|(?:coming|answer) soon|under construction|work in progress"
    rf"|undefined|nan|nil|null|none type|nonetype|nan nan|no|error|exception|skip(?:ped)?|pass|ignore|deleted|removed"
    rf"|(?:fill|write|complete|type) (?:this|me|it|in|out|something|here)(?: in| out| later| here)?|x{{3,}}|test|foo"
    rf"|bar"
    rf"|(?:same )?as above|idem|ditto|no comment|no idea|dunno|idk|unanswered|unavailable|unspecified|untitled"
    rf"|unknown error"
)
_BRACKETS = re.compile(r"^[\s<\[({\"'*_#-]*|[\s>\])}\"'*_.!:#-]*$")
_SURE_BRACKETED = re.compile(
    r"[<\[({]\s*/?(?:none|null|blank|empty|unknown|nothing|end|eos|pad|unk|mask)\s*/?[>\])}]", re.I
)
_ONLY_SIGNS = re.compile(r"(?:[-–—_.…?*~#/\\|\s<>\[\]{}()]|\.\.\.)+")
_SHORT_IS_RIGHT = re.compile(
    r"^(?:no|none|nan|nil|null|undefined|error|exception|pass|test|foo|bar|unknown|tbd|skip(?:ped)?|ignore|removed|"
    r"deleted|unavailable|untitled|x+|not (?:sure|found|given|known|provided|available|applicable|specified)|the \w+|"
    r"\w+s?)$"
)
_PLAIN = word_set("no none test foo bar pass error ignore removed deleted skip skipped unavailable unknown")
_PROGRAMS = word_set("null nan nil undefined none nonetype error exception pass")


def no_answer(exchange: Exchange) -> dict[str, Any] | None:
    """Return the placeholder that stands where an answer should be, or None."""
    text = exchange.answer.text.strip()
    if len(text) > LONGEST_PLACEHOLDER_CHARS:
        return None
    if _ONLY_SIGNS.fullmatch(text) and not _ASKS_SIGN.search(exchange.prompt.lower):
        return {"answer": text}
    if _SURE_BRACKETED.fullmatch(text):
        return {"answer": text}
    bare = bare_answer(text)
    if not all(_PLACEHOLDER.fullmatch(part.strip()) for part in bare.split(" - ")) or text == "Na":  # sodium
        return None
    bracketed = text[:1] in "<[{(" or text.endswith(":")
    return {"answer": text} if bracketed or not _may_be_right(bare, exchange) else None


def bare_answer(text: str) -> str:
    """Return the words of a short answer, without signs around them: ``N/A``, ``n.a.`` and ``[NA]`` are nearly one."""
    return " ".join(_BRACKETS.sub("", text).lower().replace("/", " ").replace(".", "").replace("_", " ").split())


def may_be_answer(text: str) -> bool:
    """Whether what stands for no answer says that there is nothing to say, which is an answer if data say so often.

    ``N/A``, ``None.``, ``Not mentioned``; not ``<no output>``, ``TODO`` or ``your answer here``.
    """
    return text.strip()[:1] not in "<[{(" and _NOTHING.fullmatch(bare_answer(text)) is not None


_NOTHING = re.compile(
    r"n ?a|na|none|nothing|null|nil|nan|none ?type|unavailable|unspecified|undefined|not sure|no idea|"
    r"(?:none|not|nothing) (?:applicable|available|provided|specified|given|found|known|required|needed)|"
    r"(?:no|the)? ?(?:relevant |further |valid )?(?:answer|information|info|data|value|content|explanation|result|"
    r"response|summary|description|comment|label)s? ?(?:is |was |are |were )?(?:not )?"
    r"(?:possible|applicable|available|provided|given|found|required|needed|necessary|specified|supplied)?"
)

_ASKS_SIGN = re.compile(
    r"\b(?:punctuation|symbol|sign|character|operator|emoji|emoticon|morse|draw|mark|complete|fill)\b"
)
_ASKS_LABEL = re.compile(
    r"\b(?:classif|categor|label|choose|choice|select|pick|which of|true or false|yes or no|whether|is (?:it|this|the)|"
    r"are (?:there|they|the)|does|did|do|can|was|were|has|have|any|output of|print|return|result of|type of|one word|"
    r"meaning of|synonym|antonym|opposite|spell|word|abbreviation|acronym|stand for)"
)


def _may_be_right(bare: str, exchange: Exchange) -> bool:
    """Whether a word that often stands for no answer may be the right one here: 'None.', 'null', 'the answer'."""
    if bare in _PROGRAMS and exchange.about_code:
        return True
    if bare in ("null", "nan", "nil", "undefined", "nonetype"):
        return False
    if bare in _PLAIN or re.fullmatch(rf"(?:the |an? )?{_THING}", bare):
        return bare in _PLAIN or bool(_ASKS_LABEL.search(exchange.prompt.lower)) or _THING_ASKED.search(bare) is None
    if bare in ("not sure", "not known", "not found", "not given", "no idea", "idk", "dunno"):
        return bool(re.search(r"classif|categor|label|entail|premise|hypothesis|true, false", exchange.prompt.lower))
    return False


_THING_ASKED = re.compile(r"^(?:the |an? |your )?(?:output|answer|response|completion|solution|reply)s?$")

# --- the words of an assistant ---------------------------------------------------------------------------------------

AI_TRIGGERS = word_set(
    "ai artificial chatgpt openai gpt anthropic cutoff chatbot llm language virtual assistant trained training bard "
    "gemini personal machine programmed update"
)
_AI_SIGNS = (
    " ai", "language model", "artificial intel", "gpt", "openai", "anthropic", "llm", "chatbot", "my knowledge",
    "my training", "my last", "my latest", "virtual assistant", "digital assistant", "i was ", "i am ", "i'm ", "i’m ",
    "i have been", "personal", "cutoff", "cut-off",
    "machine learning model", "my most recent", "my name is", "own opinion", "human ", "real ", "physical ",
)  # fmt: skip
_AI = re.compile(
    r"\bas an? (?:\w+[- ]){0,3}?(?:ai\b|artificial intelligence|(?:large )?language model|llm|chatbot|"
    r"(?:virtual|digital|ai) assistant|machine learning model|gpt)|"
    r"\b(?:i am|i'm|i’m|im|being|since i'm|because i'm) (?:just |only |merely |simply )?an? (?:\w+[- ]){0,3}?"
    r"(?:ai\b|artificial intelligence|(?:large )?language model|llm|chatbot|virtual assistant|ai assistant|"
    r"machine learning model|computer program)|"
    r"\b(?:developed|created|trained|made|built) by (?:openai|anthropic|google ai|meta ai)|"
    r"\b(?:i am|i'm|i’m|my name is|call me) (?:chatgpt|gpt-?\d|claude|bard|gemini|copilot)|"
    r"\bmy (?:knowledge|training data|training)(?: is| has| was)?(?: a| only)?(?: cut[- ]?off| limited| current| goes "
    r"up)|"
    r"\b(?:as of|since|until|up to) my (?:last |latest |most recent )?(?:knowledge |training )?(?:update|cut[- ]?off|"
    r"training)|"
    r"\bi (?:do not|don't|don’t|cannot|can't|can’t|am not able to|lack the ability to) "
    r"(?:have|hold|possess|form|experience|feel|express) (?:any )?(?:personal|human|my own|real|physical) "
    r"(?:opinion|feeling|experience|belief|preference|emotion|view|thought|bod|taste|memor)|"
    r"\bi (?:was|am|have been|'ve been) (?:only )?(?:trained|programmed|designed) (?:on|to (?:provide|assist|answer"
    r"|help|"
    r"generate|be))"
)
_ABOUT_AI = re.compile(
    r"\b(?:ai|a\.i\.|artificial intelligence|language models?|llms?|chatgpt|gpt-?\d?|chatbots?|robots?|machine "
    r"learning|"
    r"openai|alexa|siri|assistants?|are you|who (?:made|created|built|trained) you|what are you|who are you|"
    r"your (?:name|creator|training|knowledge))\b"
)


def ai_disclaimer(exchange: Exchange) -> dict[str, Any] | None:
    """Return where the answer speaks as somebody's AI assistant although the question is not about that."""
    answer = exchange.answer
    if AI_TRIGGERS.isdisjoint(answer.unique):
        return None
    if not any(sign in answer.lower for sign in _AI_SIGNS):
        return None
    found = _AI.search(answer.lower)
    if found is None or _ABOUT_AI.search(exchange.prompt.lower):
        return None
    return {"span": answer.text[found.start() : found.end() + 40], "at": found.start()}


# --- refusals --------------------------------------------------------------------------------------------------------


def refusal(exchange: Exchange) -> dict[str, Any] | None:
    """Return the words with which an answer declines to answer, or None."""
    answer, asked = exchange.answer, exchange.prompt.lower
    kind = declines(answer.lower, len(answer.words))
    if kind is None or _sums_up_a_refusal(asked):
        return None
    if kind == "unable" and _may_be_asked_for(answer.lower[:HEAD_CHARS], asked):
        return None
    return {"span": answer.text[:120]}


def _may_be_asked_for(head: str, asked: str) -> bool:
    """Whether words that decline may be the text that was asked for: a text may decline all but the asker's request."""
    if _SPEAKS_FOR_ANOTHER.search(_LENGTH.sub("", asked)):
        return True
    return _WRITES.search(asked) is not None and _OF_THE_REQUEST.search(head) is None


def _sums_up_a_refusal(asked: str) -> bool:
    return _WRITES.search(asked) is not None and _SAYS_NO.search(asked) is not None


_SPEAKS_FOR_ANOTHER = re.compile(
    r"\b(?:reply|respond|response|apolog|rewrite|rephrase|paraphrase|translate|decline|refus|dialogue|email|letter"
    r"|message|lyrics|story|poem|scene|sentence|excuse|say no|role.?play|pretend)"
)
_LENGTH = re.compile(r"\bin (?:about |at most |only |just )?(?:an?|one|a single|two|three|four|five|\d+) sentences?\b")
_WRITES = re.compile(r"\b(?:write|draft|compose|summar)")
_SAYS_NO = re.compile(rf"\b(?:i|we)\b[^.?!\n]{{0,30}}?{UNABLE.pattern}|\b(?:sorry|unfortunately)\b")
_OF_THE_REQUEST = re.compile(
    r"\b(?:with|answer|fulfil\w*|complete|do|to|on|about|help|assist) (?:that|this|it|your|the|these|those)\b"
    r"|\b(?:this|that|your|the) (?:question|request|prompt|task|topic|query|article|text|passage|document)\b"
    r"|\b(?:help|assist|comply|answer|respond)\b\W*(?:\.|$)"
    r"|\b(?:write|create|generate|provide|produce|give|compose|summari[sz]e|access|open|see|find)\b"
)

# --- the question again ----------------------------------------------------------------------------------------------

ECHO_WORDS = 3
LEAD_IN_WORDS = 8
"""Words before an echoed question that make it no answer: 'The question is:'."""
_MAY_ECHO = re.compile(
    r"\b(?:repeat|copy|echo|verbatim|recite|say (?:the|this|exactly)|quote|proof ?read|correct|fix|edit|grammar|spell|"
    r"punctuat|check|capitali[sz]e|extract|identify|find|sort|order|arrange|rearrange|unscramble|detect|remove|delete|"
    r"highlight|underline|format|typo|errors?|mistakes?|improve|which|pick|choose|select|true|complete|fill|return|"
    r"output (?:the|this)|type|write (?:the|this|down)|title|uppercase|lowercase)\b"
)


def echo(exchange: Exchange) -> dict[str, Any] | None:
    """Return what of the question the answer only says again, or None."""
    asked, said = exchange.prompt.words, exchange.answer.words
    if (
        len(said) < ECHO_WORDS
        or said[-1] not in exchange.prompt.unique
        or not exchange.answer.unique <= exchange.prompt.unique | _LEAD_INS
    ):
        return None
    if _ends_alike(said, asked):
        whole = asked
    else:
        parts = [part.lower().split() for part in map(_words_only, exchange.prompt.paragraphs)]
        whole = next((part for part in parts if len(part) >= ECHO_WORDS and _ends_alike(said, part)), [])
    if not whole:
        return None
    if len(whole) < len(asked) and whole != _first_words(exchange) and _MAY_ECHO.search(exchange.prompt.lower):
        return None  # the input again, where the task may leave it as it is
    if len(whole) == len(asked) and _VERBATIM.search(exchange.prompt.lower):
        return None
    return {"span": exchange.answer.text[:200]}


_VERBATIM = re.compile(
    r"\b(?:repeat|say|echo|recite|copy|type|write) (?:after|this|these|the following|exactly|back|me)\b"
)
_LEAD_INS = word_set(
    "you asked the question is was your instruction user prompt sure here it task said q input a answer ok okay so "
    "response of course i will request asks me to and wants know are here below this as"
)


def _ends_alike(said: list[str], asked: list[str]) -> bool:
    extra = len(said) - len(asked)
    return 0 <= extra <= LEAD_IN_WORDS and said[extra:] == asked and len(asked) >= ECHO_WORDS


def _words_only(text: str) -> str:
    return re.sub(r"[^\w\s]|_", " ", text)


def _first_words(exchange: Exchange) -> list[str]:
    return _words_only(exchange.prompt.paragraphs[0]).lower().split()
