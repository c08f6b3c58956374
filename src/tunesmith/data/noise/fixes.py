"""Repairs of one text: each takes a text and returns it mended, or the same text if there is nothing to mend.

Owns broken encoding, leftovers of HTML, page furniture, control characters, whitespace, placeholders for an empty
input, a second instruction after the answer, open blocks of code, and almost-JSON. Does not own which text is given to
which repair, nor records (`clean`). Mending twice changes nothing more.
"""

from __future__ import annotations

import ast
import html
import re
from functools import lru_cache

import ftfy
import orjson

from tunesmith.data.noise.function_words import word_set
from tunesmith.data.noise.leftovers import second_instruction
from tunesmith.data.rows import to_json

_TAG_NAMES = (
    "p|br|div|span|b|i|u|em|strong|small|big|font|ul|ol|li|dl|dt|dd|hr|h[1-6]|blockquote|table|caption|tbody|thead"
    "|tfoot|tr|td|th|img|"
    "center|section|header|footer|nav|aside|figure|figcaption|sup|sub|strike|del|ins|pre|iframe|button|o:p|wbr"
)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES}|a(?=[\s>]|/))(?:\s[^<>]{{0,500}})?/?>", re.IGNORECASE)
_HIDDEN = re.compile(r"<!--.*?-->|<(style|noscript)\b[^>]*>.*?</\1>", re.IGNORECASE | re.DOTALL)
_SCRIPT = re.compile(
    r"(?:^|(?<=[>.!?]))[ \t]*<script\b[^>]*>.*?</script\s*>[ \t]*", re.IGNORECASE | re.DOTALL | re.MULTILINE
)
"""A script between sentences or tags; one in mid-sentence is spoken of."""
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h[1-6]|blockquote|section|dt|dd)>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
_BBCODE = re.compile(
    r"\[(/?)(?:b|i|u|s|quote|url|img|size|color|colour|font|center|list|code|spoiler)(?:=[^\]\n]{0,200})?\]"
    r"|\[\*\]",
    re.IGNORECASE,
)
_CODE = re.compile(r"`|<!DOCTYPE|<html|<script|<body|</?code|<\?xml", re.IGNORECASE)
_MARKUP_WORDS = re.compile(
    r"\b(?:html|xml|css|svg|jsx|tags?|markup|web ?pages?|javascript|react|php|bbcode|hyperlink|dom|entities|"
    r"escap(?:e|ed|ing)|parse[rs]?|parsing|scrap(?:e|ing)|wordpress|markdown|latex|source code)\b",
    re.IGNORECASE,
)
_SCRIPTED = re.compile(
    r"\b(?:codes?|coding|scripts?|snippets?|functions?|buttons?|forms?|websites?|sites?|pages?|widgets?|pop.?ups?|alerts?|js"
    r"|games?|apps?|animat\w+|frontend|browsers?|xss|inject\w*|vulnerab\w+|saniti[sz]\w+|calculators?|timers?|clocks?)\b",
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]")
_ESCAPE = re.compile(r"\\(?:r\\n|[nrt](?![a-z]{2,}\b(?<=\\(?:nu|ne|to)))|\"|u[0-9a-fA-F]{4})")
_NOT_ESCAPES = re.compile(
    r"`|[$].*[$]|\\[(\[{]|\\(?:nu|neq?|nabla|not|notin|neg|newline|theta|tau|text\w*|times|to|top|tan|tanh"
    r"|triangle\w*|tilde|rho|right\w*|"
    r"rangle|rm|rfloor|rceil|nolimits|newcommand|title|table|tag|begin|frac|sqrt|sum)(?![a-z])|[A-Za-z]:\\|\\\\"
    r"|['\"]\\[nrt]['\"]|"
    r"\b(?:print|printf|escape|newline|regex|regular expression|string|char|backslash|tab character|path|code|json)\b"
    r"|=\s*\"",
    re.IGNORECASE,
)
_UNESCAPED = {r"\n": "\n", r"\r": "", r"\t": " ", r"\"": '"', r"\r\n": "\n"}
_RUNS = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n\s*\n\s*\n+")
_LINE_ENDS = re.compile(r"[ \t]+(?=\n)")
_ODD_SPACE = re.compile(r"^\s|\s$|\s\s|[^\S \n]")


def fix_encoding(text: str) -> str:
    """Undo text in one encoding that was read as another (``CafÃ©`` to ``Café``)."""
    return text if text.isascii() else ftfy.fix_encoding(text)


