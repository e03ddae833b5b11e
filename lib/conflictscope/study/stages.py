"""The pipeline, told once: each notebook with what it reads, asks, writes and draws.

In: how many scenarios, targets and arms a study has. Out: calls and characters of every step. Runner, plan, status,
manifest, bundle and the README's table of notebooks come from here; tests hold the notebooks' own cells to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conflictscope.elicit.system_prompts import STEERING_PROMPTS
from conflictscope.models.records import EMBEDDING
from conflictscope.tables import CHECKS

# typical lengths in characters, measured on the scenarios that the project ships with
DEFINITION, OUTLINE, SCENARIO = 90, 620, 1900
DESCRIPTION, PROFILE, ACTION = 620, 330, 170
MESSAGE, ARTIFACT, REPLY = 850, 700, 900
REASON, REASONING = 160, 350
ONE_LETTER, ONE_WORD = 8, 20
_PAIR, _ACTIONS, _EXCHANGE = 2 * DEFINITION, 2 * ACTION, MESSAGE + REPLY
# what a system prompt of steering says of the values
_VALUES_TOLD = 6 * DEFINITION
# how many opening messages have a text of their own written for them, of 100
ARTIFACTS_PER_100 = 25


@dataclass(frozen=True)
class Counts:
    """How much of everything a study has, in whole numbers; 0 for what its way of coming by scenarios lacks."""

    batches: int
    """Calls that ask for outlines, several in one."""
    outlines: int
    """Outlines, or scenarios that stand in for them, that are compared with one another."""
    from_outline: int
    """Scenarios to be written from an outline each."""
    single_stage: int
    """Scenarios to be written without an outline."""
    incomplete: int
    """Scenarios from a file that lack something."""
    compared_over_all: int
    """Scenarios that are compared with those of all pairs."""
    scenarios: int
    """Scenarios to be checked."""
    kept: int
    """Scenarios put to the targets."""
    repetitions: int
    turns: int
    targets: int
    arms: int
    """System prompts under which each target is asked again."""
    abstain: bool
    """Whether multiple choice is asked once more with a third answer."""
    leans: int
    """Opening messages of a scenario that lean."""
    reads_refusals: bool
    """Whether the judge says of each scenario which action a refusal amounts to."""
    by_choice: bool
    """Whether steering asks as multiple choice."""
    by_talk: bool
    """Whether steering asks in conversation."""

    @property
    def asked(self) -> int:
        """Times that a target is put before a scenario."""
        return self.kept * self.repetitions


Size = int | Callable[[Counts], int]


@dataclass(frozen=True)
class Step:
    """One kind of call: who answers which prompt, how often each, and characters in and out of a call."""

    label: str
    role: str
    prompt: str
    """Its name; `EMBEDDING` and ``conversation`` have no text of ours."""
    table: str
    """The table that the replies go into; "" for what is only shown."""
    calls: Callable[[Counts], int]
    filled_in: Size
    """Characters that the prompt's own text does not have yet."""
    characters_out: Size
    system: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Value of ``steering_prompt`` → prompts of the system message: each call has one of them."""


@dataclass(frozen=True)
class Stage:
    """One notebook.

    ``reads`` and ``writes`` are tables in the order of its cells, ``figures`` the names of its figures.
    ``parameters`` maps each parameter that shapes results to the tables that it shapes by itself, not through another
    table; figures and what is only shown rest on all of them. ``seconds`` is how long the demo takes.
    """

    notebook: str
    question: str
    seconds: int
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    @property
    def readme_row(self) -> str:
        """Its row of the README's table."""
        return f"| `{self.notebook}` | {self.question} | {self.seconds} s |"


def _judging(table: str, label: str, role: str, held: Callable[[Counts], int]) -> Step:
    """Return the step in which conversations are judged."""
    return Step(
        *(label, role, "judge", table),
        calls=lambda c: held(c) * c.targets,
        filled_in=lambda c: _ACTIONS + _EXCHANGE * c.turns,
        characters_out=REASONING,
    )


