"""A study in your hands: its tables, one case, a question asked by hand, and two studies side by side.

In: a study's folder; a scenario of the study or of one's own, an opening message, a reply in one's own words. Out: a
``Study``; what was asked by hand as the rows that the study's notebooks would make of it, and the ``Case`` that they
are. What is asked here goes the way of all calls: through the study's call store, under its budget, asked once and then
known. Nothing here writes a table.
"""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from conflictscope import elicit, measure
from conflictscope.browse.archive import SHOWN_TABLES, Archive, open_archive
from conflictscope.browse.cases import Case
from conflictscope.browse.labels import read_labels
from conflictscope.browse.selection import says_and_does
from conflictscope.elicit.system_prompts import Arms
from conflictscope.files import did_you_mean
from conflictscope.measure import Settings
from conflictscope.models.store import summarise_store
from conflictscope.scenarios import ValueSet, read_scenario
from conflictscope.study.findings import sum_up
from conflictscope.study.notebook import Run, TitledTable, open_run, show_columns, show_table
from conflictscope.study.parameters import Parameters, check_parameters
from conflictscope.study.provenance import FILE, read_manifest, read_origin
from conflictscope.study.stages import LIMITS, WRITERS
from conflictscope.table_files import check_table, table_path
from conflictscope.tables import CONDITIONS, TABLES

# what of a study's parameters is needed to ask and to count as it did
_SETTINGS = (
    *("author", "targets", "judge", "simulated_user", "max_turns", "seed", "budget_usd"),
    *("choice_temperature", "target_temperature", "user_temperature", "target_max_tokens", *LIMITS.values()),
    *("penalty", "resamples", "level"),
)
BY_HAND = "by hand"
Given: TypeAlias = str | Mapping[str, object] | pd.Series
"""A scenario: its id, or its fields, as in a row of the table ``scenarios``."""
_IDS = ("scenario_id", "outline_id")
_PROFILE = ("persona", "background", "goal")


