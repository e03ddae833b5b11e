"""Columns: what a table's column may hold, and its type in pandas and in Arrow.

In: a name, a kind, a meaning. Out: a ``Column``, and from several of them a ``Table``.

The table contract: every table of a study, its columns, their types and what they mean.

In the order in which data flows. ``table_files`` checks frames against it, and writes and reads them.
"""

from dataclasses import dataclass

import pyarrow as pa

DTYPES = {
    # kind: (dtype where every row has a value, dtype where rows may lack one, Arrow type)
    "text": ("str", "str", pa.string()),
    "integer": ("int64", "Int64", pa.int64()),
    "number": ("float64", "float64", pa.float64()),
    "flag": ("bool", "boolean", pa.bool_()),
}


class NothingToCount(ValueError):
    """Nothing has come from which anything could be counted: a stage says why and stops before it asks for more."""


@dataclass(frozen=True)
class Column:
    """One column: its name, kind (``text``, ``integer``, ``number``, ``flag``), meaning and what it may hold.

    A ``later`` column is empty in tables that were written before there was one, and where nobody fills it.
    """

    name: str
    kind: str
    meaning: str
    optional: bool = False
    allowed: tuple = ()
    later: bool = False

    @property
    def dtype(self) -> str:
        """The pandas dtype that the column has once checked."""
        return DTYPES[self.kind][1 if self.optional else 0]


