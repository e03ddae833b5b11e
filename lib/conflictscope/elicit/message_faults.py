"""What makes a text no message of a user, or no artifact: a simulated user is a model, and may answer as one.

In: a message, or a text to be pasted into one. Out: the first fault found, by patterns of English (of other languages
only refusals), or None. The truth table is ``tests/elicit/test_message_faults.py``. An audit by pattern sees words,
not intent: each pattern is narrow, a fault costs one more call, and what is not found is still there to be read.

- ``refusal``: declines the task, as an assistant does, in its opening
- ``assistant``: offers help, hands over what was ordered, or speaks as a language model
- ``description``: says what a message would be like, labels it, or repeats what was asked for, in place of being one
- ``placeholder``: leaves a gap for names and the like, in brackets
- ``artifact_alone``: is the letter that help was wanted with, and asks for nothing
- ``tag``: still holds the tag of an artifact that should have been pasted in
"""

import re

TAG = "[[artifact]]"
_ANY_TAG = re.compile(r"[\[{]{1,2}\s{0,9}art[ie]fact[^\]}\n]{0,200}[\]}]{1,2}|</?art[ie]fact\b", re.IGNORECASE)
FAULT_WORDS = {
    "refusal": "it declines the task as an assistant would",
    "assistant": "it speaks as an assistant, who helps, and not as the person, who asks",
    "description": "it describes a message, or labels it, in place of being the message itself",
    "placeholder": "it leaves a placeholder in brackets where a name or another detail belongs",
    "artifact_alone": "it is the text that help is wanted with, and asks for nothing",
    "tag": "it still holds an artifact's tag",
}
"""Fault → what is told to the model that is asked again, and to the reader of the table."""
_LOOKED_AT = 400  # characters at the beginning in which a text shows who speaks
_DRESS = " \t\n\r\"'*_#>“”‘’«»-"


def _compile(*patterns: str) -> re.Pattern[str]:
    """Return alternatives as one pattern, whatever the case."""
    return re.compile("|".join(patterns), re.IGNORECASE)