class Study:
    """A study that has begun, to look into and to ask further; made by ``conflictscope.open``.

    Each table that its notebooks have written is an attribute: ``study.choices``, ``study.kept_scenarios``; `describe`
    says what their columns mean. A table is read when it is first used, and again once a notebook has written it anew.

    ``name``, ``folder``, ``value_set`` and ``targets`` (models that were asked in it) say which study it is, and
    ``source`` what it rests on: ``simulated models`` if any that has a part in it is simulated, else "".
    """

    def __init__(self, run: Run, settings: Parameters):
        self._run, self._settings = run, settings
        self._read: dict[str, tuple[int, pd.DataFrame]] = {}
        self._opened: tuple[tuple, Archive] | None = None
        self.name: str = run.study
        self.folder: Path = run.folder
        self.value_set: ValueSet = run.value_set
        self.targets: list[str] = settings.targets
        playing = [*settings.targets, settings.judge, settings.simulated_user, settings.author]
        self.source: str = run.source([name for name in playing if name in run.registry])

    def __getattr__(self, name: str) -> pd.DataFrame:
        """Return a table that the study has."""
        if name not in TABLES:
            known = [*TABLES, *(known for known in dir(type(self)) if not known.startswith("_"))]
            raise AttributeError(f"a study has no {name!r}{did_you_mean(name, known) or '.'}")
        path = table_path(self.folder, name)
        written = path.stat().st_mtime_ns if path.exists() else 0
        if self._read.get(name, (0,))[0] != written or not written:
            self._read[name] = written, self._run.read(name)
        # a frame that is changed is the caller's own
        return self._read[name][1].copy(deep=False)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._there})

    def __repr__(self) -> str:
        source = f", {self.source}" if self.source else ""
        return f"Study {self.name} in {self.folder}{source}: {', '.join(self._there)}"

    @property
    def _there(self) -> list[str]:
        """Return the tables that the study has, in the order in which they are made."""
        return [name for name in WRITERS if table_path(self.folder, name).exists()]

    @property
    def settings(self) -> Settings:
        """How the study's notebooks count: penalty, resamples, seed, level."""
        given = self._settings
        return Settings(penalty=given.penalty, resamples=given.resamples, seed=given.seed, level=given.level)

    @property
    def calls(self) -> pd.DataFrame:
        """What is in its call store; columns as from ``models.store.summarise_store``."""
        return summarise_store(self._run.call_store)

    @property
    def archive(self) -> Archive:
        """Its tables, indexed, as the browsers of ``conflictscope.browse`` take them."""
        written = tuple(table_path(self.folder, name).stat().st_mtime_ns for name in self._there)
        if self._opened is None or self._opened[0] != written:
            self._opened = (
                written,
                open_archive(self.folder, study=self.name, source=self.source, values=self.value_set.names),
            )
        return self._opened[1]

    def describe(self, table: str | None = None) -> TitledTable:
        """Return the meanings of a table's columns, or of all tables; ``.frame`` is the data frame."""
        if table is None:
            there = self._there
            rows = [
                {"table": name, "meaning": TABLES[name].meaning, "written by": stage.notebook, "there": name in there}
                for name, stage in WRITERS.items()
            ]
            return show_table(pd.DataFrame(rows), f"Tables of {self.name}", self.source)
        _check_known("table", table, TABLES)
        return show_columns(table)

    def findings(self) -> list[str]:
        """Return what the study has found, in the three lines with which ``conflictscope run`` ends."""
        swapped, steered = (
            getattr(self, name) if name in self._there else None for name in ("swapped_verdicts", "steered_choices")
        )
        return sum_up(self.choices, swapped, steered, self.value_set.names, self.settings, source=self.source)

    def case(
        self, scenario_id: str, *, targets: Collection[str] | None = None, arms: Collection[str] | None = None
    ) -> Case:
        """Return everything about one scenario; ValueError if the study has no such scenario.

        Parameters
        ----------
        targets, arms : collection of str, optional
            Which targets, and under which system prompts (``["default"]`` leaves steering out); default: all.
        """
        self.archive.scenario(scenario_id)
        return Case(self.archive, scenario_id, targets, arms, read_labels(self.folder))

    def says_but_does_not(
        self, target: str | None = None, pair: Collection[str] | None = None, *, arm: str = "default"
    ) -> pd.DataFrame:
        """Return the scenarios in which a target stands for one value in word and for the other in deed.

        Parameters
        ----------
        target, pair, arm
            Which target, which two values (in either order), under which system prompt; default: all, all, none.

        Returns
        -------
        DataFrame
            ``scenario_id``, ``target``, ``says``, ``does`` (values), ``share`` (of its multiple-choice answers that
            went against its deed, 0.5–1, the largest first) and ``description``. It stands for the value that won most
            of its answers; scenarios in which it is split, or gave no choice, are not among them.

        Raises
        ------
        ValueError
            If the study has no such target, arm or pair.
        """
        archive = self.archive
        for what, name, known in (("target", target, archive.targets), ("arm", arm, archive.arms)):
            _check_known(what, name, known)
        for value in pair or ():
            _check_known("pair", value, self.value_set.names)
        cases = says_and_does(archive, self._settings.judge)
        cases = cases[cases["arm"].eq(arm) & (cases["target"].eq(target) | (target is None))]
        words = cases["what"].str.extract(r"^says (?P<says>.*), does (?P<does>.*)$")
        cases = cases.join(words).rename(columns={"score": "share"})
        if pair is not None:
            cases = cases[cases["says"].isin(pair) & cases["does"].isin(pair)]
        described = cases.merge(archive.tables["scenarios"][["scenario_id", "description"]], on="scenario_id")
        return described[["scenario_id", "target", "says", "does", "share", "description"]]

    async def ask(
        self,
        target: str,
        scenario: Given,
        *,
        conditions: Collection[str] = CONDITIONS,
        system: str | None = None,
        opening: str | None = None,
        repetitions: int = 1,
    ) -> Case:
        """Put a scenario to a model, as the study's notebooks do, and return what it said.

        What the study has asked before comes from its call store; anything else is a call, and counts.

        Parameters
        ----------
        target : str
            Any chat model of the file of models.
        scenario : str, mapping or Series
            An id of the study; or a scenario of one's own, with the keys ``description``, ``action_1``, ``action_2``,
            ``value_1``, ``value_2`` and, for a conversation, ``persona``, ``background`` and ``goal``. A row of the
            study's scenarios with something changed is one's own.
        conditions : collection of str
            ``multiple_choice`` (two calls, one an order of the actions), ``open_ended`` (one call a turn), or both.
        system : str, optional
            A system prompt; the rows have the arm ``by hand`` then.
        opening : str, optional
            The opening message; default: the study's, or one that the simulated user writes (a call).
        repetitions : int
            How often everything is asked.

        Raises
        ------
        ValueError
            If the scenario, a condition or the model does not fit, or the prompts in use are another study's.
        BudgetReached, ConnectionError, OSError
            As ``Models.ask``.
        """
        for condition in conditions:
            _check_known("conditions", condition, CONDITIONS)
        self._run.check_prompts()
        settings, models = self._settings, self._run.models
        row = find_scenario(scenario, self.archive, self.value_set)
        arms: dict[str, Arms] = {} if system is None else {target: {BY_HAND: lambda scenario_id: system}}
        tables = {"scenarios": row}
        if "multiple_choice" in conditions:
            tables["answers"] = await elicit.ask_multiple_choice(
                *(row, models, [target]), arms=arms, repetitions=repetitions, temperature=settings.choice_temperature
            )
        if "open_ended" in conditions:
            tables["opening_messages"] = messages = await open_with(opening, row, self.archive, self._run, settings)
            tables["conversations"] = await elicit.hold_conversations(
                *(row, messages, models, [target], settings.simulated_user),
                arms=arms,
                max_turns=settings.max_turns,
                repetitions=repetitions,
                temperature=settings.target_temperature,
                max_tokens=settings.target_max_tokens,
            )
        return as_case(tables, self.archive, self._run, [target, settings.simulated_user])

    async def judge(
        self,
        reply: Case | str,
        scenario: Given | None = None,
        *,
        judge: str | None = None,
        opening: str | None = None,
    ) -> Case:
        """Have a judge read a reply, as the study's notebooks do, and return it with the verdict added.

        Parameters
        ----------
        reply : Case or str
            What `ask` or `case` returned: every conversation in it is read. Or a reply in one's own words, to the
            opening message of `scenario`.
        scenario : str, mapping or Series
            As for `ask`; needed for a reply in one's own words alone.
        judge : str, optional
            Any chat model of the file of models; default: the study's judge.
        opening : str, optional
            As for `ask`.

        Raises
        ------
        ValueError, BudgetReached, ConnectionError, OSError
            As `ask`; or if there is no conversation to read.
        """
        self._run.check_prompts()
        settings = self._settings
        name = judge or settings.judge
        if isinstance(reply, Case):
            about = reply.archive
            tables = {part: about.rows(part, reply.scenario_id) for part in ("scenarios", "opening_messages")}
            tables |= {"answers": reply.answers, "conversations": reply.conversations, "verdicts": reply.verdicts}
            if tables["conversations"].empty:
                raise ValueError("reply: found no conversation in it; expected one. Ask with the condition open_ended.")
        elif scenario is None:
            raise ValueError("scenario: found none; a reply in your own words is judged on a scenario.")
        else:
            row = find_scenario(scenario, self.archive, self.value_set)
            messages = await open_with(opening, row, self.archive, self._run, settings)
            tables = {"scenarios": row, "opening_messages": messages, "conversations": in_own_words(messages, reply)}
        verdicts = await elicit.judge_conversations(
            tables["conversations"], tables["scenarios"], self._run.models, name, seed=settings.seed
        )
        both = pd.concat([tables["verdicts"], verdicts]) if "verdicts" in tables else verdicts
        tables["verdicts"] = both.drop_duplicates([*TABLES["verdicts"].key], ignore_index=True)
        return as_case(tables, self.archive, self._run, [name, *tables["conversations"]["target"].unique()])

    async def close(self) -> None:
        """Close the connections to models and the call store."""
        await self._run.close()


