"""Thoughts: what a reasoning model writes before its reply (chain of thought), split off from the reply proper.

In: the text of a reply as received. Out: its thoughts, and the reply without them and without end marks. It goes by the
marks that chat templates set (``<think>``, harmony's channels and the like) and guesses nothing: thoughts that begin
and do not end leave no reply, and a text without marks is all reply.
"""

import re

# as templates name them, with what stands around a name: seed:think, inner_thoughts, antThinking, thought_process
_NAME = (
    r"(?:[a-z]{1,12}[:_])?(?:ant)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|monologue|cot)"
    r"(?:_[a-z]{1,10})?|chain_of_thought"
)
_BAR, _OF = r"[|｜]", r"[_▁](?:of[_▁])?"
_OPEN = (
    rf"(?:<|&lt;) ?(?:{_NAME}) ?(?:>|&gt;)|\[(?:{_NAME})\]|◁think▷|<unused94>|<\|channel>thought|<\|inner_prefix\|>"
    rf"|<{_BAR}(?:(?:begin|start){_OF}(?:{_NAME})|(?:{_NAME})|(?:{_NAME})[_▁](?:start|begin)){_BAR}>"
)
# Apriel's: what comes before has no mark at its beginning
_CLOSE = (
    rf"(?:<|&lt;) ?/ ?(?:{_NAME}) ?(?:>|&gt;)|\[/(?:{_NAME})\]|◁/think▷|<unused95>|<channel\|>|<\|inner_suffix\|>"
    rf"|<{_BAR}(?:end{_OF}(?:{_NAME})|/(?:{_NAME})|(?:{_NAME})[_▁]end){_BAR}>|\[BEGIN FINAL RESPONSE\]"
)
_MARK = re.compile(f"(?P<close>{_CLOSE})|(?P<open>{_OPEN})", re.IGNORECASE)
# most replies hold no sign that a mark begins with, which is known sooner than that they hold no mark
_FIRST_SIGNS, _FIRST_END_SIGNS = frozenset("<&[◁"), frozenset("<[")
# harmony: each message of a reply names its channel, and only `final` is for the user
_CHANNEL = re.compile(r"<\|channel\|>\s{0,4}(\w{1,40})[^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>")
_CHANNEL_END = re.compile(r"<\|(?:start|channel|end|return|call)\|>")
# the same if the server has dropped the marks and kept their names
_BARE_ANALYSIS, _BARE_FINAL = re.compile(r"\s{0,4}analysis(?=[A-Z\"'(\n])"), "assistantfinal"
# thoughts that a chat window would fold
_FOLDED = re.compile(
    r"\s{0,4}(?:```(?:thinking|thoughts?|reasoning)\n(.*?)\n```"
    r"|<details(?: type=\"reasoning\"[^>]*>|[^>]*>\s{0,4}<summary>(?:thought|thinking|reasoning)[^<]*</summary>)"
    r"(.*?)</details>)",
    re.IGNORECASE | re.DOTALL,
)
# Gemini's and Gemma's thoughts, if the marks around them are lost: the word alone on the first line
_BARE_THOUGHT = re.compile(r"\s{0,4}thought\n")
_BARE_REPLY = re.compile(
    r"^(?:response|answer|final answer|final|reply|output):?[ \t]{0,4}$", re.IGNORECASE | re.MULTILINE
)
_END = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end|return|endoftext|end_of_text|end_of_turn|END_OF_TURN_TOKEN|END_RESPONSE)\|>"
    r"|<｜end▁of▁sentence｜>|<\|end_of_solution\|>|\[END FINAL RESPONSE\]|<end_of_turn>|</s>|<eos>",
    re.IGNORECASE,
)
_PIECE = re.compile(
    rf"(?P<end>{_END.pattern})"
    r"|(?P<start><\|(?:im_start|start|start_header_id|user|START_OF_TURN_TOKEN)\|>|<start_of_turn>|<s>|\[INST\])"
    r"|[^\s<\[]+|[<\[]",
    re.IGNORECASE,
)
_WRAPPED = re.compile(r"<(answer|response|output|final|solution)>(.*)</\1>", re.IGNORECASE | re.DOTALL)
_BEGIN = re.compile(
    r"\s{0,4}(?:<\|(?:START_RESPONSE|begin_of_solution|assistant)\|>|<\|im_start\|>assistant\n|<｜Assistant｜>"
    r"|<\|start_header_id\|>assistant<\|end_header_id\|>|<start_of_turn>model\n)",
    re.IGNORECASE,
)


