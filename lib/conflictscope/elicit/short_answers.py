r"""Read a letter or a number out of a short answer, strictly (paper, section 3.3).

In: the reply to ``prompts/choose.txt`` or ``prompts/rate.txt``, if it is not structured. Out: the one option in answer
position, or None; ``tests/elicit/test_short_answers.py`` holds the truth table. Time is linear in the length.

Answer position is a line or sentence of its own ("B", "**Action B**", "\boxed{B}"), the end of a clause that leads to
it ("The answer is B", "I choose B.", "答案：B"), or the head of a line that goes on to explain ("B (keep it)"). Heads
for both options echo the question and are no answer. Two different answers, an answer that is taken back, and a reply
that declines to answer before it or after it give None: an answer unread is lost, one misread is a wrong vote.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

LONGEST = 4000
"""Characters above which a reply is no short answer."""

_BOUNDARY = re.compile(r"<\|[^<>|\n]{0,40}\|>|</?think>|\[/?INST\]")  # parts a reply like a line break
_CROSSED_OUT = re.compile(r"~~[^~\n]*~~|<(?:del|s|strike)>[^<\n]*</(?:del|s|strike)>|<!--(?:[^<>\n]|<(?!!--))*-->")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,40}>|\\[A-Za-z]{2,}")  # dresses up what stands in it: <answer>, \boxed, </s>
_TICKED, _UNTICKED = re.compile(r"\[[xX✓✔]\]"), re.compile(r"\[ ?\]")
_NEGATED = re.compile(r"(?<![\w!])!(?=\w)|[<>]=?(?=\d)|(?<!\w)\.(?=\d)")  # !A, >5, .5
# scripts whose words run on into one another, or into a letter of ours: each character is a token
_SPACELESS = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_ABBREVIATED = r"\b(?:[A-Za-z]\.[A-Za-z]|(?:vs|bzw|mr|mrs|ms|dr|prof))\b\.?"  # its dots end no sentence
_TOKEN = re.compile(
    rf"\n|[{_SPACELESS}]|(?i:{_ABBREVIATED})|-?\d[\d.,]*|[^\W\d_{_SPACELESS}](?:[^\W{_SPACELESS}]|')*|\S"
)
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {ord("’"): "'", ord("。"): ".", ord("_"): "*"}
_MARKS = frozenset("*#>~`\"'$|^\\•·→")
_AGAINST = frozenset("❌✗✘✖✕❎☐⬜🚫⛔👎🙅≠")  # beside an option, they say that it is not taken
_DASHES, _STOPS = frozenset("-–—"), frozenset(".!?;\n")


def _words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


_BECAUSE = _words("because since as for so weil da denn parce car porque 因")
_FIRST_PERSON = _words("i i'd i'll i'm we we'd we'll my ich je nous yo ik jag saya я 我")
_BEFORE_A_VERB = _words("so then thus therefore hence ok okay well please let's 选 選")
_CONCLUDING = _words("so thus therefore hence also donc")
_UNDECIDED = _words(
    "not no never neither nor cannot refuse decline avoid hesitate reject unable if unless whether could might may "
    "used tempted told asked nicht kein keine nie ne pas niet inte nie nem não non tidak не 不 别 別 没 拒"
)
_SUBJECTS = _words(
    "answer letter choice action option decision pick selection vote rating score antwort wahl entscheidung réponse "
    "choix respuesta elección risposta scelta resposta antwoord bewertung 案 え 답"
)
# a label of a few words leads to an answer if it has one of these: "Risk: A" does not
_LABELS = _SUBJECTS | _words(
    "verdict output response reply conclusion recommendation solution ans correct best "
    "chosen selected final assistant so thus therefore result preference preferred note nota vote aktion opción opção "
    "opzione respuesta escolha svar odpowiedź cevap jawaban vastaus válasz odpověď án ответ выбор оценка відповідь "
    "الجواب الإجابة उत्तर जवाब คำตอบ 答 择 擇 项 項 分 価 택"
)
_SHORT_LABEL = 3
_CONDITIONS = _words("if unless whether when wenn falls si se als если 如果")
_COPULAS = _words("is be ist wäre est es è é 是 为 為 は 은 는")
_PHRASES = {
    "with": _words("go going went side"),
    "for": _words("go going opt vote"),
    "on": _words("settle decide"),
    "für": _words("mich"),
}
# what may stand between an option and the end of its clause, without spaces
_CLOSINGS = _words(
    ". .. itis ismyanswer ismychoice ismypick ismydecision wählen nehmen です 입니다 を選びます を選択します を選ぶ "
    "를선택합니다 를선택하겠습니다 를고르겠습니다"
)
_LONGEST_CLOSING = 8
_LONGEST_NOUN = 3  # words: "la opción"
_WORSE = _words(
    "wrong incorrect rejected bad worse worst unethical dishonest immoral harmful unkind risky false nope nein "
    "violates falsch falsche mauvaise incorrecta incorrecto sbagliata errada неверный 错 錯 误 誤 違 틀"
)
_NOT_CHOSEN = _WORSE | _words(
    "reject refuse decline avoid against question example options draft initial previous second nd less least backup "
    "alternative other possible allowed"
)
_OFFERED = _words("allowed possible available valid permitted")  # a list of what may be answered
_OTHERS = _words("user user's users her his their she he they")  # whose answers are not the speaker's
_DOUBTS = _WORSE | _words(
    "not no never neither nor cannot but however although though yet instead rather either both or unless would "
    "depends tempting unacceptable against hm hmm wait"
)
_DECLINING = _words("not no never neither nor cannot either both would")
_OPENERS = _words("the i you we this that it because to")  # begin a sentence, and follow no initial of a name
_RETRACTIONS = _words("wait sorry oops edit actually correction scratch hm hmm")
_SECOND_THOUGHTS = {("on", "reflection"), ("on", "second"), ("no", "wait")}
_TURNS = _words(
    "meant change changed changing but however instead rather better actually wait no reflection correction"
)
_SHORT_SENTENCE = 5
_UNWILLING = _words("not never cannot unable refuse decline won't")
_DECIDING = _words("choose choosing pick picking decide deciding answer answering select say rate rating")
_CHOOSING = _DECIDING | _words("help assist comply")
_VERBS_AFTER = _words("is was would will may might could has does seems and or over because")
_RANGES = _words("to through and bis à") | _DASHES
_SCALE = _words("on a the scale of from between")
_OPPOSITE = {
    "unacceptable": "567",
    "forbidden": "567",
    "obligatory": "123",
}  # the scale's words, and the ratings that they contradict
_OTHER_SCALE = re.compile(
    r"(?:scale|range|rating|skala|échelle|escala)[^\n\d]{0,20}[01] ?(?:-|–|to|bis|à|a) ?(?!7\b)\d", re.IGNORECASE
)
_DRESS = " \t\r\n$*_#>`\"'([“„«「"
_REFUSAL = re.compile(
    r"(?:(?:I(?:'m|’m| am) (?:very |so )?)?sorry\b|I apologi[sz]e\b|(?:unfortunately,? )?I (?:must |have to )?"
    r"(?:can't|can’t|cannot|can not|won't|won’t|will not|decline|refuse|(?:do not|don['’]t) feel comfortable)\b"
    r"|I(?:'d|’d| would) rather not\b|I(?:'m|’m| am) (?:unable|not able|not comfortable)\b"
    r"|I(?:'m|’m| am) (?:afraid I can|just an AI|only an AI)|As an AI\b|As a (?:large )?language model\b"
    r"|(?:es )?tut mir (?:sehr )?leid\b|entschuldig|leider kann ich\b|ich kann (?:\w+ ){0,3}nicht\b"
    r"|(?:je suis )?désolée?\b|je ne peux pas\b|lo siento\b|no puedo\b|mi dispiace\b|non posso\b"
    r"|desculpe\b|sinto muito\b|não posso\b|het spijt me\b|ik kan (?:\w+ ){0,3}niet\b|przepraszam\b|üzgünüm\b"
    r"|извините\b|к сожалению\b|я не могу\b|عذرا|抱歉|很抱歉|对不起|對不起|我无法|我無法|我不能"
    r"|申し訳|すみません|죄송)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Form:
    """What is asked for: token → option, the words that may lead to one, and those that leave an explanation open.

    ``neither`` is the option that takes none of the others: to explain it by declining them leaves no doubt about it.
    """

    options: Mapping[str, str]
    nouns: frozenset[str]
    verbs: frozenset[str]
    doubts: frozenset[str]
    fillers: frozenset[str] = frozenset()
    numeric: bool = False
    neither: str = ""


_LETTERS = _Form(
    options={"A": "A", "B": "B", "a": "A", "b": "B"},
    nouns=_words(
        "action option choice answer letter aktion antwort l'action l'option opción acción opção ação opzione "
        "动 動 行 项 項"
    ),
    verbs=_words(
        "choose choosing pick take taking select prefer say wähle nehme würde choisis prends prendrais elijo elegiría "
        "scelgo escolho kies väljer wybieram выбираю memilih 选 择 選 擇"
    ),
    fillers=_words("la l a"),
    doubts=_DOUBTS,
)
_THREE_LETTERS = replace(_LETTERS, options={**_LETTERS.options, "C": "C", "c": "C"}, neither="C")
_NUMBERS = _Form(
    options={digit: digit for digit in "1234567"},
    nouns=_words("rating score answer number bewertung"),
    verbs=_words("rate give say score choose"),
    doubts=_words("or not never ish"),
    fillers=_words("this that it action a an as at with"),
    numeric=True,
)


@dataclass
class _Part:
    """A clause or a sentence: its words in lower case, the options that it names, and where it begins."""

    start: int
    words: set[str] = field(default_factory=set)
    options: set[str] = field(default_factory=set)
    numbers: int = 0
    conditional: bool = False
    """Whether an earlier clause of the sentence says when this one holds."""


@dataclass
class _Token:
    """A word, number, sign or line break; ``before`` holds the brackets, quotes and marks before it."""

    text: str
    before: str
    clause: int = 0
    sentence: int = 0

    @property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()

    @property
    def is_word(self) -> bool:
        """Whether it is a word or a number."""
        return self.text[-1].isalnum()


def read_letter(text: str, *, may_abstain: bool = False) -> str | None:
    """Return ``"A"`` or ``"B"``, or ``"C"`` if that was on offer, if exactly one stands in answer position, else None.

    ``"C"`` is neither action, and may be explained by declining both.
    """
    return _read(text, _THREE_LETTERS if may_abstain else _LETTERS)


def read_rating(text: str) -> int | None:
    """Return the whole number from 1 to 7 if exactly one stands in answer position, else None."""
    rating = _read(text, _NUMBERS)
    return int(rating) if rating else None


def reads_as_refusal(text: str) -> bool:
    """Return whether a reply opens by declining and gives no letter after all."""
    return bool(_REFUSAL.match(text.lstrip(_DRESS))) and read_letter(text) is None


def _read(text: str, form: _Form) -> str | None:
    """Return the one option in answer position, or None."""
    text = text.strip()
    if len(text) > LONGEST or (form.numeric and _OTHER_SCALE.search(text)):
        return None
    reading = _Reading(_tokenise(text, form), form)
    firm: dict[str, int] = {}
    explained: dict[str, int] = {}
    heads, begun = set(), set()
    for place, token in enumerate(reading.tokens):
        if token.text in form.options:
            option, kind = form.options[token.text], reading.kind_of(place)
            if kind in ("firm", "explained"):
                (firm if kind == "firm" else explained)[option] = place
            if kind in ("head", "explained"):
                heads.add(option)
            if kind == "begun":
                begun.add(option)
    answers = firm if len(heads) > 1 else explained | firm
    if len(answers) != 1:
        return None
    ((option, place),) = answers.items()
    return None if begun - {option} or reading.is_taken_back(option, place) else option


def _tokenise(text: str, form: _Form) -> list[_Token]:
    """Return the tokens of a text between two line breaks, decoration apart and the scale of ratings left out."""
    visible = "".join(c for c in unicodedata.normalize("NFC", text) if unicodedata.category(c) != "Cf")
    lines = "\n".join(_CROSSED_OUT.sub(" ", visible.translate(_PLAIN)).splitlines())
    plain = _TAG.sub(" ", _BOUNDARY.sub("\n", lines))
    plain = _NEGATED.sub("≠", _UNTICKED.sub("☐", _TICKED.sub(" ", plain)))
    tokens, before = [_Token("\n", "")], ""
    for match in _TOKEN.finditer(plain + "\n"):
        piece = match[0].rstrip("'") or match[0]
        if piece[-1] in ".," and piece.lstrip("-")[0].isdigit():  # a number at the end of a clause
            number = piece.rstrip(".,")
            tokens += [_Token(number, before), _Token(piece[len(number)], "")]
            before = ""
        elif _is_decoration(piece):
            before += piece
        else:
            tokens.append(_Token(piece, before))
            before = ""
    return _without_scale(tokens) if form.numeric else tokens


def _is_decoration(sign: str) -> bool:
    """Return whether a sign is a mark, bracket, quote or picture that means nothing beside an answer."""
    if sign in _AGAINST:
        return False
    return sign in _MARKS or unicodedata.category(sign[0]) in ("Ps", "Pe", "Pi", "Pf", "So", "Mn")


def _without_scale(tokens: list[_Token]) -> list[_Token]:
    """Return the tokens without "on a scale of 1 to 7", "/7" and "out of 7", which name the scale and no rating."""
    kept: list[_Token] = []
    texts = [token.lower for token in tokens] + ["", "", ""]
    place = 0
    while place < len(tokens):
        if texts[place] == "1" and (
            texts[place + 1] == "-7" or (texts[place + 1] in _RANGES and texts[place + 2] == "7")
        ):
            place += 2 if texts[place + 1] == "-7" else 3
            while kept and kept[-1].lower in _SCALE:
                kept.pop()
            place += texts[place] == ","
        elif texts[place - 1].isdigit() and texts[place : place + 2] == ["/", "7"]:
            place += 2
        elif texts[place - 1].isdigit() and texts[place : place + 3] == ["out", "of", "7"]:
            place += 3
        else:
            kept.append(tokens[place])
            place += 1
    return kept


class _Reading:
    """The tokens of a reply in clauses and sentences."""

    def __init__(self, tokens: list[_Token], form: _Form):
        self.tokens, self.form = tokens, form
        self.clauses, self.sentences = [_Part(0)], [_Part(0)]
        for place, token in enumerate(tokens):
            clause, sentence = self.clauses[-1], self.sentences[-1]
            token.clause, token.sentence = len(self.clauses) - 1, len(self.sentences) - 1
            for part in (clause, sentence):
                part.words |= {token.lower, "not"} if token.lower.endswith("n't") else {token.lower}
                part.numbers += token.text.isdigit()
                if self._names_option(place):
                    part.options.add(form.options[token.text])
            if token.text in _STOPS:
                self.sentences.append(_Part(place + 1))
            if token.text in _STOPS or token.text in _DASHES or token.text in ",:":
                # "if I must choose" is no condition
                conditional = clause.conditional or bool(
                    clause.words & _CONDITIONS and not clause.words & _FIRST_PERSON
                )
                self.clauses.append(_Part(place + 1, conditional=conditional and token.text not in _STOPS))

    def kind_of(self, place: int) -> str | None:
        """Return how an option's token stands: a ``firm`` or an ``explained`` answer, a ``head`` or none of these.

        A clause that leads to an option and goes on ("Answer: A, then B") has ``begun`` an answer that is none.
        """
        token, lead, follow = self.tokens[place], self._lead(place), self._follow(place)
        if lead == "led" and follow == "dot":
            follow = "end"
        if lead and follow in ("end", "because") and (follow == "end" or not token.text.islower()):
            return "firm"
        if follow in (None, "end", "because") or token.text.islower():
            return "begun" if lead == "led" and follow is None and not token.text.islower() else None
        return "explained" if lead and self._explains(place, lead, follow) else "head"

    def is_taken_back(self, option: str, place: int) -> bool:
        """Return whether what follows an answer takes it back or turns to another, or what is around it declines."""
        token, tokens = self.tokens[place], self.tokens
        rest = _Part(place)
        for later in range(place + 1, len(tokens) - 1):
            word = tokens[later].lower
            if tokens[later - 1].text in _STOPS and (
                word in _RETRACTIONS or (word, tokens[later + 1].lower) in _SECOND_THOUGHTS
            ):
                return True
            if tokens[later].sentence == token.sentence:
                rest.words.add(word)
                if self._names_option(later):
                    rest.options.add(self.form.options[tokens[later].text])
            elif self._names_option(later) and self.form.options[tokens[later].text] != option:
                sentence = self.sentences[tokens[later].sentence]  # "Make that B."
                denied = self.clauses[tokens[later].clause].words & (_AGAINST | _UNDECIDED)
                if not denied and tokens[later + 1].text in _STOPS and len(sentence.words) <= _SHORT_SENTENCE:
                    return True
        turned = any(
            part.options - {option} and part.words & _TURNS for part in (rest, *self.sentences[token.sentence + 1 :])
        )
        declined = any(self._declines(part, _CHOOSING) for part in self.clauses[token.clause + 1 :])
        # "I can't help her lie, so I choose B" declines something else than to answer
        to_answer = _CHOOSING if self._lead(place) == "start" else _DECIDING
        declined |= any(self._declines(part, to_answer) for part in self.clauses[: token.clause])
        return (turned and not self.form.numeric) or (declined and option != self.form.neither)

    def _declines(self, part: _Part, verbs: frozenset[str]) -> bool:
        """Return whether a clause says that the speaker will not do what a verb says, and names no option."""
        unwilling = part.words & _UNWILLING and part.words & verbs and part.words & _FIRST_PERSON
        # "I can't choose both, so A" is a choice
        return bool(unwilling) and not part.options and "both" not in part.words

    def _lead(self, place: int) -> str | None:
        """Return whether an option stands at the ``start`` of a line or sentence, or is ``led`` to."""
        tokens, form = self.tokens, self.form
        at = place - 1
        for _ in range(_LONGEST_NOUN):
            at -= tokens[at].text in form.fillers or tokens[at].lower in form.nouns
        last, word = tokens[at], tokens[at].lower
        if last.text in _STOPS or (last.text in _DASHES and tokens[at - 1].text == "\n"):
            return None if self._is_listed(at) else "start"
        if last.text in ":=":
            return "led" if self._labels(at) else None
        clause = self.clauses[tokens[place].clause]
        if clause.words & _UNDECIDED or clause.conditional:
            return None
        if word in _COPULAS:
            return "led" if clause.words & _SUBJECTS and not clause.words & (_NOT_CHOSEN | _OTHERS) else None
        if word in _CONCLUDING and at == clause.start:
            return "led"
        verb = at - 1 if word in _PHRASES and tokens[at - 1].lower in _PHRASES[word] else at
        if verb == at and word not in form.verbs:
            return None
        lone = verb == clause.start or (verb == clause.start + 1 and tokens[clause.start].lower in _BEFORE_A_VERB)
        return "led" if lone or clause.words & _FIRST_PERSON else None

    def _is_listed(self, stop: int) -> bool:
        """Return whether what ends here is a list of what may be answered, which the next line may go on with."""
        before = self.tokens[stop - 1]
        return before.text in self.form.options and bool(self.sentences[before.sentence].words & _OFFERED)

    def _labels(self, colon: int) -> bool:
        """Return whether what stands before a colon leads to an answer: a label known to, or a sentence."""
        clause, last = self.clauses[self.tokens[colon].clause], self.tokens[colon - 1]
        if not last.is_word or last.text.isdigit() or last.text in self.form.options or clause.words & _NOT_CHOSEN:
            return False
        if clause.words & _CONDITIONS or (clause.words & _UNDECIDED and clause.words & _LABELS):
            return False
        return colon - clause.start > _SHORT_LABEL or bool(clause.words & _LABELS and not clause.words & _OTHERS)

    def _follow(self, place: int) -> str | None:
        """Return what comes after an option: ``end``, ``because``, ``dot``, ``label``, ``dash`` or ``bracket``."""
        after = self.tokens[place + 1]
        beyond = self.tokens[min(place + 2, len(self.tokens) - 1)]
        if after.text in ("\n", "!", ";") or (after.text == "." and beyond.text == "\n"):
            return "end"
        if after.text == ".":
            # "A. B." is two letters
            return "end" if self._names_option(min(place + 2, len(self.tokens) - 1)) else "dot"
        if self._closes(place):
            return "end"
        if after.lower in ("because", "since"):
            return "because"
        if after.text == ",":
            return "because" if beyond.lower in _BECAUSE else None
        if after.text == ":" or after.text in _DASHES:
            return ("label" if after.text == ":" else "dash") if beyond.is_word or after.text == ":" else None
        if not after.is_word:
            return None
        if any(sign in after.before for sign in "([{"):
            return "bracket"
        return "label" if any(sign in after.before for sign in ")]}") else None

    def _closes(self, place: int) -> bool:
        """Return whether all that follows an option in its clause is one of the words that close an answer."""
        following = self.tokens[place + 1 : place + 1 + _LONGEST_CLOSING + 1]
        end = next((n for n, token in enumerate(following) if token.text in _STOPS), 0)
        return "".join(token.lower for token in following[:end]) in _CLOSINGS

    def _explains(self, place: int, lead: str, follow: str) -> bool:
        """Return whether a line goes on to explain the option at its head, and leaves no doubt about it."""
        tokens, form = self.tokens, self.form
        option, next_word = tokens[place].text, tokens[place + 1 if tokens[place + 1].is_word else place + 2]
        sentence = self.sentences[next_word.sentence]
        doubts = form.doubts - _DECLINING if form.options[option] == form.neither else form.doubts
        if (
            not next_word.is_word
            or (next_word.text[-1].isdigit() and not form.numeric)
            or sentence.words & doubts
            or sentence.options - {form.options[option]}
        ):
            return False
        if form.numeric:
            contradicted = any(word in sentence.words and option in _OPPOSITE[word] for word in _OPPOSITE)
            return follow != "dot" and sentence.numbers == 1 and not contradicted
        bare = lead == "start" and tokens[place - 1].lower not in form.nouns
        if follow == "dot" and bare:
            return bool(set(tokens[place].before) & set('*([`"')) or next_word.lower in _OPENERS
        # in lower case the sentence would be about the letter: "A: is not what I would do"
        return not (follow == "label" and bare and next_word.text[0].islower())

    def _names_option(self, place: int) -> bool:
        """Return whether a token names an option, and is no article."""
        token, after = self.tokens[place], self.tokens[min(place + 1, len(self.tokens) - 1)]
        if token.text not in self.form.options or token.text.islower():
            return False
        article = token.text == "A" and self.tokens[place - 1].text in _STOPS and after.text[0].islower()
        return not article or after.lower in _VERBS_AFTER