def fix_html(text: str) -> str:
    """Drop tags, scripts and styles of a web form and resolve its entities; text that shows code stays as it is."""
    if "<" not in text and "&" not in text and "[/" not in text:
        return text
    whole, text = text, _without_scripts(text).strip() if "<" in text else text
    if not text or _CODE.search(text):
        return whole
    before = ""
    while text != before:
        before = text
        text = _HIDDEN.sub(" ", _without_scripts(text))
        if _TAG.search(text):
            text = _TAG.sub(" ", _BREAK.sub("\n", text)).strip()
        text = _ENTITY.sub(lambda found: html.unescape(found[0]).replace("\xa0", " "), text)
        if "[/" in text and any(found[1] for found in _BBCODE.finditer(text)):
            text = _BBCODE.sub("", text)
    return text


def _without_scripts(text: str) -> str:
    return _SCRIPT.sub(" ", text) if "</script" in text.lower() else text


def speaks_of_markup(text: str) -> bool:
    """Whether a text is about web pages or code, so that tags beside it are meant."""
    return _MARKUP_WORDS.search(text) is not None


def asks_for_script(text: str) -> bool:
    """Whether a question, whatever scripts stand in it, asks for something that is made of them."""
    return _SCRIPTED.search(_without_scripts(text)) is not None


def fix_control(text: str) -> str:
    r"""Drop control, zero-width and direction characters, make line ends ``\n``, and resolve ``\n`` written out."""
    if "\\" in text:
        text = _unescaped(text)
    if _printable(text):
        return text
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text)


def _printable(text: str) -> bool:
    return text.isprintable() or text.replace("\n", "").isprintable()


def _unescaped(text: str) -> str:
    r"""Resolve escapes that stand in the text as two characters; code, LaTeX and talk about escapes keep theirs."""
    if _NOT_ESCAPES.search(text):
        return text
    found = _ESCAPE.findall(text)
    if not found or (len(found) != len(re.findall(r"\\+", text)) and text.count("\\") != "".join(found).count("\\")):
        return text
    return _ESCAPE.sub(lambda one: _UNESCAPED.get(one[0]) or _character(one[0]), text)


def _character(escape: str) -> str:
    code = int(escape[2:], 16) if escape.startswith("\\u") else 0
    return "" if code < 32 or 0xD800 <= code < 0xE000 else chr(code)