def split_thoughts(text: str) -> tuple[str | None, str]:
    """Split a reply's thoughts off.

    ============================================================  ==================  ==================
    text                                                          thoughts            reply
    ============================================================  ==================  ==================
    ``<think>…</think>``, ``[THINK]…[/THINK]`` and the like,
    a folded block of thoughts before the reply                   between the marks   the rest
    ``…</think>`` without an opening mark                         all before it       all after it
    ``<think>…`` without a closing mark, at a line's beginning    all after it        what stood before
    ``<|channel|>analysis<|message|>…<|channel|>final<|message|>…``  other channels   the channel ``final``
    ``analysis…assistantfinal…``                                  between             after
    ``thought``, alone on the first line                          up to a line        after it; without such
                                                                  ``response``        a line: nothing
    a mark in backquotes                                          none                as it is
    ============================================================  ==================  ==================

    Returns
    -------
    thoughts : str or None
        None if there are none.
    reply : str
        The text itself if it has neither thoughts nor end marks. What follows an end mark and begins another turn is
        not of the reply.
    """
    thoughts, reply = _by_channel(text) or _by_name(text) or _by_marks(text)
    begin = _BEGIN.match(reply)
    reply = _without_end_marks(reply[begin.end() :] if begin else reply)
    if thoughts is None:
        return None, reply
    reply = reply.strip()
    wrapped = _WRAPPED.fullmatch(reply)
    return thoughts.strip() or None, wrapped[2].strip() if wrapped else reply


def _by_channel(text: str) -> tuple[str | None, str] | None:
    """Return thoughts and reply of a text in harmony's channels; None if it has none."""
    channels = list(_CHANNEL.finditer(text))
    if not channels:
        return None
    thoughts: list[str] = []
    replies: list[str] = []
    for channel in channels:
        end = _CHANNEL_END.search(text, channel.end())
        content = text[channel.end() : end.start() if end else len(text)]
        (replies if channel[1].lower() == "final" else thoughts).append(content)
    return "\n\n".join(thoughts), "\n\n".join(replies)


def _by_name(text: str) -> tuple[str | None, str] | None:
    """Return thoughts and reply of a text that names them and has no marks; None if it does not."""
    if analysis := _BARE_ANALYSIS.match(text):
        thoughts, final, reply = text[analysis.end() :].partition(_BARE_FINAL)
        if final or text[analysis.end()] != "\n":
            return thoughts, reply
    if folded := _FOLDED.match(text):
        return folded[1] or folded[2], text[folded.end() :]
    thought = _BARE_THOUGHT.match(text)
    if not thought or _MARK.search(text):
        return None
    reply_line = _BARE_REPLY.search(text, thought.end())
    if not reply_line:
        return text[thought.end() :], ""
    return text[thought.end() : reply_line.start()], text[reply_line.end() :]


def _by_marks(text: str) -> tuple[str | None, str]:
    """Return thoughts and reply of a text in which thoughts stand between marks."""
    if not any(sign in text for sign in _FIRST_SIGNS):
        return None, text
    thoughts: list[str] = []
    reply: list[str] = []
    marks = [mark for mark in _MARK.finditer(text) if not _is_quoted(text, mark)]
    last_close = max((mark.start() for mark in marks if mark["close"]), default=-1)
    inside, at = False, 0
    for mark in marks:
        if mark["close"]:
            if not inside:  # the server has taken the opening mark for part of the prompt
                thoughts += reply
                reply = []
            thoughts.append(text[at : mark.start()])
            inside, at = False, mark.end()
        elif not inside and (mark.start() < last_close or _begins_line(text, mark)):
            reply.append(text[at : mark.start()])
            inside, at = True, mark.end()
    if not at:
        return None, text
    (thoughts if inside else reply).append(text[at:])
    return "\n\n".join(filter(None, (thought.strip() for thought in thoughts))), "".join(reply)


def _is_quoted(text: str, mark: re.Match) -> bool:
    """Return whether a mark stands in backquotes: it is spoken of."""
    return text[mark.start() - 1 : mark.start()] == "`" or text[mark.end() : mark.end() + 1] == "`"


def _begins_line(text: str, mark: re.Match) -> bool:
    """Return whether a mark stands at the beginning of the text or of a line."""
    before = text[max(0, mark.start() - 20) : mark.start()].rstrip(" \t")
    return not before or before.endswith("\n")


def _without_end_marks(text: str) -> str:
    """Return a text up to the end marks that close it, or after which it runs on into another turn."""
    if not any(sign in text for sign in _FIRST_END_SIGNS) or not _END.search(text):
        return text
    end = None
    for piece in _PIECE.finditer(text):
        if piece["start"] and end is not None:
            break
        end = (piece.start() if end is None else end) if piece["end"] else None
    return text if end is None else text[:end].rstrip()