def open_study(folder: Path | str, *, budget_usd: float | None = None, replay: bool = False) -> Study:
    """Open a study that has begun; it asks and counts with the parameters that its tables were made with.

    Parameters
    ----------
    folder : Path or str
        The study's folder, such as ``runs/hhh``; from the project's folder if relative.
    budget_usd : float, optional
        Dollars that all calls in the study's call store may cost; default: the study's own budget, if it has one.
    replay : bool
        Answer from the call store alone.

    Raises
    ------
    FileNotFoundError, ValueError
        As ``study.open_run``.

    Notes
    -----
    Data frames shown in notebooks hold texts of models: from here on pandas has none of it typeset as formulas.
    """
    pd.set_option("display.html.use_mathjax", False)
    started = open_run(folder)
    parameters: dict[str, Any] = dict(read_manifest(started.folder)["parameters"])
    # what a table was made with counts, not what the parameter file has come to say; of several tables, the first
    for table in reversed(WRITERS):
        parameters |= (read_origin(table, started.folder) or {}).get("parameters", {})
    given: dict[str, object] = {name: parameters[name] for name in _SETTINGS if name in parameters}
    settings = check_parameters(given | ({"budget_usd": budget_usd} if budget_usd else {}), str(started.folder / FILE))
    limits = {name: getattr(settings, name) for name in LIMITS.values()}
    run = open_run(started.folder, {"replay": replay, "budget_usd": settings.budget_usd, **limits})
    return Study(run, settings)


