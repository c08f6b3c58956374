"""Questions about something that is not in the row: a file, a picture, a linked page; and pictures asked of a model.

Owns the rules ``missing_attachment``, ``image_request``, ``unread_link`` and ``url_answer``. An answer to such a
question is invented, and a model that learns it learns to invent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.function_words import word_set

if TYPE_CHECKING:
    from tunesmith.data.noise.exchange import Exchange, View

_PICTURE = (
    r"image|picture|photo(?:graph)?|pic|drawing|painting|illustration|screen ?shot|diagram|chart|graph|figure|map|"
    r"infographic|sketch|logo|cartoon|meme|shape|scan|x-?ray|plot"
)
_FILE = (
    r"file|document|attachment|pdf|spreadsheet|worksheet|excel(?: file| sheet)?|csv|table|audio(?: clip| file)?|video|"
    r"recording|clip|slides?|presentation|powerpoint|form|report|resume|cv|invoice|contract|dataset|zip|song|voice note"
)
_MARK = (
    rf"(?:(?:see|refer to|view|open|insert|please see|cf\.?)\s+)?(?:(?:the|an?|this|your|my)\s+)?"
    rf"(?:attached|enclosed|uploaded|inserted|embedded|included|missing)?\s*(?:{_PICTURE}|{_FILE})s?"
    rf"(?:\s*(?:#|no\.?)?\s*\d+)?(?:\s+(?:is\s+)?(?:attached|enclosed|uploaded|above|below|here|omitted|not shown"
    rf"|missing|removed|"
    rf"goes here|provided|included|placeholder|unavailable|not available|inserted|to be inserted|on the (?:left"
    rf"|right)))?"
    rf"(?:\s*(?:of|showing|with|:)\s[^\]>)\n]{{0,80}})?"
)
_MARKED = re.compile(
    rf"[<\[(]\s*/?{_MARK}\s*/?[>\])]"
    rf"|!\[[^\]\n]*\]\([^)\n]*\)|<img\b[^>]*>|<\|?(?:image|img|video|audio|image_pad|image_soft_token)\|?>"
    rf"|\[(?:img|image|photo|cid|attachment)[:_-][^\]\n]*\]",
    re.IGNORECASE,
)
_MARKED_LINE = re.compile(
    rf"(?:\(?(?:see|please see|refer to|look at|view|cf\.?)\s+(?:the\s+)?(?:attached|attachment|enclosed|above"
    rf"|below)?\s*"
    rf"(?:{_PICTURE}|{_FILE})?s?(?:\s+(?:attached|above|below|enclosed))?\)?[.!]?"
    rf"|(?:{_PICTURE}|{_FILE})s?\s+(?:is\s+)?(?:attached|enclosed|uploaded|above|below|included|omitted|not shown"
    rf"|missing)\.?"
    rf"|attached\s*(?:{_PICTURE}|{_FILE})?s?(?:\s*:\s*\S+)?\.?"
    rf"|(?:attachment|attached|file|image|enclosure)s?\s*(?:\(\d+\))?\s*:\s*\S+"
    rf"|[\w ()-]+\.(?:png|jpe?g|gif|bmp|webp|tiff?|heic|svg|pdf|docx?|xlsx?|pptx?|csv|zip|mp[34]|wav|mov|avi))",
    re.IGNORECASE,
)
_SAID = re.compile(
    rf"\b(?:the|this|that|these|those|my|an?|following) (?:attached|enclosed|uploaded|accompanying) (?:\w+ "
    rf"){{0,2}}?(?:{_PICTURE}|{_FILE})s?\b"
    rf"|\b(?:attached|enclosed) (?:(?:is|are|here)\b|(?:{_PICTURE}|{_FILE})s?\b|here(?:with)?\b|below\b|above\b)"
    rf"|\b(?:i|we)(?:'ve|’ve| have| am|'m)? (?:just )?(?:attached|attaching|uploaded|uploading|enclosed|sent you|am "
    rf"sending|shared)\b"
    rf"|\b(?:see|in|from|use|using|open|read|review|check|per|with) the (?:attachment|enclosure|attached)s?\b"
    rf"|\bplease find (?:attached|enclosed)\b"
    rf"|\b(?:the|this|these) (?:{_PICTURE})s? (?:shown|displayed|provided|given|above|below|on the (?:left|right)"
    rf"|attached|i (?:sent|"
    rf"uploaded|shared|posted|provided))\b"
    rf"|\b(?:the|this) (?:{_FILE}) (?:i (?:sent|uploaded|shared|attached|provided)|attached|enclosed|uploaded)\b"
    rf"|\b(?:in|from|about|of|describe|caption|identify|explain|analy[sz]e|interpret|at|on) (?:this|these|the "
    rf"following|the given|the provided) (?:{_PICTURE})s?\b(?! of\b| called\b| titled\b)"
    rf"|\b(?:what|who|which)\b[^.?!\n]{{0,40}}\b(?:shown|seen|depicted|pictured|visible) (?:in|on) (?:this|the|these"
    rf"|that) (?:\w+ )?(?:{_PICTURE}|video)s?\b"
    rf"|\b(?:as|is|are) (?:shown|depicted|pictured|illustrated) (?:in|on) (?:the|this) (?:{_PICTURE})\b"
    rf"|\b(?:figure|fig\.|table|exhibit|image|picture|photo) (?:above|below|attached)\b"
    rf"|\b(?:caption|title) (?:for|to) (?:this|the following|the given|the above|the provided) (?:{_PICTURE})\b",
    re.IGNORECASE,
)
_SHOWN = re.compile(
    r"^\W*(?:please )?(?:describe|explain|say|tell me|identify|name) what (?:is|'s|you see|can be seen|do you see)(?: "
    r"being)?(?: shown| depicted| pictured| displayed| happening)?(?: here)?\W*$",
    re.I,
)
_CODE_GONE = re.compile(
    r"\b(?:the following|the below|the given|this|the provided) (?:\w+ ){0,2}(?:code|function|snippet|program|script"
    r"|query|regex)\b"
    r"(?: snippet| block| below)?[^.?!:\n]{0,60}[.:?!]?\s*$",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"\b(?:code|function|snippet|program|script|query) (?:below|above"
    r"|attached)\b[^.?!:\n]{0,40}[.:?!]?\s*$",
    re.IGNORECASE,
)
_POINTERS = word_set(
    "image images picture pictures photo photos photograph pic pics drawing painting illustration screenshot "
    "screenshots diagram chart graph figure map infographic sketch logo cartoon meme shape shapes scan plot xray "
    "attached attachment attachments attaching enclosed enclosure uploaded uploading file files document pdf "
    "spreadsheet csv table audio video recording clip slides presentation img png jpg jpeg gif docx xlsx pptx mp3 mp4 "
    "wav zip shown depicted pictured displayed see shared excel worksheet report resume cv invoice contract dataset "
    "song form fig exhibit above svg webp heic happening seen describe explain visible doc xls ppt mov avi bmp screen "
    "cid sent posted"
)
_CODE = word_set("code function snippet program script query regex method class algorithm loop")
ATTACHMENT_TRIGGERS = _POINTERS | _CODE
_WRITES_LETTER = re.compile(
    r":|\b(?:write|draft|compose|rewrite|rephrase|paraphrase|translate|reply|respond|generate|create|how (?:do|can|to"
    r"|does|should|would)|what (?:is|are|does|do) (?:an?|the best)|why|imagine|story|poem|define|phrase|should i|can i|"
    r"explain how|build|design|train)\b"
)
_HAS_DATA = re.compile(r"\||\t.*\t|(?:\n.*\d.*){3}|\d+\s*,\s*\d+\s*,\s*\d+|<svg|:\n|data:image")
LONGEST_MARK_CHARS, LONGEST_LINE_CHARS = 400, 100
"""A mark stands alone or in a short sentence."""
LONG_WORDS = 120
"""A question with this many words mostly carries what it speaks of."""


def missing_attachment(exchange: Exchange) -> dict[str, Any] | None:
    """Return the words that point to a file, picture, table or code that is not in the row, or None."""
    prompt = exchange.prompt
    points = not prompt.unique.isdisjoint(_POINTERS)
    if points and (span := _mark_in(exchange)):
        return {"span": span}
    if len(prompt.words) > LONG_WORDS or exchange.before or _HAS_DATA.search(prompt.text):
        return None
    if points and (span := _said_in(prompt)):
        return {"span": span}
    return _missing_code(exchange)


def _mark_in(exchange: Exchange) -> str | None:
    """Return a mark such as '[image]' that stands for something a row does not hold."""
    for paragraph in exchange.prompt.paragraphs:
        found = _marked(paragraph)
        if found and (len(found) == len(paragraph) or not exchange.about_code):
            return found
    return None


def _said_in(prompt: View) -> str | None:
    """Return the words of a sentence that speaks of something as if it lay beside the question."""
    if _SHOWN.match(prompt.text):
        return prompt.text[:120]
    said = _SAID.search(prompt.text)
    if said is None or _WRITES_LETTER.search(prompt.lower[: said.start()]):
        return None
    return None if _conditional(prompt.lower, said.start()) else str(said[0])


def _marked(paragraph: str) -> str | None:
    if len(paragraph) > LONGEST_MARK_CHARS:
        return None
    if len(paragraph) <= LONGEST_LINE_CHARS and _MARKED_LINE.fullmatch(paragraph):
        return paragraph
    if not any(bracket in paragraph for bracket in "<([!"):
        return None
    found = _MARKED.search(paragraph)
    if found is None or (found[0][0] == "(" and len(paragraph) > len(found[0]) + 2 and not _POINTS.search(found[0])):
        return None
    return found[0][:120]


_POINTS = re.compile(r"\b(?:see|attached|above|below|enclosed|uploaded|refer|omitted|missing|not shown|here)\b", re.I)


def _conditional(text: str, at: int) -> bool:
    """Whether the words before speak of attachments in general: 'if the attached file ...', 'when I uploaded ...'."""
    return (
        re.search(r"\b(?:if|when|whenever|after|once|because|says?|said|that|since)\b[^.?!]{0,30}$", text[:at])
        is not None
    )


_MENDS = re.compile(
    r"\b(?:fix|debug|correct|find|optimi[sz]e|refactor|convert|explain|what does|output of|document|comment|test"
    r"|review|improve|complete|"
    r"errors?|bugs?|simplify|analy[sz]e|run|wrong with|describe|identify|edit|modify|translate)\b"
)


def _missing_code(exchange: Exchange) -> dict[str, Any] | None:
    prompt = exchange.prompt
    if (
        len(prompt.paragraphs) != 1
        or "\n" in prompt.text.strip()
        or "`" in prompt.text
        or _WRITES_LETTER.search(prompt.lower)
    ):
        return None
    if not _MENDS.search(prompt.lower):
        return None
    found = _CODE_GONE.search(prompt.text) or _GONE.search(prompt.text)
    return {"span": found[0][:120]} if found and not re.search(r"[=(){};]", prompt.text) else None


# --- pictures ---------------------------------------------------------------------------------------------------------

_ADJECTIVES = r"(?:(?!of\b|for\b|about\b|that\b|to\b)[\w'’-]+,? ){0,5}?"
_ARTWORK = (
    r"images?|pictures?|photos?|photographs?|drawings?|illustrations?|paintings?|sketch(?:es)?|logos?|posters?"
    r"|infographics?|icons?|"
    r"memes?|banners?|cartoons?|portraits?|wallpapers?|gifs?|videos?|animations?|graphics?|flyers?|comics?(?: strip)?"
    r"|comic strip|artwork|"
    r"caricatures?|doodles?|collages?|avatars?|emblems?|watercolou?rs?|mural|renderings?|thumbnails?|visuals?|pixel "
    r"art|clip ?art|"
    r"(?:pie|bar|line|flow|organi[sz]ation(?:al)?|area|gantt)[ -]?(?:chart|graph)s?|flowcharts?|histograms?|scatter "
    r"?plots?|venn diagrams?|"
    r"diagrams?|mind ?maps?|floor ?plans?|blueprints?|stickers?|tattoos?|business cards?|book covers?|album covers?"
    r"|screenshots?|"
    r"charts?|graphs?|heat ?maps?|crest|mascot|silhouette|selfie|3d model|storyboard|mood ?board"
)
_IMAGE = re.compile(
    rf"(?:^|[.!?\n]\s*|\bplease |\bcan you |\bcould you |\bwould you |\bi (?:want|need|would like|'d like) you to "
    rf"|\bhelp me |\band )"
    rf"(?:please |kindly |now |just )?(?:draw|sketch|paint|illustrate|generate|create|make|design|render|produce|show"
    rf"|provide|display|give|send|doodle|"
    rf"build|construct|compose|plot|depict|edit|colou?r)\b (?:me |us |for me |out |up )?"
    rf"(?:(?:an?|the|some|one|two|three|four|several|this|my|your|our|another) )?{_ADJECTIVES}(?:{_ARTWORK})\b"
    rf"|(?:^|[.!?\n]\s*|\bplease |\bcan you |\bcould you )(?:draw|sketch|paint|doodle) (?:me |us )?(?:an?|the|some"
    rf"|two|three|your|my) (?!conclusion|"
    rf"comparison|parallel|distinction|inference|line between|analogy|contrast|connection|lesson|moral|verbal|word"
    rf"|mental|vivid|card|"
    rf"winner|name|breath|bath|salary|crowd|attention|blank|number|random|map of how)\w+"
    rf"|\b(?:take|snap|shoot|capture|upload|post) an? {_ADJECTIVES}(?:photo|picture|screenshot|selfie|image)\b"
    rf"|\b(?:visuali[sz]e|illustrate|depict)\b[^.?!]{{0,60}}\b(?:in|with|as|using) an? {_ADJECTIVES}(?:{_ARTWORK})\b"
    rf"|\b(?:i want|i need|i'd like|i would like|show me|let me see|give me) an? {_ADJECTIVES}(?:{_ARTWORK})\b",
    re.IGNORECASE,
)
IMAGE_TRIGGERS = word_set(
    "draw sketch paint illustrate doodle image images picture pictures photo photos photograph photographs drawing "
    "drawings illustration "
    "illustrations painting paintings logo logos poster posters infographic icon icons meme memes banner banners "
    "cartoon portrait wallpaper "
    "gif gifs video videos animation graphic graphics flyer flyers comic comics artwork caricature collage avatar "
    "emblem watercolor mural "
    "rendering thumbnail visual visuals clipart chart charts graph graphs flowchart histogram scatter scatterplot "
    "diagram diagrams mind "
    "mindmap floor floorplan blueprint sticker tattoo screenshot selfie crest mascot silhouette storyboard plot "
    "depict pixel art cover card "
    "moodboard model heatmap visualize visualise organizational"
)
_IN_TEXT = re.compile(
    r"\b(?:ascii|svg|html|css|how (?:do|can|should|would|does)|code|python|matplotlib|latex|tikz|mermaid|plantuml"
    r"|graphviz|ggplot|javascript|java|r\b|markdown|text.based|in words|"
    r"with words|using words|word picture|caption|captions|prompt|description|describe|ideas?|concepts?|names?|script"
    r"|tips|steps|instructions|"
    r"how to|slogan|title|essay|story|poem|paragraph|lesson|plan|outline|list|table|program|function|api|model that"
    r"|strategy|emoji|"
    r"excel|tableau|power ?bi|emoticon|conclusions?|text for|content for|copy for|post|blog|dialogue|guide|tutorial"
    r"|playlist|game|quote|"
    r"sound|review|marketing|campaign|website|blackboard of|metaphor|imagery|mental|vivid picture)\b",
    re.IGNORECASE,
)
_ANSWERS_IN_TEXT = re.compile(r"```|<svg|\\begin\{|\|.*\||^[ ]*[|+/\\_*#-]{3,}", re.MULTILINE)


def image_request(exchange: Exchange) -> dict[str, Any] | None:
    """Return the words that ask for a picture, sound or film, unless it can be made of text and is."""
    prompt = exchange.prompt
    found = _IMAGE.search(prompt.text)
    if found is None or _IN_TEXT.search(prompt.text) or _ANSWERS_IN_TEXT.search(exchange.answer.text):
        return None
    return {"span": found[0].strip()[:120]}


# --- links ------------------------------------------------------------------------------------------------------------

_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"')\]]+|\b[\w-]+\.(?:com|org|net|io|gov|edu|co\.uk)/[^\s<>\"')\]]*", re.IGNORECASE
)
URL_TRIGGERS = word_set("http https www com org net")
_READS = re.compile(
    r"\b(?:summar\w+|headline|title|main (?:point|idea|argument|topic|theme)s?|key (?:point|takeaway|idea|finding"
    r"|message|fact)s?|takeaways?|articles?|"
    r"page|web ?site|site|link(?:ed)?|blog|post|paper|video|read|reading|review|translate|paraphrase|rewrite|explain"
    r"|describe|analy[sz]e|extract|"
    r"what does|what is|what are|what do|who|when|according to|content|tl;?dr|gist|about|overview|opinion|sentiment"
    r"|tone|topic|classify|categori[sz]e|"
    r"quote|author|discuss|based on|from|outline|bullet points|comment|report|answer|tell|source|story|news)\b",
    re.IGNORECASE,
)
_ABOUT_URL = re.compile(
    r"\b(?:pars\w*|domain|protocol|regex|valid(?:ate|ity)?|shorten\w*|hyperlink|anchor tag|html|markdown|curl|wget"
    r"|request|api|scrape\w*|"
    r"crawl\w*|download\w*|python|code|javascript|query string|parameters?|subdomain|tld|safe|phishing|malicious|url "
    r"of|legit|encode|decode|"
    r"hostname|port|redirect|path of|citation|cite|reference list|bibliography|format|components?|structure of|scheme"
    r"|url|website for|visit|"
    r"link to|slug)\b",
    re.IGNORECASE,
)
LINK_WORDS = 60
"""Words beside a link up to which a question has too little text of its own to be answered from."""


def unread_link(exchange: Exchange) -> dict[str, Any] | None:
    """Return the link whose page a question is about, if the row holds nothing of that page."""
    prompt = exchange.prompt
    found = _URL.search(prompt.text)
    if found is None:
        return None
    rest = _URL.sub(" ", prompt.text)
    if len(rest.split()) > LINK_WORDS or _ABOUT_URL.search(rest) or exchange.before:
        return None
    if not _READS.search(rest) or _cannot_read(exchange.answer.lower):
        return None
    return {"span": found[0][:200]}


def _cannot_read(answer: str) -> bool:
    return _UNREAD.match(answer) is not None


_UNREAD = re.compile(
    r"\W*(?:(?:i'm|i’m|i am) (?:sorry|unable|afraid|not able)|sorry|unfortunately|as an ai|i (?:can't|cannot|can’t"
    r"|don't|do not))\b.{0,120}"
    r"\b(?:access|open|browse|read|visit|view|links?|urls?|web ?sites?|pages?|internet|content|articles?)\b"
)


_INVENTED = re.compile(
    r"https?://(?:www\.)?(?:example\.(?:com|org|net)|[\w.-]*\.example(?:\.\w+)?|(?:website|yoursite|yourwebsite"
    r"|yourdomain|site|domain|link|url|"
    r"somewebsite|mywebsite|placeholder|xyz|abc|test|company|sample)\.(?:com|org|net))\b"
    r"|youtu(?:be\.com/watch\?v=|\.be/)(?:x{4,}|abc\w*|1234\w*|example\w*|dqw4w9wgxcq|video_?id|\.\.\.)"
    r"|\b(?:bit\.ly|tinyurl\.com|goo\.gl)/(?:\w*example\w*|xxx+|abc\w*|1234\w*)"
    r"|https?://[^\s]*(?:/path/to/|article-?\d\b|/xxx+|/1234567|\[[^\]]+\]|<[^>]+>)",
    re.IGNORECASE,
)
_ASKS_LINK = re.compile(
    r"\b(?:url|link|links|website|websites|site|sites|webpage|web address|web page|source|sources|reference"
    r"|references|citation|cite|where can i|homepage|page|"
    r"domain|online|resource|resources|http|repository|repo|github|download|find)\b"
)


def url_answer(exchange: Exchange) -> dict[str, Any] | None:
    """Return a link that is the whole answer though none was asked for, or one that looks invented."""
    answer = exchange.answer
    if URL_TRIGGERS.isdisjoint(answer.unique):
        return None
    if not _URL.sub("", answer.text).strip(" \n\t.,;:<>()[]-*") and not _ASKS_LINK.search(exchange.prompt.lower):
        return {"why": "only a link", "span": answer.text.strip()[:200]}
    found = _INVENTED.search(answer.text)
    if found is None or exchange.about_code or "example." in exchange.prompt.lower:
        return None
    return {"why": "link looks invented", "span": found[0][:200]}