def fix_whitespace(text: str) -> str:
    """Make runs of spaces one space, blank lines at most one, and nothing at the ends."""
    if "  " not in text and _printable(text) and "\n" not in text:
        return text.strip()
    if not _ODD_SPACE.search(text):
        return text
    lines = (_RUNS.sub(" ", line).strip() for line in text.split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def fix_outer_whitespace(text: str) -> str:
    """As `fix_whitespace`, but the beginning and inside of lines stay if there are several: they may be code."""
    if "\n" not in text:
        return text.strip()
    if " \n" in text or "\n\n" in text or not _printable(text):
        text = _BLANK_LINES.sub("\n\n", _LINE_ENDS.sub("", text))
    text = text.rstrip().lstrip("\n")
    return text if "\n" in text else text.strip()


# --- page furniture --------------------------------------------------------------------------------------------------

_FIRST_WORDS = word_set(
    "we this accept cookie cookies please subscribe sign log register copyright © (c) click share to facebook twitter "
    "tweet pinterest "
    "linkedin whatsapp reddit email print like follow related read learn see show load view continue advertisement "
    "advertisements "
    "advertisment advert advertise advertising sponsored privacy terms contact about sitemap careers home faq help "
    "login blog disclaimer powered "
    "skip back leave post no comments comment posted published updated last written tags tags: filed categories: "
    "loading loading... "
    "next previous [edit] - * • |"
)
LONGEST_FURNITURE_CHARS = 160
_FURNITURE = re.compile(
    r"(?:we use cookies\b.*|this (?:web)?site uses cookies\b.*|accept (?:all )?cookies?.*|cookie (?:policy|settings"
    r"|preferences|notice).*"
    r"|(?:please )?(?:subscribe|sign up|sign in|log in|register)\b[^.?]{0,60}(?:newsletter|channel|updates|inbox|free"
    r"|now|today|comment|"
    r"account|mailing list|podcast|to continue|here)\W*|subscribe(?: now)?!?"
    r"|(?:copyright|©|\(c\))\s*(?:copyright|©|\(c\))?\s*(?:\d{4}|by\b).{0,100}|.{0,60}\ball rights reserved\.?"
    r"|click here\b(?: (?:to|for)\b.{0,80})?\W*|(?:click )?(?:to )?share(?: this| on| via| with)\b.{0,80}"
    r"|share(?:\s*[|•·]?\s*(?:facebook|twitter|"
    r"pinterest|linkedin|email|whatsapp|reddit|tweet|print|x)\b\W*)+|(?:facebook|twitter|tweet|pinterest|linkedin"
    r"|whatsapp|reddit|email|print)"
    r"(?:\s*[|•·,]?\s*(?:facebook|twitter|tweet|pinterest|linkedin|whatsapp|reddit|email|print))+"
    r"|(?:like|follow) us on\b.{0,60}|follow us\b\W*|related (?:articles?|posts?|stories|topics|content|questions"
    r"|searches|links|videos)\b.{0,80}"
    r"|(?:read|learn|see|show|load|view) more\b\s*(?:[:»>→….].{0,100}|\W*)|continue reading\b.{0,60}"
    r"|advertise?ments?\W*|sponsored(?: content| by.{0,40})?\W*"
    r"|(?:privacy policy|terms of (?:service|use)|cookie policy|contact us|about us|sitemap|careers|home|faq|help|log "
    r"?in|sign up|blog|login|"
    r"disclaimer)(?:\s*[|•·»>/-]\s*[\w &]{2,30}){1,12}\W*|powered by \w+(?: \w+)?\W*|skip to (?:main )?(?:content"
    r"|navigation)\W*"
    r"|back to top\W*|(?:leave a (?:comment|reply)|post a comment|view (?:all )?comments|\d+ (?:comments?|shares?"
    r"|likes|views|replies)(?:\s*[|•·,]?\s*\d+ "
    r"(?:comments?|shares?|likes|views|replies))*|comments? (?:\(\d+\)|are closed|off))\W*|no comments(?: yet)?\W*"
    r"|(?:posted|published|updated|last (?:updated|modified)|written) (?:by|on|in|at)\b.{0,80}(?:\d{4}|\d{1,2}:\d\d|["
    r"|•]).{0,30}"
    r"|(?:tags|filed under|categories):.{0,100}|\d{1,2} min(?:ute)?s? read\W*|\[edit\]|loading\W{0,4}(?:please "
    r"wait\W*)?"
    r"|please (?:enable|turn on) javascript\b.*|(?:print|email) this (?:page|article|post)\W*|(?:next|previous) "
    r"(?:page|post|article)\b.{0,60})",
    re.IGNORECASE,
)
_INLINE_FURNITURE = re.compile(
    r"\s?\[(?:edit|citation needed|clarification needed|who\?|when\?|hide|show)\]", re.IGNORECASE
)
_WRITES_PAGES = re.compile(
    r"\b(?:web ?sites?|web ?page|footer|newsletter|copyright|blog|cookies?|landing page|terms of|privacy|subscribe"
    r"|social media|call.to.action|translat(?:e|ion)|banner|button|pop.?up|consent)\b",
    re.IGNORECASE,
)


def fix_furniture(text: str) -> str:
    """Drop lines that belong to a web page around the text: cookie notices, share buttons, copyright, 'read more'.

    What follows a line that ends with a colon is what that line speaks of, and stays.
    """
    if "[" in text:
        text = _INLINE_FURNITURE.sub("", text)
    if "\n" not in text or "`" in text:
        return text
    lines = text.split("\n")
    kept, head = [], ""
    for line in lines:
        if head.endswith(":") or not _is_furniture(line):
            kept.append(line)
            head = line.strip() or head
    if len(kept) == len(lines) or not any(map(str.strip, kept)):
        return text
    return _BLANK_LINES.sub("\n\n", "\n".join(kept)).strip("\n")


def _is_furniture(line: str) -> bool:
    if len(line) > LONGEST_FURNITURE_CHARS or not line or line.isspace():
        return False
    first = line.split(None, 1)[0].lower().rstrip(",.:!")
    if first not in _FIRST_WORDS and not first.isdigit() and "ights reserved" not in line:
        return False
    return _FURNITURE.fullmatch(line.strip(" \t*-•|")) is not None


def writes_pages(text: str) -> bool:
    """Whether a question is about web pages, so that furniture in the answer is meant."""
    return _WRITES_PAGES.search(text) is not None or speaks_of_markup(text)


# --- what other programs left ----------------------------------------------------------------------------------------

_NO_INPUT = re.compile(
    r"(?:#{0,4}\s*(?:input|context)\s*:?\s*)?[<\[({\"'*_-]*\s*(?:"
    r"no[\s_-]*(?:additional |further |specific )?(?:input|context)s?(?:[\s_-]*(?:is |was )?(?:required|needed"
    r"|necessary|provided|given|available|text|data|"
    r"here|found|specified|applicable))?|input[\s_-]*(?:is |was )?(?:not[\s_-]*(?:required|needed|provided|given"
    r"|applicable|available)|empty|none|n/?a|blank|missing)|"
    r"(?:empty|blank|without|null|none|nil)[\s_-]*input|n\s?[/.]\s?a\.?|none|null|nil|nan|[-–—.]{1,3}|not applicable"
    r"|(?:empty"
    r"|blank)(?: string)?"
    r")\s*/?[>\])}\"'*_.!-]*",
    re.IGNORECASE,
)
_EMPTY_INPUT = re.compile(r"#{1,4}\s*(?:input|context)\s*:?|input\s*:|context\s*:", re.IGNORECASE)
_NO_INPUT_SIGNS = (
    "\n-",
    "\n–",
    "\n—",
    "input",
    "none",
    "n/a",
    "null",
    "nil",
    "nan",
    "n.a",
    "n a",
    "not applicable",
    "context",
    "empty",
    "blank",
)
LONGEST_NO_INPUT_CHARS = 60
OPTION_WORDS = 6
"""Words up to which a line is one of several to choose from, if it does not end as a sentence does."""


def fix_no_input(text: str) -> str:
    """Drop a last paragraph that only says that there is no input (``<noinput>``, ``N/A``) and is no option."""
    tail = text[-LONGEST_NO_INPUT_CHARS:].lower()
    if "\n" not in tail.rstrip() or not any(sign in tail for sign in _NO_INPUT_SIGNS):
        return text
    head, _, last = text.rstrip().rpartition("\n")
    if not head.strip():
        return text
    bare = _NO_INPUT.fullmatch(last.strip())
    named = bare is not None and ("input" in last.lower() or "context" in last.lower())
    alone = head.endswith("\n") or _EMPTY_INPUT.fullmatch(head.rpartition("\n")[2].strip()) is not None
    if bare is not None and not named and _ends_in_options(head):
        return text
    if not (named or (bare is not None and alone) or _EMPTY_INPUT.fullmatch(last.strip())):
        return text
    return fix_no_input(head.rstrip()) if head.strip() else text


def _ends_in_options(text: str) -> bool:
    """Whether the last two lines, below others, are short and no sentences: 'None' after them is another choice."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return len(lines) > 2 and all(len(one.split()) <= OPTION_WORDS and one[-1] not in ".?!:" for one in lines[-2:])


def fix_merged(text: str, asked: str) -> str:
    """Cut an answer where another instruction with its own answer begins, as batches of generated rows run together."""
    at = second_instruction(text, asked)
    if at is None or not text[:at].strip():
        return text
    return re.sub(r"(?:\s*\n\s*(?:#{1,4}|-{3,}|={3,}|\*{3,}|\d{1,3}\.))+\s*$", "", text[:at]).rstrip()


_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_CUT_CODE = re.compile(
    r"(?:[,(\[{=+*/%<&|\\:-]|\b(?:and|or|not|in|return|def|class|if|else|import|from|for|while|var|let|const"
    r"|function))\s*$"
)


def fix_fence(text: str) -> str:
    """Close a block of code that was left open, unless the code itself stops in the middle (`endings` says so)."""
    if "```" not in text or len(_FENCE.findall(text)) % 2 == 0:
        return text
    code = text[list(_FENCE.finditer(text))[-1].end() :]
    body = code.partition("\n")[2]
    balanced = all(body.count(opening) <= body.count(closing) for opening, closing in ("()", "[]", "{}"))
    if not body.strip() or not balanced or _CUT_CODE.search(body.rstrip()):
        return text
    return f"{text.rstrip()}\n```"


def fix_json(text: str) -> str:
    """Return the JSON object in a text that is almost one: in a block of code, amid words, with a comma too many."""
    if _object(text) is not None:
        return text
    inner = re.sub(r"^\s*```\w*\s*|\s*```\s*$", "", text)
    begin, end = inner.find("{"), inner.rfind("}")
    if begin < 0 or end < begin or inner[end + 1 :].count("{"):
        return text
    inner = inner[begin : end + 1]
    for candidate in (inner, re.sub(r",(\s*[}\]])", r"\1", inner)):
        if _object(candidate) is not None:
            return candidate
    return _from_python(inner) or text


def _object(text: str) -> dict[str, object] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


@lru_cache(maxsize=16)
def _from_python(text: str) -> str | None:
    """Return the JSON of a Python dictionary as ``print`` writes it, or None."""
    try:
        value = ast.literal_eval(text)
        return to_json(value) if isinstance(value, dict) and _object(to_json(value)) is not None else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