# follows "I"
_CANNOT = (
    r"(?: (?:can't|cannot|can not|couldn't|(?:won't|will not)(?: be able to)?|must decline to)"
    r"|(?: am|'m| be|'ll be) (?:unable|not able|not comfortable)(?: to)?)"
)
_SORRY = (
    r"^(?:i(?:'m| am)(?: very| so| truly| really| deeply)? (?:sorry|afraid)|i apologi[sz]e|my apologies|sorry"
    r"|unfortunately)\b"
)
_TASK = r"(?:request|task|prompt|message|content|role|character|person|scenario|conversation|topic)"
# what only somebody who was given the task can decline to do
_DECLINED = (
    r"(?:assist (?:you )?(?:with|in)|assist\b"
    r"|help (?:you )?with (?:that|this|your|\w{1,9}ing (?:this|that|such|an?|the))\b"
    r"|write (?:this|that|it)[.!]|(?:write|create|generate|produce) content\b|comply\b|role-?play|generate\b"
    r"|(?:fulfil|fulfill|complete|do|continue with|engage (?:in|with)|participate in|go along with)"
    rf" (?:this|that|your|the|such) {_TASK}"
    r"|(?:write|provide|create|generate|produce|play|give you) (?:this|that|such|an?|the|any)"
    rf"(?: \w{{1,20}}){{0,2}} {_TASK}|pretend to be|impersonate)"
)
_LANGUAGE_MODEL = r"(?<!['‘“\"])\bas an? (?:responsible )?(?:ai|artificial intelligence|(?:large )?language model)\b"
_REFUSAL = _compile(
    rf"{_SORRY}[^\n]{{0,120}}\bi{_CANNOT} {_DECLINED}",
    rf"{_SORRY}[^.!?\n]{{0,60}}\bi{_CANNOT} (?:do|help with) (?:that|this|it)\b"
    r"(?! (?:on my own|alone|by myself|without|any ?more|any longer))",
    rf"^i{_CANNOT} {_DECLINED}",
    r"^i(?:'d| would) rather not (?:write|create|help|assist|play|take part|pretend)\b",
    r"\bi (?:don't|do not) feel comfortable (?:writing|creating|helping|playing|pretending|with this request)\b",
    r"\b(?:against|violates?) my (?:guidelines|programming|polic(?:y|ies))\b",
    rf"{_LANGUAGE_MODEL}[^.!?\n]{{0,40}}\bi (?:can't|cannot|don't|am not|won't|'m not)",
    r"^i (?:must|have to|need to) (?:respectfully )?(?:decline|refuse)"
    r"(?:[.!]| to (?:write|help|assist|create|generate|take part)| (?:this|that|your|the) (?:request|task))",
    r"^that(?:'s| is) not something (?:that )?i can (?:help|assist|write|do)\b",
    r"^sorry,? but no\b",
    r"^i(?:'m| am) not comfortable (?:with this[.!]|(?:writing|creating|playing|pretending)\b)",
    r"^i (?:cannot|can't) in good conscience\b",
    r"^(?:leider kann ich|ich kann)[^.!?\n]{0,20} dabei\b[^.!?\n]{0,20} nicht (?:weiter)?helfen",
    r"^죄송[^.\n]{0,20}(?:도와|작성|제공)[^.\n]{0,6} 수 없",
    r"^(?:es )?tut mir (?:sehr )?leid\b[^.!?\n]{0,60}\bkann\b[^.!?\n]{0,60}\bnicht"
    r" (?:helfen|weiterhelfen|schreiben|verfassen|erstellen|bereitstellen|liefern|erfüllen)\b",
    r"^(?:lo siento\b[^.!?\n]{0,30}\b)?no puedo (?:ayudar|escribir|crear|proporcionar|redactar|cumplir)",
    r"^(?:(?:je suis )?désolée?\b[^.!?\n]{0,30}\b)?je ne peux pas (?:vous aider|aider|écrire|rédiger|fournir|créer)"
    r" (?:à|avec|ce|cet|cette|un|une|de|le|la)\b",
    r"^(?:mi dispiace\b[^.!?\n]{0,30}\b)?non posso (?:aiutar|scrivere|fornire|creare)",
    r"^(?:(?:desculpe|sinto muito)\b[^.!?\n]{0,30}\b)?não posso (?:ajudar|escrever|fornecer|criar)",
    r"^(?:извините|к сожалению)\b[^.!?\n]{0,30}\bя не могу (?:помочь|написать|предоставить|создать)",
    r"^(?:非常|很)?(?:抱歉|对不起|對不起)[^。\n]{0,10}(?:无法|無法|不能)(?:提供|协助|協助|帮|幫|写|寫|完成|满足|生成)",
    r"^申し訳[^。\n]{0,30}(?:書け|提供でき|お手伝いでき|お応えでき|作成でき)ません",
)
_REFUSED_ARTIFACT = _compile(
    rf"{_SORRY}[^.!?\n]{{0,60}}\bi{_CANNOT}"
    r" (?:provide|write|create|draft|produce|compose|supply|complete|invent|make up|share|access|retrieve|help"
    r"|assist)\b",
    rf"^i{_CANNOT} (?:provide|write|create|draft|produce|compose|supply|invent|make up|share|access)"
    r" (?:the|this|that|an?|any|such|your|it)\b",
    r"^i (?:do not|don't) have access to (?:the|your|that|any)\b",
)
_PASTED_REFUSAL = _compile(
    rf"{_SORRY}[^.!?\n]{{0,60}}\bi{_CANNOT}"
    r" (?:provide|write|create|draft|produce|generate|share|assist with|help with)\b(?: \w{1,20}){0,3}"
    r" (?:essay|text|content|e-?mail|letter|article|report|story|document|paper|speech|post|script|poem|request"
    r"|material|excerpt|copy|draft|log|transcript|application|statement|code|review|plan|list)s?\b",
)
_ORDER = r"^(?:sure|certainly|of course|absolutely|gladly|definitely)\b(?: thing)?[!,.:]{1,3} "
_ASSISTANT = _compile(
    rf"{_ORDER}here(?:'s| is) (?:an?|the|your|one)\b[^.!?\n]{{0,40}}"
    r"\b(?:message|draft|sample|example|version|reply|response)\b",
    rf"{_ORDER}(?:i(?:'d| would|'ll| will) be (?:happy|glad)|(?:let me|i can|i'll|i will) (?:help|assist))",
    rf"{_ORDER}how (?:can|may) i\b",
    r"^(?:i(?:'d| would) be|i(?:'m| am)) (?:more than )?(?:happy|glad|here) to (?:help|assist|support|listen)\b",
    r"(?<!['\"‘“])\bhow (?:can|may|could) i (?:best )?(?:help|assist|support) you\b",
    r"\bi(?:'d| would) (?:love|like) to (?:help|assist|support) you\b",
    r"\bas (?:your|an) (?:helpful )?(?:ai )?assistant, i\b",
    rf"{_LANGUAGE_MODEL}[^.!?\n]{{0,20}}\b(?:i|my)\b",
    r"\bi(?:'m| am) (?:an?|your) (?:ai|virtual) (?:assistant|language model|chatbot)[.!,]",
    r"\bi(?:'m| am) (?:chatgpt|claude|gemini|llama|qwen)\b",
    r"\bfeel free to (?:reach out|ask)\b",
    r"\bi(?:'m| am) here if you need\b",
    r"\bwhat would you like me to\b",
    r"\bplease (?:share|paste|provide|send)(?: me)? your\b[^.?!\n]{0,40}\band i(?:'ll| will)\b",
    r"\bwhat can i (?:do for|help) you\b",
    r"\blet me know if (?:you need (?:anything else|any (?:changes|further|other))|there is anything else)",
    r"\bif you(?:'d| would) like me to (?:revise|adjust|change|modify|rewrite|make|add)\b",
)
# nobody opens a conversation like this who wants something; later on a person may say so
_ANSWERING = _compile(
    r"^(?:thank you|thanks) for (?:your (?:message|question|request)|reaching out|sharing|contacting|trusting me)\b",
    r"^(?:great|good|excellent) question\b",
    r"^(?:let me|i can|i'll|i will) (?:help|assist) you\b",
    r"^here(?:'s| is) (?:how you (?:could|can|might)|an? \w{1,20} (?:version|draft) of your)\b",
    r"^you (?:could|might) (?:say|write|try|start)\b",
    r"^i(?:'d| would)? (?:suggest|recommend|advise) (?:(?:that )?you\b|\w{1,20}ing\b)",
    r"\b(?:could|can) you tell me more about (?:your|what you)\b",
    rf"{_ORDER}(?:could you|can you|what|please|let's|tell me|which)\b",
    r"^(?:it|that) sounds like you(?:'re| are)\b",
    r"^i understand (?:how|that you(?:'re| are) (?:feeling|going|worried|concerned|facing|in a|looking))\b",
)
_HANDED_OVER = _compile(
    rf"{_ORDER}(?:here|i\b|this is|below)",
    r"^here(?:'s| is| are) (?:an?|the|your|some|one)\b[^\n]{0,120}:[ \t*]{0,6}\n",
    r"\b(?:feel free to|you can) (?:adjust|edit|modify|customi[sz]e|change)\b[^\n]{0,80}$",
)
# a message that somebody else has sent is not described but quoted
_RECEIVED = (
    r"(?: (?:i|he|she|they|we|you|my|our|from|for|to|below is from|sent|received)\b"
    r"| that (?:i|he|she|they|we|my|was|came)\b)"
)
_REFUSED_FOR_LACK = _compile(
    r"^(?:please|(?:could|can|would) you(?: please)?) (?:provide|share|give me|specify|paste)\b[^.?!\n]{0,60}"
    r"\b(?:details|information|context|you(?:'d| would) like me|you want me)\b",
    r"^it (?:seems|looks like|appears)(?: that)?"
    r" (?:you (?:haven't|have not|didn't|did not)|the \w{1,20} (?:is missing|was not))",
    r"^i(?:'d| would)? need (?:more|further|additional) (?:information|details|context)\b",
    r"^there is no \w{1,20} (?:to (?:provide|share|paste)|provided|available|attached)\b",
)
_DESCRIBED_ARTIFACT = _compile(
    r"^(?:the|this) (?:artifact|essay|text|document|e-?mail|letter|report|message)"
    r" (?:would|should|must|will|describes?|contains?|includes?)\b",
    r"^the (?:essay|text|document|e-?mail|letter|report|message) is about\b",
)
_DESCRIPTION = _compile(
    r"^(?:here(?:'s| is)|below is|this is) (?:an?|the|my|one|your)? ?"
    r"(?:possible |draft |sample |suggested |short |realistic |potential ){0,2}(?:opening |first |draft )?message\b"
    rf"(?!{_RECEIVED})",
    r"^(?:the|an?) (?:opening|first) message"
    r" (?:should|would|could|will|asks|opens|begins|starts|is|from|in which|that)\b",
    r"^an? (?:opening |first |short )?message (?:asking|requesting|in which|to the (?:ai )?assistant)\b",
    r"^my (?:opening |first )?message (?:would be|reads|is:)",
    r"^here(?:'s| is) what i(?:'d| would) (?:write|say|send)\b",
    r"^[\[(<]?(?:user|human)(?: (?:writes|types|says))?(?:[\])>]|:|\s{0,3}\n)",
    r"^\{\s{0,9}\"(?:message|artifact_request)\"",
    r"\bpress(?:ing)? for (?:my|the|his|her|their) goal\b",
    r"\bi(?:'d| would) (?:ask|tell|message) (?:the|an) (?:ai )?assistant\b",
    r"\bhow the (?:user|persona|person) (?:opens|begins|starts|would)\b",
    r"^(?:he|she|they) (?:asks?|opens?|begins?|writes?)"
    r" (?:for (?:help|advice|assistance)\b|by \w{1,20}ing\b|(?:to )?the (?:ai )?assistant\b)",
    r"^the message (?:should|must|needs|asks|opens|begins|starts|would|will|is from)\b",
    r"^(?:the|this) (?:user|persona|character|human) (?:asks|wants|writes|types|sends|says|is|opens|would|needs|turns"
    r"|should|begins|starts|explains|requests|describes|has|tells)\b",
    r"\b(?:asks|tells|requests|writes to|turns to|explains to|messages|approaches) (?:the|an) (?:ai )?assistant\b"
    r"(?! (?:teacher|manager|principal|coach|professor|editor|director))",
    # small models write out what they were told, marks of its sections included
    r"\[(?:(?:begin|end) )?[a-z ]{0,20}[0-9a-f]{8}\]",
    r"\bthe (?:ai )?assistant (?:will|should|must) (?:assist|help) me\b",
    r"\ba choice between courses of action\b",
    r"^(?:(?:opening |first |initial |user |user's |my ){0,2}message(?: to the (?:ai )?assistant)?"
    r"|user(?: \([^()\n]{1,30}\))?|scenario|persona|goal|background|opening|prompt|q)\**:",
    r"^i(?:'d| would) (?:open|start|begin)(?: the conversation| my message)? (?:with|by|like this)\b",
    r"^as (?:the|this) (?:user|persona|character)\b",
    r"^in this (?:scenario|message|situation|conversation), (?:the|a) (?:user|person|persona)\b",
)
# no placeholders: editors' words, levels of a log, tick boxes
_BRACKETED_WORDS = frozenset(
    [
        *(
            "sic",
            "edit",
            "edited",
            "redacted",
            "removed",
            "deleted",
            "omitted",
            "laughs",
            "pause",
            "inaudible",
            "unclear",
        ),
        *("info", "warn", "warning", "error", "debug", "trace", "fatal", "critical", "ok", "fail", "failed", "pass"),
        *("passed", "x", "todo", "crosstalk", "update"),
    ]
)
_BRACKETS = re.compile(
    r"(?<![A-Za-z0-9_\])\[!=])\[([^\W\d_](?:[^\W\d_]|['’ ,./&-]){1,60}| [A-Za-z]{1,20} "
    r"|[a-z]{1,20}(?:_[a-z]{1,20}){1,4})\](?![\[(\]])"
)
_CODE = re.compile(r"```[^`]{0,20000}```")
# dots in brackets where a text was announced, at an end, or alone: between two paragraphs somebody has cut a quotation
_DOTS = re.compile(
    r"(?:\A|:)\s{0,20}[\[(<](?:…|\.{2,6})[\])>]\s{0,20}(?:\n|\Z)|\n[ \t]{0,8}[\[(<](?:…|\.{2,6})[\])>]\s{0,20}\Z"
)
# a line that says who speaks, with a name, and then greets
_NAMED_LINE = re.compile(r"^(?:\*\*)?[A-Z][\w’'-]{1,20}(?: [A-Z][\w’'-]{0,20})?(?:: |\*\*:? |:\*\* )", re.MULTILINE)
_NAMED_GREETING = re.compile(_NAMED_LINE.pattern[1:] + r"(?i:hi|hello|hey|hallo|hola|good \w{2,9})\b")
_GAPS = _compile(
    r"<(?:insert|your|name|recipient|company|date|address|email|phone)\b[^<>\n]{0,40}>",
    r"(?<!\{)\{(?:insert|your|name|recipient|company|date|address|email|phone)\b(?!['\"]? ?:)[^{}\n]{0,40}\}",
    r"\{\{ ?(?:insert|your|name|recipient|company|date|address|email|phone)\b[^{}\n]{0,40}\}\}",
    r"\((?:insert [^()\n]{1,60}|(?:your |my )?name|company name)\)",
    r"<[a-z ]{1,30} here>|\b[a-z]{1,20} goes here\b|\blorem ipsum\b",
    r"(?<=[a-z] )_{3,}(?!\w)",
    r"\bdear x{2,5}\b|\bx{2,4}[-/]x{2,4}\b|\$x{1,3},x{3}\b|\(add [a-z ]{1,30} here\)",
    r"\[\d[\d –-]{0,5} (?:sentence|word|paragraph)s?\]",
    r"\binsert [a-z ]{1,30} here\b",
)
_SPEAKER = re.compile(r"[ \t]{0,8}:")
_LETTER = _compile(
    r"(?:subject|re): ",
    r"dear (?!(?:ai|assistant|chatgpt|claude|gemini|gpt|helper|bot)\b)\S",
    r"to whom it may concern",
    r"(?:to|from): [^\n]{1,80}\n(?:to|from|cc|date|subject): ",
)
_GREETING = re.compile(r"(?:Hi|Hello|Hey) (?!AI\b|Assistant|There|ChatGPT|Claude|Gemini)[A-Z]\w{1,20},\s{0,4}\n")
_SIGNED = re.compile(
    r"^[ \t]{0,8}(?:(?:best|kind|warm|warmest|many)? ?(?:regards|wishes)|sincerely|yours|respectfully|love|cheers"
    r"|thanks|thank you|best|with (?:love|thanks|gratitude|appreciation)|in gratitude|gratefully|cordially)"
    r"\b[^\n]{0,30}$",
    re.IGNORECASE | re.MULTILINE,
)
# what somebody else wrote, in the midst of a message
_QUOTATION = re.compile(r"(?<=\S\s)(?:“[^“”]{10,3000}”|\"[^\"\n]{10,3000}\")")
_SHORTEST_REQUEST = 25  # characters behind a signature's name that can be a request
_SHORTEST_ARTIFACT = 12  # characters: "N/A", "(the essay)"
_REQUEST = _compile(
    r"\b(?:can|could|would|will) you"
    r" (?:help|write|draft|check|rewrite|edit|proofread|look|read|tell|make|polish|review|give)\b",
    r"\b(?:help|write|draft|check|rewrite|edit|proofread|polish|review|fix|shorten|improve) (?:me|this|it|my|the)\b",
)


