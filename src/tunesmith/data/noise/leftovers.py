"""What another program left in a row: unfilled placeholders, a second instruction, words that command the model.

Owns the rules ``placeholder``, ``merged`` (what cannot be cut off; `fixes.fix_merged` cuts), ``injection`` and the
``encoding`` that cannot be repaired. Does not own placeholders that stand for a whole answer (`nonanswers`) or input
(`fixes.fix_no_input`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.function_words import word_set
from tunesmith.text.redact import PLACEHOLDER

if TYPE_CHECKING:
    from tunesmith.data.noise.exchange import Exchange, View

_SLOT = (
    r"name|first[ _]?name|last[ _]?name|full[ _]?name|user(?:name|_name|_input)?|your[ _]\w+(?:[ _]\w+)?|my[ _]?name|"
    r"recipient\w*(?:[ _]?name)?|sender\w*|company(?:[ _]?name)?|organi[sz]ation|business name|brand|product(?:[ "
    r"_]?name)?|"
    r"date|time|day|month|year|city|country|state|location|place|address|street|zip(?: code)?|phone(?:[ _]?number)?|"
    r"e-?mail(?: address)?|job(?:[ _]?title)?|position|title|topic|subject|keyword|number|amount|price|link|url"
    r"|website|"
    r"text|input|output|question|answer|context|prompt|instruction|passage|sentence|article|document|content|query|"
    r"insert\b[^\]>}]{0,60}|enter\b[^\]>}]{0,60}|add\b[^\]>}]{0,60}|fill in\b[^\]>}]{0,60}|specify\b[^\]>}]{0,60}|"
    r"placeholder\w*|variable|value|customer(?:[ _]?name)?|client(?:[ _]?name)?|order[ _]?(?:id|number)|id|item|"
    r"todo\b[^\]>}]{0,60}|tbd|tbc|xxx+|example|describe\b[^\]>}]{0,60}|include\b[^\]>}]{0,60}|mention\b[^\]>}]{0,60}|"
    r"hotel|restaurant|event|school|university|manager(?:'s name)?|doctor|friend'?s? name|relevant \w+|specific \w+"
)
_PLACEHOLDERS = re.compile(
    rf"(?<![\w$\\^_}}\]!])\{{\{{?\s*\$?(?:{_SLOT}|[a-z]+_[a-z_]+)\s*\}}\}}?(?![\w(])"
    rf"|(?<![\w\]!])\[\[?\s*(?:{_SLOT})\s*\]\]?(?![\w(\[:])"
    rf"|(?<![\w])<\s*(?:{_SLOT})\s*>(?!.*</)"
    r"|\$\{[a-z_.]+\}|%\([a-z_]+\)s|(?<!\w)%[A-Z_]{3,}%|<%=?\s*\w+\s*%>|@@\w+@@|\{\d\}(?!\w)"
    r"|\blorem ipsum\b|\bdolor sit amet\b|\bxx+(?:/xx+)+\b|\byour (?:text|answer|content|name) (?:goes )?here\b"
    r"|\binsert \w+ here\b",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(
    r"\b(?:template|placeholder|fill.?in|blank|form letter|cover letter|letter|e-?mail|mail merge|contract|agreement"
    r"|resume|"
    r"cv|invitation|script|format|memo|press release|invoice|proposal|notice|speech|mad.?libs?|lorem|dummy text|"
    r"announcement|certificate|bracket|variable|message|outline|survey|advert\w*|flyer|bio|slogan|reference)\b"
)


def placeholder(view: View, exchange: Exchange) -> dict[str, Any] | None:
    """Return a slot that nobody filled in; templates and code have theirs by right, and redacted texts their marks."""
    text = view.text
    if "{" not in text and "[" not in text and "<" not in text and "%" not in text and not _plain(view):
        return None
    found = next((one for one in _PLACEHOLDERS.finditer(text) if not PLACEHOLDER.fullmatch(one[0])), None)
    if found is None or exchange.about_code or _TEMPLATE.search(exchange.prompt.lower):
        return None
    return {"span": found[0][:80], "at": found.start()}


_PLAIN = word_set("lorem dolor xx xxx insert")


def _plain(view: View) -> bool:
    return not view.unique.isdisjoint(_PLAIN) or ("here" in view.unique and "your" in view.unique)


# --- two instructions in one row -------------------------------------------------------------------------------------

_INSTRUCTION = (
    r"(?:instruction|question|task|prompt|query|user|human|problem|exercise|example|student|customer|input|q)"
)
_ANSWERED = r"(?:output|answer|response|completion|solution|assistant|gpt|chatgpt|bot|model|ai|a)"
_LEAD = r"(?:^|\n)[ \t>]*(?:[#=*_-]{1,6}[ \t]*)?(?:\d{1,3}[.):][ \t]*)?(?:\*\*|<\|?)?"
MERGED = re.compile(
    rf"{_LEAD}{_INSTRUCTION}(?:[ \t]*(?:#|no\.?)?[ \t]*\d{{1,3}})?(?:\*\*|\|?>)?[ "
    rf"\t]*[:：](?:\*\*)?(?P<asked>[^\n]*(?:\n(?!\n)[^\n]*)??"
    rf"(?:\n+[^\n]*){{0,6}}?){_LEAD}{_ANSWERED}(?:[ \t]*(?:#|no\.?)?[ \t]*\d{{1,3}})?(?:\*\*|\|?>)?[ \t]*[:：]",
    re.IGNORECASE,
)
SURE_MERGED = re.compile(
    r"(?:^|\n)[ \t]*(?:#{2,4}[ \t]*)?(?:\d{1,3}\.[ \t]*)?(?:#{0,4}[ \t]*)?instruction(?:[ \t]*\d{1,3})?[ \t]*:"
    r"|(?:^|\n)[ \t]*#{3,4}[ \t]*(?:instruction|input|response|output|human|assistant|user|end)\b[ \t]*:?"
    r"|<\|(?:im_start|user|assistant|endoftext|end|eot_id|start_header_id|prompter)\|>|\[/?INST\]|<<SYS>>|</s>"
    r"|(?:^|\n)(?:human|user)[ \t]*:[^\n]+\n+[ \t]*(?:assistant|ai|gpt|bot)[ \t]*:",
    re.IGNORECASE,
)
_ASK = r"\b(?:Q|Question|Instruction|Prompt|Query|User|Human)[ \t]?\d{0,2}[:：]\s"
_TELL = r"\b(?:A|Answer|Response|Output|Completion|Assistant|AI|Bot)[ \t]?\d{0,2}[:：]\s"
_ON_ONE_LINE = re.compile(
    rf"(?<=[.!?\"')\]])[ \t]+(?P<next>{_ASK}[^\n]{{3,400}}?[.?!\"')]\s+{_TELL}\s*\S)"
    rf"|\A\s*(?:{_ASK}[^\n]{{3,400}}?\s)?{_TELL}[^\n]{{1,400}}?\s(?P<second>{_ASK}[^\n]{{3,400}}?\s{_TELL}\s*\S)"
)
"""A question with its answer behind the end of a sentence; or two of them from the beginning on."""
ASKS_FOR_PAIRS = re.compile(
    r"\b(?:questions?|quiz|faqs?|q&a|q ?& ?a|dialog(?:ue)?|conversation|chat|script|interview|examples?|prompts?"
    r"|instructions?|"
    r"few.?shot|exercises?|problems?|transcript|test|exam|flash ?cards?|trivia|riddles?|dataset|samples?|template"
    r"|format|"
    r"recipe|skit|scene|play|steps|homework|survey)\b"
)


def merged(exchange: Exchange) -> dict[str, Any] | None:
    """Return where a second instruction with its answer begins, in the answer or in the question, or None."""
    if (found := second_instruction(exchange.answer.text, exchange.prompt.text)) is not None:
        return {"field": exchange.answer_name, "span": exchange.answer.text[found : found + 120], "at": found}
    prompt = exchange.prompt
    if ":" not in prompt.text or _ASKED_WORDS.isdisjoint(prompt.unique):
        return None
    second = _ON_ONE_LINE.match(prompt.text)
    at = second.start("second") if second else next((one.start() for one in _NUMBERED_TASK.finditer(prompt.text)), None)
    return None if at is None else {"field": exchange.prompt_name, "span": prompt.text[at : at + 120], "at": at}


_ASKED_WORDS = word_set("instruction output q question prompt query user human")
_NUMBERED_TASK = re.compile(
    r"(?:^|\n)[ \t]*(?:#{1,4}[ \t]*)?\d{1,3}\.[ \t]*(?:instruction|output)[ \t]*:|(?<=\S)\s*\n\s*#{3}[ "
    r"\t]*instruction[ \t]*:",
    re.IGNORECASE,
)


def second_instruction(answer: str, asked: str) -> int | None:
    """Return where in an answer another instruction begins, or None; a dialogue that was asked for is none."""
    marked = (
        ("<" in answer and any(mark in answer for mark in ("|>", "<<SYS", "</s>")))
        or "##" in answer
        or "INST]" in answer
    )
    if not marked and (":" not in answer or not _labelled(answer)):
        return None
    sure = SURE_MERGED.search(answer)
    found = sure or MERGED.search(answer)
    at = found.start() if found and (sure or found.start() > 0) else _on_one_line(answer)
    return None if at is None or ASKS_FOR_PAIRS.search(asked.lower()) else at


def _on_one_line(text: str) -> int | None:
    found = _ON_ONE_LINE.search(text)
    return None if found is None else max(found.start("next"), found.start("second"))


def _labelled(text: str) -> bool:
    """Whether one of the words that name an instruction stands before a colon."""
    for part in text.split(":")[:-1]:
        words = part[-40:].rstrip(" \t*#|>.0123456789").rsplit(None, 1)
        if words and words[-1].strip("*#|<>_").lower() in _LABELS:
            return True
    return False


_LABELS = word_set(
    "instruction question task prompt query user human problem exercise example student customer input q no"
)

# --- commands to the model -------------------------------------------------------------------------------------------

INJECTION_TRIGGERS = word_set(
    "ignore ignoring disregard disregarding forget override overrides overridden bypass system prompt jailbreak "
    "jailbroken "
    "pwned dan developer unrestricted hacked instructions instruction rules guidelines uncensored sudo admin im_start "
    "inst "
    "sys root restrictions filters unfiltered obey repeat password passwords rules limits pretend skip "
)
_OLD = (
    r"(?:previous|prior|preceding|earlier|above|foregoing|existing|original|initial|other|past|former|system|current|"
    r"your|safety|all|any|the|these|those|my|last|developer'?s?|content)"
)
_ORDERS = (
    r"(?:instructions?|prompts?|directions?|directives?|rules?|messages?|context|guidelines?|commands?|orders?|text|"
    r"restrictions?|polic(?:y|ies)|programming|training|constraints?|filters?|questions?|requests?|input|everything"
    r"|said|"
    r"told|conversation|tasks?)"
)
_INJECTION = re.compile(
    rf"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|override|bypass|discard|skip|do not follow|don't follow|stop "
    rf"following|"
    rf"pay no attention to|neglect|drop|cancel|erase)\b(?:\W+{_OLD}\b|\W+of\b){{1,6}}\W+(?:\w+\W+)?{_ORDERS}\b"
    rf"|\bforget (?:everything|all|anything|what)\b(?:\W+\w+){{0,5}}?\W+(?:above|before|told|said|previously"
    rf"|instructed|know|"
    rf"learned|prior)\b"
    r"|\b(?:ignore|disregard|forget) (?:everything|all|anything|the)\W+(?:above|before|prior|previous)\b"
    r"|(?<!don't )(?<!never )(?<!not )\b(?:ignore|disregard|forget|skip)\b(?! to\b)(?:[^\w.?!\n]+\w+){0,5}?[^\w.?!\n]+"
    r"(?:above|before|earlier|previously|prior)\b(?! \d)"
    r"|\brepeat (?:the |all |every |back )*(?:words?|text|everything|sentences?|lines?|content)\W+(?:of the "
    r")?(?:above|before)\b"
    r"|\b(?:pretend|act|behave|imagine|respond|answer) (?:as if |as though |like |that )*you have no "
    r"(?:restrictions|rules|filters?|limits|limitations|guidelines|ethics|morals)\b"
    r"|\b(?:print|reveal|show|tell|give|output|send|leak)\b(?:\W+\w+){0,3}?\W+(?:admin|root|secret|master"
    r"|api)\W+(?:passwords?|keys?|codes?)\b"
    r"|(?:^|\n)\W*(?-i:SYSTEM|ADMIN|ROOT|DEVELOPER)\b[^\n:]{0,20}:"
    r"|\b(?:system|admin|developer) (?:override|command|notice)\b"
    r"|\b(?:text|contents?|words|lines) of your (?:system )?(?:prompt|instructions)\b"
    r"|\bsystem\s*(?:override|alert|notice|command|reset|update)\b\s*[:!\]-]|\b(?:admin|root|developer"
    r"|security)\s+override\b"
    r"|\b(?:reveal|print|show|output|repeat|leak|display|tell me|give me|expose|disclose|dump|return|send|write out)\b"
    r"(?:\W+(?:me|us|out|your|the|full|entire|hidden|initial|original|secret|exact|complete|all|of|above|whole"
    r"|verbatim))*"
    r"\W+(?:system (?:prompt|message|instructions?)|hidden (?:prompt|instructions?)|initial (?:prompt|instructions?)|"
    r"secret (?:key|password|instructions?)|developer (?:message|prompt)|internal (?:rules|instructions|guidelines"
    r"|prompt)|"
    r"confidential \w+|prompt (?:above|verbatim))"
    r"|\byou are (?:now |hereby |going to be )(?:\w+\W+){0,3}?(?:dan\b|developer mode|jailbroken|unrestricted|no "
    r"longer|free from|"
    r"evil|unfiltered|uncensored|in god mode|root|a pirate|hacked|pwned)"
    r"|\b(?:enable|enter|activate|switch (?:in)?to|you are in) (?:developer|dan|debug|god|jailbreak|maintenance|admin"
    r"|sudo) mode\b"
    r"|\bdeveloper mode (?:enabled|on|activated)\b|\bdo anything now\b|\bpwned\b|\bhaha pwned\b|\bi have been hacked\b"
    r"|\b(?:new|updated|real|actual) (?:system )?(?:instructions?|task|prompt|rules?)\s*:\s*\w"
    r"|\b(?:end of|begin|stop) (?:system )?(?:prompt|instructions?)\b\W*$|\[/?(?:system|inst)\]|<<sys>>"
    r"|<\|im_start\|>|<\|system\|>"
    r"|#{2,}\s*system\s*(?:prompt|message|override)?\s*:"
    r"|\b(?:without|no longer bound by|free of) (?:any |all )?(?:of your )?(?:restrictions|filters|safety "
    r"guidelines)\b",
    re.IGNORECASE,
)
_ABOUT_INJECTION = re.compile(
    r"\b(?:prompt injections?|jailbreak(?:s|ing)?|injection attacks?|adversarial|red.?team\w*)\b"
)
"""Words of a paragraph that deals with commands to models."""
_HANDS_OVER = re.compile(
    r"\b(?:classif\w+|detect|translate|define|explain|paraphrase|quote|is|are|does|whether|if|label)\b[^.?!:]{0,30}?"
    r"\b(?:this|these|the (?:following|next|last))\b(?: \w+){0,2}? (?:text|message|prompt|sentence|phrase|comment"
    r"|request|review|tweet|e?-?mail|input|instruction|command|question|quote|passage|post|string)s?\b"
)
"""Words of a paragraph that hands a text over to be looked at, whatever it says."""
_SPEAKS_OF = re.compile(
    r"\b(?:attack(?:s|er|ers)?|phishing|security|detect|classif\w+|what (?:is|does|are)|what's|explain|meaning|define"
    r"|translate|example of|how (?:do|does|can|to)|why|should i|story|poem|scene|lyrics|quote|summari[sz]e"
    r"|override(?:s|n)? in|git|css|method|java|python|kernel|terminal)\b"
)
"""Words of a sentence that speaks of a command and gives none; in the sentence before they say nothing about it."""
_QUOTED = re.compile(r"[\"“‘`]([^\"”’`]{8,200})[\"”’`]|(?<!\w)'((?:[^']|(?<=\w)'(?=\w)){8,200})'(?!\w)")
_SENTENCE_END = re.compile(r"[.?!][\"')\]”’]*\s+|(?<!:)\n")


def injection(exchange: Exchange) -> dict[str, Any] | None:
    """Return the words in a question that command the model to leave its instructions, or None."""
    text = exchange.prompt.text
    found = next((one for one in _INJECTION.finditer(text) if not _spoken_of(one, text)), None)
    return None if found is None else {"span": found[0].strip()[:120], "at": found.start()}


def _spoken_of(command: re.Match[str], text: str) -> bool:
    """Whether a command is quoted, or spoken of: its paragraph is about such, or its own sentence asks or tells of it.

    A capital letter begins a sentence, whatever stands before it but a colon.
    """
    start = command.end() - len(command[0].lstrip())
    before = text[text.rfind("\n\n", 0, start) + 1 : start].lower()
    if _ABOUT_INJECTION.search(before) or _HANDS_OVER.search(before):
        return True
    if any(one.start() < start < one.end() for one in _QUOTED.finditer(text)):
        return _SPEAKS_OF.search(before) is not None
    begins = text[start].isupper() and not before.rstrip().endswith(":")
    return not begins and _SPEAKS_OF.search(_SENTENCE_END.split(before)[-1]) is not None


# --- letters that are lost -------------------------------------------------------------------------------------------

_LOST = re.compile(
    "\ufffd|[A-Za-z]\\?(?=(?:s|t|re|ve|ll|d|m)\\b(?![=&?]))|[a-z]{2}\\?{2,}[a-z]|(?<=\\w)â€|Ã[\x80-\xbf©¨±¼¶¤]"
)


def lost_letters(view: View) -> dict[str, Any] | None:
    """Return where a letter was replaced for good: a replacement character, or ``don?t``."""
    text = view.text
    if text.isascii() and "?" not in text:
        return None
    if text.isascii() and text.count("?") == text.count("? ") + text.endswith("?"):
        return None
    found = _LOST.search(text)
    if found is None or "http" in view.lower or "`" in text:
        return None
    return {"span": text[max(0, found.start() - 15) : found.end() + 15]}