def compare(study_a: Study, study_b: Study) -> pd.DataFrame:
    """Return how far the strength of each value differs between two studies of the same values.

    Parameters
    ----------
    study_a, study_b : Study
        Counted both with the settings of the first.

    Returns
    -------
    DataFrame
        As from ``measure.strength_differences``, one row for each target, condition and value that both have:
        ``difference`` is b − a, in log-odds, with its interval.

    Raises
    ------
    ValueError
        If the values are not the same, or no target was asked in both.
    """
    names = [study.value_set.names for study in (study_a, study_b)]
    if set(names[0]) != set(names[1]):
        raise ValueError(
            f"values: found {names[0]} in {study_a.name} and {names[1]} in {study_b.name}; expected the same, "
            "because strengths are relative to the other values of a set."
        )
    return measure.strength_differences(study_a.choices, study_b.choices, names[0], study_a.settings)


def _check_known(what: str, name: str | None, known: Collection[str]) -> None:
    """Raise ``ValueError`` if a name is given that is not among those known."""
    if name is not None and name not in known:
        raise ValueError(f"{what}: found {name!r}; expected one of {[*known]}{did_you_mean(name, known) or '.'}")


def find_scenario(given: Given, archive: Archive, value_set: ValueSet) -> pd.DataFrame:
    """Return a scenario as a table of one row.

    Raises
    ------
    ValueError
        If the study has no scenario of that id, or the fields are no scenario.
    """
    if isinstance(given, str):
        archive.scenario(given)
        return archive.rows("scenarios", given)
    entry = {str(key): value for key, value in dict(given).items() if not pd.isna(value)}
    same = archive.rows("scenarios", str(entry.get("scenario_id")))
    if len(same) and {key: value for key, value in same.iloc[0].items() if not pd.isna(value)} == entry:
        return same
    # what was changed is another scenario, whose id says so
    return read_scenario({key: value for key, value in entry.items() if key not in _IDS}, value_set)


async def open_with(
    message: str | None, scenario: pd.DataFrame, archive: Archive, run: Run, settings: Parameters
) -> pd.DataFrame:
    """Return the opening message of a scenario as a table of one row: given, the study's, or written now.

    Raises
    ------
    ValueError
        If the simulated user is to speak and the scenario has no profile.
    """
    row = scenario.iloc[0]
    lacking = [name for name in _PROFILE if pd.isna(row[name])]
    if lacking and (message is None or settings.max_turns > 1):
        raise ValueError(f"scenario: found no {lacking}; expected the user's profile, by which the user speaks.")
    if message is not None:
        given = {"scenario_id": row["scenario_id"], "simulated_user": BY_HAND, "message": message, "usable": True}
        return pd.DataFrame([given], columns=TABLES["opening_messages"].names)
    known = archive.rows("opening_messages", row["scenario_id"])
    if len(known):
        return known
    return await elicit.write_opening_messages(
        *(scenario, run.value_set, run.models, settings.simulated_user), temperature=settings.user_temperature
    )


def in_own_words(messages: pd.DataFrame, reply: str) -> pd.DataFrame:
    """Return a conversation of an opening message and a reply, as rows of the table ``conversations``."""
    about = {"scenario_id": messages["scenario_id"].iloc[0], "target": BY_HAND, "arm": "default", "repetition": 0}
    turns = (("user", messages["message"].iloc[0]), ("assistant", reply))
    rows = [about | {"turn": n, "role": role, "text": text, "status": "ok"} for n, (role, text) in enumerate(turns)]
    return pd.DataFrame(rows, columns=TABLES["conversations"].names)


def as_case(tables: Mapping[str, pd.DataFrame], archive: Archive, run: Run, asked: Collection[str]) -> Case:
    """Return rows about one scenario as a case; `asked` names the models behind them."""
    scenario_id = tables["scenarios"]["scenario_id"].iloc[0]
    there = {"checks": archive.rows("checks", scenario_id), **tables}
    there |= {
        name: check_table(there[name], name) for name in ("answers", "conversations", "verdicts") if name in there
    }
    shown = {name: there.get(name, archive.tables[name].head(0)) for name in SHOWN_TABLES}
    source = run.source([name for name in asked if name in run.registry])
    return Case(Archive(run.study, shown, (), source, tuple(run.value_set.names)), scenario_id)