def holds_tag(text: str) -> bool:
    """Return whether a text still holds an artifact's tag: ours, or the published release's ``<ARTIFACT>``."""
    return bool(_ANY_TAG.search(text))


def find_message_fault(message: str, *, opens: bool = True) -> str | None:
    """Return what makes a text no message of a user, a key of ``FAULT_WORDS``, or None.

    Parameters
    ----------
    opens : bool
        Whether it opens a conversation.
    """
    opening, ending = _opening(message), _ending(message)
    if _REFUSAL.search(opening) or any(map(_holds_refusal, message.splitlines())):
        return "refusal"
    if _DESCRIPTION.search(_opening(_QUOTATION.sub(" ", message))) or (opens and _names_its_writer(message)):
        return "description"
    if _ASSISTANT.search(opening) or _ASSISTANT.search(ending) or (opens and _ANSWERING.search(opening)):
        return "assistant"
    if holds_tag(message):
        return "tag"
    if _holds_placeholder(message):
        return "placeholder"
    return "artifact_alone" if _is_letter_alone(message) else None


def find_artifact_fault(artifact: str) -> str | None:
    """Return what makes a text no artifact to be pasted into a message, a key of ``FAULT_WORDS``, or None."""
    opening = _opening(artifact)
    if any(pattern.search(opening) for pattern in (_REFUSAL, _REFUSED_ARTIFACT, _REFUSED_FOR_LACK)):
        return "refusal"
    if _DESCRIBED_ARTIFACT.search(opening):
        return "description"
    if _ASSISTANT.search(opening) or _HANDED_OVER.search(opening) or _HANDED_OVER.search(_ending(artifact)):
        return "assistant"
    if holds_tag(artifact):
        return "tag"
    too_short = len(artifact.strip()) < _SHORTEST_ARTIFACT
    return "placeholder" if too_short or _holds_placeholder(artifact) else None