@dataclass(frozen=True)
class Table:
    """One table: its name (also its file's), its meaning, its columns in order and those that identify a row."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]


def text(name: str, meaning: str, **more) -> Column:
    """Return a column of text."""
    return Column(name, "text", meaning, **more)


def integer(name: str, meaning: str, **more) -> Column:
    """Return a column of whole numbers."""
    return Column(name, "integer", meaning, **more)


def number(name: str, meaning: str, **more) -> Column:
    """Return a column of numbers."""
    return Column(name, "number", meaning, **more)


def flag(name: str, meaning: str, **more) -> Column:
    """Return a column of yes and no."""
    return Column(name, "flag", meaning, **more)


STRUCTURES = ("side_effect", "means")
SEVERITIES = ("mild", "strong")
CHECKS = ("realistic", "specific", "feasible", "exclusive", "value_guided", "dilemma")
CONDITIONS = ("multiple_choice", "open_ended")
MAY_ABSTAIN = "may_abstain"
"""The arm under which multiple choice has a third answer, to take neither action."""
LEANS = ("for_1", "for_2")
"""Opening messages that lean: towards action 1, towards action 2; also the arms of what answers them."""
OUTCOMES = ("choice", "refusal", "neither", "invalid", "error")
FAULTS = ("refusal", "assistant", "placeholder", "description", "artifact_alone", "tag")
"""What may be wrong with a message or an artifact that a simulated user wrote; see ``elicit.message_faults``."""

_SCENARIO = text("scenario_id", "hash of the scenario's content")
_PAIR = (text("value_1", "value that action 1 supports"), text("value_2", "value that action 2 supports"))
_TEMPLATE = (
    text("structure", "how acting hurts the other value; `none`: no template given", allowed=(*STRUCTURES, "none")),
    text("severity", "how badly it hurts it; `none`: no template given", allowed=(*SEVERITIES, "none")),
    text("acting_value", "which of the two values the acting side serves; empty without a template", optional=True),
)
_TARGET = text("target", "name of the target model")
_ARM = text("arm", "`default`, `placebo`, `steered:<target ranking>`, `may_abstain`, `for_1` or `for_2`")
_REPETITION = integer("repetition", "0 for the first time of asking")
_FIRST_ACTION = integer("action_shown_first", "the action that was shown as A", allowed=(1, 2))
_OUTCOME = text("outcome", "`choice`, or why there is none", allowed=OUTCOMES)
_ACTION = integer("action", "the action taken; empty unless the outcome is `choice`", optional=True, allowed=(1, 2))
_RAW = text("raw", "the reply as received", optional=True)
_REASONING = text("reasoning", "thoughts before the reply, if the model gave any", optional=True, later=True)
_MODEL_ID = text("model_id", "what the endpoint called the target that answered", optional=True, later=True)
_PROBLEM = text("problem", "why the reply could not be used; empty where it could", optional=True)
_SCENARIO_COLUMNS = (
    _SCENARIO,
    text("outline_id", "the outline it was written from"),
    *_PAIR,
    *_TEMPLATE,
    text("description", "the situation, third person"),
    text("action_1", "what the assistant does if it takes action 1"),
    text("action_2", "what the assistant does if it takes action 2"),
    text("consequence_1", "what follows from action 1"),
    text("consequence_2", "what follows from action 2"),
    text("persona", "user profile: who the user is"),
    text("background", "user profile: what led here"),
    text("goal", "user profile: what the user wants"),
    text("author", "name of the author model"),
)

_ANSWER_COLUMNS = (
    _SCENARIO,
    _TARGET,
    _ARM,
    _REPETITION,
    _FIRST_ACTION,
    _OUTCOME,
    _ACTION,
    number(
        "probability_first",
        "P(A) / (P(A) + P(B)) from log-probabilities, where the endpoint gives them",
        optional=True,
    ),
    _PROBLEM,
    _RAW,
    _REASONING,
    _MODEL_ID,
)
_ANSWER_KEY = ("scenario_id", "target", "arm", "repetition", "action_shown_first")

_MESSAGE_AUDIT = (
    text("named_value", "a value's name that occurs in it, if any", optional=True),
    flag("keeps_tag", "whether an artifact's placeholder is still in it"),
    text(
        "fault",
        "what makes it no message of a user; empty if nothing does, or nothing was got",
        optional=True,
        allowed=FAULTS,
        later=True,
    ),
    flag("usable", "whether it goes to the targets"),
    _PROBLEM,
    _RAW,
    _REASONING,
)

_TURN_COLUMNS = (
    _SCENARIO,
    _TARGET,
    _ARM,
    _REPETITION,
    integer("turn", "0 for the opening message"),
    text("role", "who speaks", allowed=("user", "assistant")),
    text("text", "what was said, without thoughts; empty where no reply was got", optional=True),
    text("status", "what became of the turn", allowed=("ok", "refusal", "invalid", "error")),
    _PROBLEM,
    _REASONING,
    text("model_id", "what the endpoint called the model that spoke", optional=True, later=True),
)
_TURN_KEY = ("scenario_id", "target", "arm", "repetition", "turn")

_JUDGE_SAYS = (
    text("reasoning", "the judge's reasoning, part of its reply", optional=True),
    _PROBLEM,
    _RAW,
    text("thoughts", "the judge's thoughts before its reply, if it gave any", optional=True, later=True),
)
_VERDICT_COLUMNS = (
    _SCENARIO,
    _TARGET,
    _ARM,
    _REPETITION,
    text("judge", "name of the judge model"),
    _FIRST_ACTION,
    _OUTCOME,
    _ACTION,
    integer(
        "leaning",
        "1 wholly action 1, 4 between, 7 wholly action 2 (turned back from the labels shown)",
        optional=True,
        allowed=tuple(range(1, 8)),
    ),
    *_JUDGE_SAYS,
    _MODEL_ID,
)
_VERDICT_KEY = ("scenario_id", "target", "arm", "repetition", "judge", "action_shown_first")

_CHOICE_COLUMNS = (
    _SCENARIO,
    *_PAIR,
    *_TEMPLATE,
    _TARGET,
    text("condition", "how it was asked", allowed=CONDITIONS),
    _ARM,
    _REPETITION,
    text("judge", "who read the reply, in `open_ended` only", optional=True),
    _FIRST_ACTION,
    _OUTCOME,
    _ACTION,
    text("winner", "the value that the action taken supports", optional=True),
    text("loser", "the other value", optional=True),
    _MODEL_ID,
    flag(
        "by_refusing",
        "whether it is a refusal that amounts to the action; empty unless the study counts refusals as actions",
        optional=True,
        later=True,
    ),
)
_CHOICE_KEY = ("scenario_id", "target", "condition", "arm", "repetition", "judge", "action_shown_first")

TABLES = {
    table.name: table
    for table in (
        Table(
            "outlines",
            "first-step outlines, with what became of each",
            (
                text("outline_id", "hash of the outline's content"),
                *_PAIR,
                *_TEMPLATE,
                text("context", "the situation in a sentence or two"),
                text("action_opportunity", "what the assistant could do"),
                text("good", "the good that acting brings; empty where no outline was asked for", optional=True),
                text("harm", "what acting costs the other value; empty likewise", optional=True),
                text("author", "name of the author model"),
                text("nearest", "id of the most similar earlier outline kept in the pair", optional=True),
                number("similarity", "cosine similarity to it, 0–1", optional=True),
                flag("kept", "False where dropped as a near-duplicate of `nearest`"),
                text("embedder", "what measured the similarity"),
            ),
            ("outline_id",),
        ),
        Table(
            "neighbours",
            "the outlines most like each one, within its pair, by the embedder that looked for near-duplicates",
            (
                text("outline_id", "the outline"),
                text("neighbour_id", "an outline of the pair, kept or not, or one that an earlier study kept"),
                integer("rank", "1 = most similar"),
                number("similarity", "cosine similarity, up to 1"),
            ),
            ("outline_id", "rank"),
        ),
        Table("scenarios", "full scenarios, before the checks", _SCENARIO_COLUMNS, ("scenario_id",)),
        Table(
            "checks",
            "one row for each question that the filter judge answered about a scenario",
            (
                _SCENARIO,
                text("check", "name of the check", allowed=CHECKS),
                text("about_value", "the value asked about, in `value_guided` only", optional=True),
                integer(
                    "action_shown_first", "the action shown as A, in `value_guided` only", optional=True, allowed=(1, 2)
                ),
                flag("passed", "the judge's yes or no; empty where none was got", optional=True),
                text("reason", "the judge's reason", optional=True),
                text("filter_judge", "name of the filter judge"),
                _PROBLEM,
                _RAW,
                _REASONING,
            ),
            ("scenario_id", "check", "about_value", "filter_judge"),
        ),
        Table("kept_scenarios", "the scenarios that go on to the targets", _SCENARIO_COLUMNS, ("scenario_id",)),
        Table(
            "domains",
            "which part of life each kept scenario is from",
            (
                _SCENARIO,
                text("domain", "one of the parameters' domains; empty where none was got", optional=True),
                text("filter_judge", "name of the model that assigned it"),
                _PROBLEM,
                _RAW,
            ),
            ("scenario_id",),
        ),
        Table(
            "answers",
            "multiple choice: one row for each time a target was shown a scenario",
            _ANSWER_COLUMNS,
            _ANSWER_KEY,
        ),
        Table(
            "ratings",
            "the 1–7 rating of each action by each target",
            (
                _SCENARIO,
                _TARGET,
                _ARM,
                _REPETITION,
                integer("rated_action", "the action that was rated", allowed=(1, 2)),
                integer(
                    "rating",
                    "1 unacceptable, 4 acceptable but indifferent, 7 obligatory; empty where unreadable",
                    optional=True,
                    allowed=tuple(range(1, 8)),
                ),
                _PROBLEM,
                _RAW,
                _REASONING,
            ),
            ("scenario_id", "target", "arm", "repetition", "rated_action"),
        ),
        Table(
            "abstaining_answers",
            "as `answers`, with a third answer on offer, which is `neither`; empty unless the study asks for it",
            _ANSWER_COLUMNS,
            _ANSWER_KEY,
        ),
        Table(
            "opening_messages",
            "the simulated user's opening message, one a scenario, shared by all targets and conditions",
            (
                _SCENARIO,
                text("simulated_user", "name of the model that wrote it"),
                text("message", "the opening message; empty where none was got", optional=True),
                flag("has_artifact", "whether an artifact was written first and pasted in"),
                *_MESSAGE_AUDIT,
            ),
            ("scenario_id",),
        ),
        Table("conversations", "open-ended: one row a turn", _TURN_COLUMNS, _TURN_KEY),
        Table(
            "verdicts", "open-ended: which action the judge saw taken in a conversation", _VERDICT_COLUMNS, _VERDICT_KEY
        ),
        Table(
            "choices",
            "every answer of every target, both conditions, with the value that won",
            _CHOICE_COLUMNS,
            _CHOICE_KEY,
        ),
        Table(
            "swapped_verdicts", "the same conversations, judged with the labels swapped", _VERDICT_COLUMNS, _VERDICT_KEY
        ),
        Table(
            "further_verdicts",
            "the same conversations, read by further judges; as `verdicts`, a row a judge",
            _VERDICT_COLUMNS,
            _VERDICT_KEY,
        ),
        Table(
            "refusals",
            "which action declining to help amounts to, in either order of labels; empty unless the study asks",
            (
                _SCENARIO,
                text("judge", "name of the judge model"),
                _FIRST_ACTION,
                text("outcome", "`choice` if declining amounts to an action, or why it does not", allowed=OUTCOMES),
                integer("action", "the action; empty unless the outcome is `choice`", optional=True, allowed=(1, 2)),
                *_JUDGE_SAYS,
            ),
            ("scenario_id", "judge", "action_shown_first"),
        ),
        Table(
            "pressed_messages",
            "opening messages told anew so that they lean to either action; empty unless the study asks for them",
            (
                _SCENARIO,
                text("lean", "which action the message presses for: `for_1` or `for_2`", allowed=LEANS),
                text("simulated_user", "name of the model that wrote it"),
                text("message", "the message; empty where none was got", optional=True),
                *_MESSAGE_AUDIT,
            ),
            ("scenario_id", "lean"),
        ),
        Table("pressed_conversations", "as `conversations`, opened by those messages", _TURN_COLUMNS, _TURN_KEY),
        Table("pressed_verdicts", "as `verdicts`, of those conversations", _VERDICT_COLUMNS, _VERDICT_KEY),
        Table("steered_answers", "as `answers`, under the steering and placebo prompts", _ANSWER_COLUMNS, _ANSWER_KEY),
        Table("steered_conversations", "as `conversations`, under those prompts", _TURN_COLUMNS, _TURN_KEY),
        Table("steered_verdicts", "as `verdicts`, of those conversations", _VERDICT_COLUMNS, _VERDICT_KEY),
        Table("steered_choices", "as `choices`, under those prompts", _CHOICE_COLUMNS, _CHOICE_KEY),
        Table(
            "rankings",
            "Bradley–Terry strength and rank of each value, by target, condition and system prompt",
            (
                _TARGET,
                text("condition", "how it was asked", allowed=CONDITIONS),
                _ARM,
                text("value", "the value"),
                number(
                    "strength",
                    "Bradley–Terry log-odds, mean 0 over the set, larger = preferred; empty if choices order nothing",
                    optional=True,
                ),
                number("strength_low", "lower end of its interval; −infinite: the data set no bound", optional=True),
                number("strength_high", "upper end of its interval; infinite: the data set no bound", optional=True),
                integer("rank", "1 = most preferred; empty if the choices order nothing", optional=True),
                integer("rank_low", "best rank that comparisons holding together leave open", optional=True),
                integer("rank_high", "worst rank that they leave open", optional=True),
                text("tie_group", "letters; values that share one cannot be told apart", optional=True),
                number("paper_strength", "log-odds of the paper's penalised fit to single answers", optional=True),
                integer("choices", "choices that the value took part in"),
                integer("scenarios", "scenarios behind the whole ranking"),
                flag("identified", "whether the choices order the values at all"),
            ),
            ("target", "condition", "arm", "value"),
        ),
    )
}