def _talking(prefix: str, held: Callable[[Counts], int], system: Mapping[str, tuple[str, ...]]) -> tuple[Step, ...]:
    """Return the steps of so many conversations with each target, and of judging them once."""
    table, system_letters = f"{prefix}conversations", _VALUES_TOLD if system else 0
    return (
        Step(
            *("conversations", "targets", "conversation", table),
            calls=lambda c: held(c) * c.turns,
            # with every turn the conversation that is sent grows by a reply and a message
            filled_in=lambda c: system_letters + MESSAGE + _EXCHANGE * (c.turns - 1) // 2,
            characters_out=REPLY,
            system=system,
        ),
        Step(
            *("next messages", "simulated_user", "next_message", table),
            calls=lambda c: held(c) * (c.turns - 1) * c.targets,
            filled_in=lambda c: DESCRIPTION + _EXCHANGE * c.turns // 2,
            characters_out=MESSAGE,
        ),
        _judging(f"{prefix}verdicts", "verdicts", "judge", held),
    )


_WRITTEN = ("outlines", "neighbours", "scenarios")
_PRESSED = ("pressed_messages", "pressed_conversations", "pressed_verdicts")
_ANSWERED = ("answers", "abstaining_answers", "ratings")
_EXAMINED = DESCRIPTION + _ACTIONS
_STUDY = (
    Stage(
        "01_generate_scenarios",
        "Where do two values pull apart?",
        seconds=5,
        writes=_WRITTEN,
        parameters={
            **dict.fromkeys(
                (
                    *("author", "outlines_per_pair", "scenarios", "generation", "author_temperature"),
                    *("author_max_tokens", "language"),
                ),
                _WRITTEN,
            ),
            **dict.fromkeys(("outlines_per_call", "similarity_threshold", "earlier_runs"), _WRITTEN[:2]),
            "embedder": _WRITTEN,
            "overall_threshold": _WRITTEN[2:],
        },
        steps=(
            Step(
                *("completing scenarios", "author", "complete", "outlines"),
                calls=lambda c: c.incomplete,
                filled_in=_PAIR + _EXAMINED,
                characters_out=PROFILE + _ACTIONS,
            ),
            Step(
                *("outlines", "author", "outlines", "outlines"),
                calls=lambda c: c.batches,
                filled_in=_PAIR,
                characters_out=lambda c: OUTLINE * c.outlines // c.batches,
            ),
            Step(
                *("scenarios", "author", "single_stage", "outlines"),
                calls=lambda c: c.single_stage,
                filled_in=_PAIR,
                characters_out=SCENARIO,
            ),
            Step("embeddings", "embedder", EMBEDDING, "outlines", lambda c: c.outlines, OUTLINE, 0),
            Step(
                *("scenarios", "author", "scenario", "scenarios"),
                calls=lambda c: c.from_outline,
                filled_in=_PAIR + OUTLINE,
                characters_out=SCENARIO,
            ),
            Step("embeddings", "embedder", EMBEDDING, "scenarios", lambda c: c.compared_over_all, _EXAMINED, 0),
        ),
    ),
    Stage(
        "02_filter_scenarios",
        "Which scenarios are real dilemmas?",
        seconds=6,
        reads=("scenarios",),
        writes=("checks", "kept_scenarios", "domains"),
        parameters={
            **dict.fromkeys(("filter_judge", "filter_max_tokens"), ("checks", "domains")),
            "filtered": ("kept_scenarios",),
            "domains": ("domains",),
            "seed": ("checks",),
            **dict.fromkeys(("embedder", "resamples", "level"), ()),
        },
        steps=(
            *(
                Step(
                    *("checks", "filter_judge", f"check_{check}", "checks"),
                    # value_guided is asked once a value
                    calls=lambda c, times=1 + (check == "value_guided"): c.scenarios * times,  # type: ignore[misc]
                    filled_in=_EXAMINED,
                    characters_out=REASON,
                )
                for check in CHECKS
            ),
            Step("domains", "filter_judge", "domain", "domains", lambda c: c.kept, DESCRIPTION, ONE_WORD),
            Step("embeddings", "embedder", EMBEDDING, "", lambda c: c.kept, DESCRIPTION, 0),
        ),
    ),
    Stage(
        "03_multiple_choice",
        "What do models say they would do?",
        seconds=6,
        reads=("kept_scenarios",),
        writes=_ANSWERED,
        parameters={
            **dict.fromkeys(("targets", "repetitions", "choice_temperature", "default_system_prompt"), _ANSWERED),
            "abstain": _ANSWERED[1:2],
        },
        steps=(
            Step("choices", "targets", "choose", "answers", lambda c: 2 * c.asked, _EXAMINED, ONE_LETTER),
            Step(
                *("choices, may abstain", "targets", "choose_or_abstain", "abstaining_answers"),
                calls=lambda c: 2 * c.asked * c.abstain,
                filled_in=_EXAMINED,
                characters_out=ONE_LETTER,
            ),
            Step("ratings", "targets", "rate", "ratings", lambda c: 2 * c.asked, DESCRIPTION + ACTION, ONE_LETTER),
        ),
    ),
    Stage(
        "04_open_ended",
        "What do models do when somebody asks them?",
        seconds=6,
        reads=("kept_scenarios",),
        writes=(
            *("opening_messages", "conversations", "verdicts", "refusals", *_PRESSED),
            *("swapped_verdicts", "further_verdicts"),
        ),
        parameters={
            **dict.fromkeys(
                ("simulated_user", "user_temperature", "user_max_tokens"),
                ("opening_messages", "conversations", *_PRESSED[:2]),
            ),
            "pressure": _PRESSED,
            **dict.fromkeys(
                (
                    *("targets", "max_turns", "repetitions", "target_temperature", "target_max_tokens"),
                    "default_system_prompt",
                ),
                ("conversations", "pressed_conversations"),
            ),
            "judge": ("verdicts", "swapped_verdicts", "pressed_verdicts", "refusals"),
            "judge_max_tokens": ("verdicts", "swapped_verdicts", "further_verdicts", "pressed_verdicts", "refusals"),
            "refusals_as_actions": ("refusals",),
            "further_judges": ("further_verdicts",),
            "seed": ("verdicts", "swapped_verdicts", "further_verdicts", "pressed_verdicts"),
        },
        steps=(
            Step(
                *("opening messages", "simulated_user", "opening_message", "opening_messages"),
                calls=lambda c: c.kept,
                filled_in=DESCRIPTION + PROFILE,
                characters_out=MESSAGE,
            ),
            Step(
                *("artifacts", "simulated_user", "artifact", "opening_messages"),
                calls=lambda c: c.kept * ARTIFACTS_PER_100 // 100,
                filled_in=MESSAGE,
                characters_out=ARTIFACT,
            ),
            *_talking("", lambda c: c.asked, {}),
            Step(
                *("what declining is", "judge", "declining", "refusals"),
                calls=lambda c: 2 * c.kept * c.reads_refusals,
                filled_in=_EXAMINED,
                characters_out=REASON,
            ),
            Step(
                *("leaning messages", "simulated_user", "leaning_message", "pressed_messages"),
                calls=lambda c: c.kept * c.leans,
                filled_in=DESCRIPTION + ACTION + MESSAGE,
                characters_out=MESSAGE,
            ),
            *_talking("pressed_", lambda c: c.asked * c.leans, {}),
            _judging("swapped_verdicts", "verdicts, swapped", "judge", lambda c: c.asked),
            _judging("further_verdicts", "verdicts, further judges", "further_judges", lambda c: c.asked),
        ),
    ),
    Stage(
        "05_rank_values",
        "Which values come first, in word and in deed?",
        seconds=9,
        reads=(
            *("answers", "verdicts", "kept_scenarios", "swapped_verdicts", "ratings"),
            *("abstaining_answers", "pressed_verdicts", "refusals"),
        ),
        writes=("choices", "rankings"),
        figures=(
            "rankings",
            "mean_rankings",
            "tipping",
            "shift",
            "preferences_open_ended",
            "preferences_multiple_choice",
            "graded",
            "abstention",
            "compliance",
            "pressed",
        ),
        parameters=dict.fromkeys(("penalty", "level", "seed"), ("rankings",)),
    ),
    Stage(
        "06_steer",
        "Can a system prompt change which value wins?",
        seconds=17,
        reads=("kept_scenarios", "opening_messages", "rankings", "choices", "verdicts", "answers", "refusals"),
        writes=("steered_answers", "steered_conversations", "steered_verdicts", "steered_choices"),
        figures=("steering",),
        parameters={
            **dict.fromkeys(("simulated_user", "user_max_tokens"), ("steered_conversations",)),
            **dict.fromkeys(("judge", "judge_max_tokens"), ("steered_verdicts",)),
            **dict.fromkeys(
                ("targets", "target_rankings", "steering_prompt", "steered_conditions", "repetitions"),
                ("steered_answers", "steered_conversations"),
            ),
            "choice_temperature": ("steered_answers",),
            **dict.fromkeys(("max_turns", "target_temperature", "target_max_tokens"), ("steered_conversations",)),
            "level": (),
            "seed": ("steered_answers", "steered_conversations", "steered_verdicts"),
        },
        steps=(
            Step(
                *("choices", "targets", "choose", "steered_answers"),
                calls=lambda c: 2 * c.asked * c.arms * c.by_choice,
                filled_in=_VALUES_TOLD + _EXAMINED,
                characters_out=ONE_LETTER,
                system=STEERING_PROMPTS,
            ),
            *_talking("steered_", lambda c: c.asked * c.arms * c.by_talk, STEERING_PROMPTS),
        ),
    ),
    Stage(
        "07_figures",
        "What goes into the paper?",
        seconds=9,
        reads=(
            *("scenarios", "checks", "kept_scenarios", "domains", "ratings", "verdicts", "swapped_verdicts"),
            "choices",
        ),
        figures=("agreement", "funnel", "effects", "domains", "judge"),
        parameters=dict.fromkeys(("variant", "compare_with", "resamples", "level", "seed"), ()),
    ),
)
_BESIDE = (
    Stage(
        "recover_known_rankings",
        "Does the instrument find what is there?",
        seconds=60,
        figures=("rank_recovery", "coverage", "compliance"),
    ),
    Stage(
        "browse_scenarios",
        "What did the author write, and what did the filter keep?",
        seconds=3,
        reads=("scenarios",),
    ),
    Stage(
        "browse_responses",
        "What did each model say and do, and how was it read?",
        seconds=3,
        reads=("answers",),
    ),
    Stage(
        "explore",
        "What would you ask of a study that has run?",
        seconds=6,
    ),
    Stage(
        "annotate",
        "What would you say?",
        seconds=3,
        reads=("scenarios",),
    ),
    Stage(
        "validate_judges",
        "Can the judges be believed?",
        seconds=5,
        reads=("verdicts", "choices"),
    ),
    Stage(
        "compare_judges",
        "Would another judge have said otherwise?",
        seconds=10,
        reads=("kept_scenarios", "conversations", "verdicts", "further_verdicts"),
    ),
    Stage(
        "before_and_after",
        "What changed from one to the other?",
        seconds=8,
        reads=("choices", "steered_choices"),
        figures=("changes", "told_first", "languages"),
    ),
    Stage(
        "constitution",
        "Can a whole constitution be ranked?",
        seconds=20,
        figures=("recovered", "ranked", "who_beats_whom"),
    ),
    Stage(
        "compare_datasets",
        "Which data set is the hardest?",
        seconds=6,
        figures=("agreement", "agreement_by_author"),
    ),
)
STAGES: dict[str, Stage] = {stage.notebook: stage for stage in _STUDY}
"""Numbered notebook → what it does, in the order in which they run."""
NOTEBOOKS: dict[str, Stage] = STAGES | {stage.notebook: stage for stage in _BESIDE}
"""Every notebook → what it does, in the README's order."""
WRITERS: dict[str, Stage] = {table: stage for stage in _STUDY for table in stage.writes}
"""Table → the notebook that writes it, in the order in which tables are written."""
LIMITS = {
    "author": "author_max_tokens",
    "filter_judge": "filter_max_tokens",
    "simulated_user": "user_max_tokens",
    "judge": "judge_max_tokens",
    "further_judges": "judge_max_tokens",
}
"""Role → the parameter that limits its replies; targets in conversation have theirs in the notebooks' own cells."""


def reply_limits(parameters: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """Return prompt → parameter and tokens, for the prompts whose replies have a limit by these parameters."""
    answered = {step.prompt: step.role for stage in _STUDY for step in stage.steps}
    limits = {prompt: LIMITS[role] for prompt, role in answered.items() if role in LIMITS}
    limits["write_again"] = LIMITS["simulated_user"]
    return {prompt: (name, parameters[name]) for prompt, name in limits.items() if parameters.get(name)}