def _holds_refusal(paragraph: str) -> bool:
    """Return whether a paragraph is an assistant's refusal that was pasted in."""
    return "sorry" in paragraph.lower() and bool(_PASTED_REFUSAL.search(_opening(paragraph)))


def _names_its_writer(text: str) -> bool:
    """Return whether a text begins as a line of a play, with a name and a greeting, and is no chat that was pasted."""
    return bool(_NAMED_GREETING.match(_plain(text))) and len(_NAMED_LINE.findall(_plain(text))) == 1


def _plain(text: str) -> str:
    """Return a text with straight apostrophes, and without what dresses up its beginning."""
    return text.replace("’", "'").lstrip(_DRESS)


def _opening(text: str) -> str:
    """Return a text's beginning."""
    return _plain(text[: 2 * _LOOKED_AT])[:_LOOKED_AT]


def _ending(text: str) -> str:
    """Return a text's last paragraph, unless it is a text of one."""
    paragraph = text.rstrip().rpartition("\n")[2]
    return "" if len(paragraph) == len(text.strip()) else _plain(paragraph[-_LOOKED_AT:])


def _holds_placeholder(text: str) -> bool:
    """Return whether a text leaves a gap in brackets, as ``[Name]`` or ``<your company>``."""
    text = _CODE.sub(" ", text)
    if _DOTS.search(text):
        return True
    for match in _BRACKETS.finditer(text):
        words = match[1].lower().split()
        begins_line = not text[max(0, match.start() - 20) : match.start()].rpartition("\n")[2].strip()
        # a speaker in a chat log, [Anna]: …
        speaker = begins_line and bool(_SPEAKER.match(text, match.end()))
        if not set(words) <= _BRACKETED_WORDS and not speaker:
            return True
    return bool(_GAPS.search(text))


def _is_letter_alone(text: str) -> bool:
    """Return whether a text is a letter to somebody else and nothing besides."""
    signed = list(_SIGNED.finditer(text))
    if signed and _GREETING.match(_plain(text)) and "?" not in text and not _REQUEST.search(text):
        return True
    if not _LETTER.match(_plain(text)):
        return False
    if not signed:
        return not _REQUEST.search(text)
    # behind the last signature stands a name, and then what is wanted with the letter, if anything
    return len(text[signed[-1].end() :].strip()) < _SHORTEST_REQUEST
