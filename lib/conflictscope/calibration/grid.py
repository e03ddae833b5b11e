"""Grid: truths × nuisances, put many times through what the study prints; sizes of tests, coverage, power.

In: studies of `generator` (and steered ones of `studies`), which share no code with the estimators. Out: one row for
each size, truth, nuisance and quantity, with how often it came true; ``make calibration`` writes it as a table.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau

from conflictscope.calibration.generator import (
    Nuisance,
    Studies,
    Truth,
    choices_table,
    draw_studies,
    expected_shares,
    strengths_of_shares,
    true_strengths,
)
from conflictscope.calibration.studies import simulate_choices, true_steering
from conflictscope.measure.bootstrap import Settings
from conflictscope.measure.comparisons import compare_groups
from conflictscope.measure.declining import count_refusals
from conflictscope.measure.judge_errors import JudgeErrors, correct_rankings, count_judge_errors, filter_errors
from conflictscope.measure.rankings import rank_values
from conflictscope.measure.raters import agreement_between_raters
from conflictscope.measure.rates import flip_rate, position_effect
from conflictscope.measure.shift import compare_conditions, group_strengths
from conflictscope.measure.steering import correct_steering, steering_effects
from conflictscope.measure.support import check_support, value_orders
from conflictscope.scenarios.value_sets import balanced_pairs
from conflictscope.simulated import Respondent

CACHED = Path(__file__).with_name("grid.csv")
LEVEL = 0.95
_AT_ONCE = 50  # studies in one table
_SEPARATED = 14.0  # log-odds: loses once in a million
_FEW = 200  # studies of many values, each of which holds many intervals
_LARGE = 40_000  # scenarios that stand for endlessly many

Record = dict[str, Any]  # quantity → how it came out in one study; nan: it did not apply
Cell = Callable[[int, int], Iterator[Record]]  # of a number of studies and a seed

WANTED = {
    # what was counted: (which way, how much); the rest is for information
    "strengths, multiple choice: covered": ("level", 0.95),
    "strengths, open-ended: covered": ("level", 0.95),
    "ranks: covered": ("at least", 0.95),
    "a wrong order claimed": ("at most", 0.05),
    "a wrong order claimed, all checks passed": ("at most", 0.05),
    "some shift claimed": ("at most", 0.05),
    "a value named that did not shift": ("at most", 0.05),
    "some shift found": ("at least", 0.8),
    "the shifted value named": ("at least", 0.8),
    "its shift: covered": ("at least", 0.95),
    "scale: covered": ("level", 0.95),
    "τ: covered": ("at least", 0.95),
    "strengths, corrected: covered": ("level", 0.95),
    "some shift claimed, corrected": ("at most", 0.05),
    "group, expressed: covered": ("level", 0.95),
    "group, revealed: covered": ("level", 0.95),
    "group, shift: covered": ("level", 0.95),
    "ranked": ("at least", 0.95),
    "order found": ("at least", 0.8),
    "strength said to be unknown": ("at least", 0.95),
    "supported": ("", np.nan),
    "misfit said": ("", np.nan),
    "effect: error": ("about", 0.0),
    "effect: covered": ("level", 0.95),
    "bounded: error": ("", np.nan),
    "bounded: covered": ("level", 0.95),
    "placebo: error": ("about", 0.0),
    "placebo: covered": ("level", 0.95),
    "over placebo: covered": ("level", 0.95),
    "over all orders: error": ("about", 0.0),
    "over all orders: covered": ("level", 0.95),
    "over all orders, as read: error": ("", np.nan),
    "over all orders, as read: covered": ("", np.nan),
    "over all orders, corrected: error": ("about", 0.0),
    "over all orders, corrected: covered": ("level", 0.95),
    "flip rate: covered": ("level", 0.95),
    "position effect: covered": ("level", 0.95),
    "κ: covered": ("at least", 0.95),
    "τ with the truth": ("", np.nan),
    "pass rate, corrected: covered": ("level", 0.95),
    "wrongly passed: covered": ("level", 0.95),
    "wrongly failed: covered": ("level", 0.95),
    "changes: covered": ("level", 0.95),
    "some change claimed": ("at most", 0.05),
    "the changed value found": ("at least", 0.8),
    "a change of the margin excluded": ("at most", 0.05),
    "a change of the margin excluded where nothing changed": ("", np.nan),
}


@dataclass(frozen=True)
class Size:
    """How large a study is."""

    name: str
    values: int
    scenarios: int  # a pair
    crossed: bool = False  # pairs between two halves of the values alone

    @property
    def names(self) -> list[str]:
        """The values."""
        return [chr(ord("a") + n) for n in range(self.values)]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs."""
        return list(product(self.names[::2], self.names[1::2])) if self.crossed else list(combinations(self.names, 2))

    def truth(self, **more: Any) -> Truth:
        """Return strengths from .9 to −.9, scenarios that pull either way, and what differs."""
        strengths = dict(zip(self.names, np.linspace(0.9, -0.9, self.values).tolist(), strict=True))
        options: dict[str, Any] = {"strengths": strengths, "pairs": self.pairs, "scenario_sd": 0.7}
        return Truth(**(options | more))


DEMO = Size("3 values, 17 a pair", 3, 17)
LARGE = Size("3 values, 370 a pair", 3, 370)
PAPER = Size("8 values, 74 a pair", 8, 74, crossed=True)

NUISANCES = {
    "none": Nuisance(),
    "position bias 1": Nuisance(position_bias=1.0),
    "order noise, sd 1": Nuisance(order_noise=1.0),
    "judge errs in 10 %": Nuisance(judge_error=0.1),
    "more decisive in deed, × 1.5": Nuisance(scale=1.5),
    "10 % most lopsided lost": Nuisance(lost_lopsided=0.1),
    "order noise, bias and judge error": Nuisance(order_noise=0.7, position_bias=0.7, judge_error=0.05),
}


def tables_of(truth: Truth, nuisance: Nuisance, size: Size, studies: int, seed: int) -> Iterator[tuple]:
    """Yield drawn studies and their choices, a target each, some at a time."""
    for start in range(0, studies, _AT_ONCE):
        number = min(_AT_ONCE, studies - start)
        drawn = draw_studies(truth, nuisance, scenarios=size.scenarios, studies=number, seed=seed + start)
        yield drawn, choices_table(drawn, one_target_a_study=True)


def _covered(table: pd.DataFrame, name: str, true: NDArray) -> NDArray[np.float64]:
    """Return whether each interval holds the truth; nan without one."""
    low, high = table[f"{name}_low"].to_numpy(float), table[f"{name}_high"].to_numpy(float)
    return np.where(np.isnan(low), np.nan, (low - 1e-9 <= true) & (true <= high + 1e-9))


def shift_cell(size: Size, truth: Truth, nuisance: Nuisance) -> Cell:
    """Return the cell of `compare_conditions`, on the strengths as they are read."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        expressed, revealed = (_read_strengths(truth, nuisance, c) for c in ("multiple_choice", "open_ended"))
        moved = [n for n, value in enumerate(truth.values) if truth.shift.get(value)]
        rest = np.delete(np.arange(len(expressed)), moved)
        scale = np.polyfit(expressed[rest], revealed[rest], 1)[0]
        i, j = np.triu_indices(len(expressed), 1)
        tau = float(
            np.mean(np.sign((expressed[i] - expressed[j]).round(6)) * np.sign((revealed[i] - revealed[j]).round(6)))
        )
        for _, choices in tables_of(truth, nuisance, size, studies, seed):
            by_target, by_value = compare_conditions(choices, truth.values)
            claims = (by_value["p_within"].to_numpy() < 1 - LEVEL).reshape(len(by_target), -1)
            scales, taus = _covered(by_target, "scale", np.array(scale)), _covered(by_target, "tau", np.array(tau))
            some = by_target["omnibus_p"].to_numpy() < 1 - LEVEL
            true_shift = revealed - scale * expressed - (revealed - scale * expressed)[rest].mean()
            shifts = _covered(by_value, "shift", np.tile(true_shift, len(by_target))).reshape(len(by_target), -1)
            for n in range(len(by_target)):
                record = {"τ: covered": taus[n]}
                if not moved:
                    record |= {"some shift claimed": some[n], "scale: covered": scales[n]}
                    record |= {"a value named that did not shift": claims[n].any()}
                elif len(expressed) > 3:
                    record |= {"the shifted value named": claims[n, moved].all(), "some shift found": some[n]}
                    record |= {"a value named that did not shift": claims[n, rest].any()}
                    record |= {"its shift: covered": shifts[n, moved].mean()}
                else:  # of three values, which of them moved cannot be told
                    record |= {"some shift found": some[n]}
                yield record

    return run


def _read_strengths(truth: Truth, nuisance: Nuisance, condition: str) -> NDArray[np.float64]:
    """Return the strengths that a study without end would report as the judge reads it."""
    shares = expected_shares(truth, nuisance, condition)
    if condition == "open_ended":
        places = [[truth.values.index(pair[side]) for pair in truth.pairs] for side in (0, 1)]
        errors = np.array([nuisance.judge_error + nuisance.misread.get(value, 0.0) for value in truth.values])
        shares = shares * (1 - errors[places[0]]) + (1 - shares) * errors[places[1]]
    return strengths_of_shares(truth, shares)


def ranking_cell(
    size: Size, truth: Truth, nuisance: Nuisance, *, checked: bool = False, declining_is: str | None = None
) -> Cell:
    """Return the cell of `rank_values` and `value_orders`, and of `check_support` if `checked`.

    Refusals count as the act of the value `declining_is`, if one is named.
    """

    def run(studies: int, seed: int) -> Iterator[Record]:
        true = {c: true_strengths(truth, nuisance, c).round(6) for c in ("multiple_choice", "open_ended")}
        for _, drawn in tables_of(truth, nuisance, size, studies, seed):
            choices = count_refusals(drawn, _declining(drawn, declining_is)) if declining_is else drawn
            ranked = rank_values(choices, truth.values)
            tables = {"": value_orders(choices, truth.values).query("sure")}
            passed = None
            if checked:
                passed = check_support(choices, truth.values).set_index(["target", "condition"])
            wrong = {key: _wrong(table, truth, true) for key, table in tables.items()}[""]
            for target, table in ranked.groupby("target"):
                record: Record = {}
                ranks = []
                for condition, label in (("multiple_choice", "multiple choice"), ("open_ended", "open-ended")):
                    part = table[table["condition"].eq(condition)]
                    record[f"strengths, {label}: covered"] = np.nanmean(_covered(part, "strength", true[condition]))
                    above = (true[condition][None] > true[condition][:, None]).sum(axis=1) + 1
                    level = (true[condition][None] == true[condition][:, None]).sum(axis=1) - 1
                    low, high = (part[f"rank_{end}"].astype(float).to_numpy() for end in ("low", "high"))
                    ranks.append(((low <= above + level) & (above <= high)).all())
                record["ranks: covered"] = np.mean(ranks)
                claims = [wrong.get((target, condition), False) for condition in true]
                record["a wrong order claimed"] = np.mean(claims)
                if passed is not None:
                    fine = [bool(passed.loc[(target, condition), "supported"]) for condition in true]
                    record["supported"] = np.mean(fine)
                    record["a wrong order claimed, all checks passed"] = np.mean(np.array(claims) & fine)
                    record["misfit said"] = np.mean([not passed.loc[(target, c), "fit"] for c in true])
                yield record

    return run


def _declining(choices: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return a refusals table in which declining is the action of one value wherever it has one."""
    each = choices.drop_duplicates("scenario_id")
    action = each["value_1"].eq(value) + 2 * each["value_2"].eq(value)
    table = pd.DataFrame({"scenario_id": each["scenario_id"], "action": action, "outcome": "choice"})
    return pd.concat([table[action > 0].assign(action_shown_first=first) for first in (1, 2)], ignore_index=True)


def _wrong(orders: pd.DataFrame, truth: Truth, true: dict[str, NDArray]) -> dict[tuple[str, str], bool]:
    """Return (target, condition) → whether any of its orders is not so in truth."""
    place = pd.Index(truth.values)
    above, below = place.get_indexer(orders["above"]), place.get_indexer(orders["below"])
    strengths = np.stack([true[c] for c in ("multiple_choice", "open_ended")])
    row = orders["condition"].eq("open_ended").to_numpy().astype(int)
    wrong = pd.Series(strengths[row, above] <= strengths[row, below], index=orders.index)
    any_wrong = wrong.groupby([orders["target"], orders["condition"]]).any()
    return {key: bool(value) for key, value in any_wrong.items()}  # type: ignore[misc]


def judge_cell(size: Size, truth: Truth, nuisance: Nuisance, *, labels: int) -> Cell:
    """Return the cell of the correction for a judge's errors, `labels` blind labels a pair in each study."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        true = true_strengths(truth, nuisance, "open_ended").round(6)
        order = {c: true for c in ("multiple_choice", "open_ended")}
        for drawn, choices in tables_of(truth, nuisance, size, studies, seed):
            talked = choices[choices["condition"].eq("open_ended")]
            claims = _wrong(value_orders(talked, truth.values).query("sure"), truth, order)
            as_read = compare_conditions(choices, truth.values)[0]["omnibus_p"]
            for n, (target, of_study) in enumerate(choices.groupby("target")):
                errors = _label(drawn, of_study, n, labels, seed)
                corrected = correct_rankings(of_study, truth.values, errors)
                by_target, _ = compare_conditions(of_study, truth.values, errors=errors)
                support = check_support(of_study[of_study["condition"].eq("open_ended")], truth.values, errors=errors)
                wrong = claims.get((str(target), "open_ended"), False)
                shifted = by_target["omnibus_p"].iloc[0]
                yield {
                    "some shift claimed": as_read[n] < 1 - LEVEL,
                    "strengths, open-ended: covered": np.nanmean(_covered(corrected, "strength", true)),
                    "strengths, corrected: covered": np.nanmean(_covered(corrected, "corrected", true)),
                    "a wrong order claimed": wrong,
                    "a wrong order claimed, all checks passed": wrong and bool(support["supported"].iloc[0]),
                    "some shift claimed, corrected": np.nan if np.isnan(shifted) else shifted < 1 - LEVEL,
                }

    return run


def _label(drawn: Studies, choices: pd.DataFrame, study: int, labels: int, seed: int) -> JudgeErrors:
    """Return what people find who read some of one study's conversations and do not err."""
    talked = choices[choices["condition"].eq("open_ended")]
    truly = drawn.acted[study, 0, :, :, 0].ravel()
    readings = talked[["scenario_id", "target", "arm", "repetition"]].assign(
        rater="judge", reading=talked["action"].map({1: "action_1", 2: "action_2"}).to_numpy()
    )
    people = readings.assign(rater="people", reading=np.where(truly == 1, "action_1", "action_2"))
    rng = np.random.default_rng([seed, study])
    pair = np.repeat(np.arange(drawn.acted.shape[2]), drawn.acted.shape[3])
    picked = np.concatenate(
        [rng.choice(np.flatnonzero(pair == p), min(labels, (pair == p).sum()), replace=False) for p in np.unique(pair)]
    )
    both = pd.concat([readings.dropna(subset="reading"), people.iloc[picked]], ignore_index=True)
    scenarios = talked[["scenario_id", "value_1", "value_2"]]
    return count_judge_errors(both, scenarios, drawn.truth.values, "judge", ["people"])


def group_cell(size: Size, targets: int) -> Cell:
    """Return the cell of `group_strengths`, and of Holm's control over many targets."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        truth = size.truth(target_sd=0.5)
        groups = {value: "first" if n % 2 == 0 else "second" for n, value in enumerate(truth.values)}
        member = np.array([groups[value] == "first" for value in truth.values])
        contrast = member / member.sum() - ~member / (~member).sum()
        # what a group's mean is over endlessly many targets: strengths are averaged after scenarios are
        draws = draw_studies(truth, Nuisance(), scenarios=1, studies=1, seed=seed, targets=1000).strengths[0]
        each = [strengths_of_shares(truth, _shares(truth, one_draw)) @ contrast for one_draw in draws]
        true = float(np.mean(each))
        for study in range(studies):
            drawn = draw_studies(
                truth, Nuisance(), scenarios=size.scenarios, studies=1, seed=seed + study, targets=targets
            )
            choices = choices_table(drawn)
            first = group_strengths(choices, truth.values, groups).head(1)
            _, by_value = compare_conditions(choices, truth.values)
            yield {
                "group, expressed: covered": _covered(first, "expressed", np.array(true))[0],
                "group, revealed: covered": _covered(first, "revealed", np.array(true))[0],
                "group, shift: covered": _covered(first, "shift", np.array(0.0))[0],
                "a value named that did not shift": bool(by_value["shifted"].fillna(False).any()),
            }

    return run


def _shares(truth: Truth, strengths: NDArray) -> NDArray[np.float64]:
    """Return the expected shares of a target with strengths of its own."""
    of_target = replace(truth, strengths=dict(zip(truth.values, strengths.tolist(), strict=True)))
    return expected_shares(of_target, Nuisance(), "open_ended")


def separated_cell(size: Size) -> Cell:
    """Return the cell of a value that always wins: it is ranked, and its upper end is open."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        truth = size.truth()
        truth = replace(truth, strengths={**truth.strengths, truth.values[0]: _SEPARATED})
        true = true_strengths(truth, Nuisance(), "open_ended")
        for _, choices in tables_of(truth, Nuisance(), size, studies, seed):
            ranked = rank_values(choices, truth.values)
            for _, table in ranked[ranked["condition"].eq("open_ended")].groupby("target"):
                yield {
                    "ranked": table["rank"].notna().all(),
                    "order found": table["rank_high"].iloc[0] == 1,
                    "strengths, open-ended: covered": np.nanmean(_covered(table, "strength", true)),
                }

    return run


def always_first_cell(size: Size) -> Cell:
    """Return the cell of a target that takes whatever is listed first."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        truth = size.truth()
        for _, choices in tables_of(truth, Nuisance(always_first=True), size, studies, seed):
            asked = choices[choices["condition"].eq("multiple_choice")]
            ranked, support = rank_values(asked, truth.values), check_support(asked, truth.values)
            for target, table in ranked.groupby("target"):
                yield {
                    "strength said to be unknown": table["strength"].isna().all(),
                    "supported": bool(support.set_index("target").loc[target, "supported"]),
                }

    return run


def steering_cell(scenarios: int, steerability: float) -> Cell:
    """Return the cell of `steering_effects`, toward an order that the respondent is .9 of the way to by default."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        choices, truths = _steered(scenarios, steerability, studies, seed)
        orders = STEERED_TO
        everything = _over_all(truths)
        by_ranking, averages = steering_effects(choices, orders)
        kept = by_ranking[by_ranking["target_ranking"].eq("kept")].set_index("target")
        for row in averages.itertuples():
            one, true = kept.loc[[row.target]], truths["kept"]["effect"]
            mean = averages.loc[[row.Index]]
            yield {
                "effect: error": one["effect"].iloc[0] - true,
                "effect: covered": _covered(one, "effect", np.array(true))[0],
                # a gain in truth, or nothing
                "bounded: error": one["bounded"].iloc[0] - true,
                "bounded: covered": _covered(one, "bounded", np.array(true))[0],
                "placebo: error": one["placebo"].iloc[0],
                "placebo: covered": _covered(one, "placebo", np.array(0.0))[0],
                "over placebo: covered": _covered(one, "over_placebo", np.array(true))[0],
                "over all orders: error": mean["effect"].iloc[0] - everything,
                "over all orders: covered": _covered(mean, "effect", np.array(everything))[0],
            }

    return run


STEERED_TO = {"kept": ["a", "b", "c"], "turned": ["c", "b", "a"], "middle": ["b", "a", "c"], "last": ["c", "a", "b"]}


def _steered(scenarios: int, steerability: float, studies: int, seed: int) -> tuple[pd.DataFrame, dict[str, dict]]:
    """Return steered choices of a respondent that is .9 of the way to one of the orders, and what is true of each."""
    respondent = Respondent(
        "known", utilities={"a": 2.2, "b": 0.0, "c": -2.2}, scenario_weight=0.6, noise=1.0, steerability=steerability
    )
    pairs = list(combinations("abc", 2))
    truths = {name: true_steering(respondent, pairs, "open_ended", order) for name, order in STEERED_TO.items()}
    choices = simulate_choices(
        {f"study {n:05d}": respondent for n in range(studies)},
        pairs,
        scenarios_per_pair=scenarios,
        seed=seed,
        conditions=["open_ended"],
        target_rankings=STEERED_TO,
        shared_scenarios=False,
    )
    return choices, truths


def _over_all(truths: dict[str, dict]) -> float:
    """Return the share of all orders' headroom that is gained."""
    return sum(t["after"] - t["before"] for t in truths.values()) / sum(1 - t["before"] for t in truths.values())


def misread_steering_cell(scenarios: int, steerability: float, labels: int) -> Cell:
    """Return the cell of `correct_steering`: the judge misreads one value more, `labels` blind labels a pair."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        choices, truths = _steered(scenarios, steerability, studies, seed)
        everything = _over_all(truths)
        rng = np.random.default_rng([seed, 1])
        wrong = rng.random(len(choices)) < np.where(choices["winner"].eq("a"), 0.25, 0.05)
        read = choices.assign(
            winner=choices["winner"].mask(wrong, choices["loser"]),
            loser=choices["loser"].mask(wrong, choices["winner"]),
            action=choices["action"].mask(wrong, 3 - choices["action"]),
        )
        truly = choices["action"]
        for _, of_study in read.groupby("target"):
            shuffled = of_study.iloc[rng.permutation(len(of_study))]
            picked = shuffled.groupby(["value_1", "value_2"]).head(labels)
            readings = picked[["scenario_id", "target", "arm", "repetition"]].assign(rater="judge")
            readings["reading"] = "action_" + picked["action"].astype(str)
            people = readings.assign(rater="people", reading="action_" + truly[picked.index].astype(str))
            both = pd.concat([readings, people], ignore_index=True)
            errors = count_judge_errors(both, of_study.drop_duplicates("scenario_id"), list("abc"), "judge", ["people"])
            row = correct_steering(of_study, STEERED_TO, list("abc"), errors).iloc[[0]]
            yield {
                "over all orders, as read: error": row["effect"].iloc[0] - everything,
                "over all orders, as read: covered": _covered(row, "effect", np.array(everything))[0],
                "over all orders, corrected: error": row["corrected"].iloc[0] - everything,
                "over all orders, corrected: covered": _covered(row, "corrected", np.array(everything))[0],
            }

    return run


def rates_cell(size: Size, repetitions: int) -> Cell:
    """Return the cell of flips and of the position effect, with repetitions."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        truth = size.truth()
        nuisance = Nuisance(position_bias=0.5, order_noise=1.0, repetitions=repetitions)
        endless = draw_studies(truth, nuisance, scenarios=_LARGE, studies=1, seed=seed + 10**6).expressed[0, 0]
        flips = float((endless[..., 0, :] != endless[..., 1, :]).mean())
        first = float(np.stack([endless[..., 0, :], 1 - endless[..., 1, :]]).mean())
        for _, choices in tables_of(truth, nuisance, size, studies, seed):
            asked = choices[choices["condition"].eq("multiple_choice")]
            flipped = _covered(flip_rate(asked), "rate", np.array(flips))
            shown = _covered(position_effect(asked), "rate", np.array(first))
            for one, other in zip(flipped, shown, strict=True):
                yield {"flip rate: covered": one, "position effect: covered": other}

    return run


def kappa_cell(conversations: int, error: float) -> Cell:
    """Return the cell of Cohen's κ from few conversations, two raters who err alike."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        rng = np.random.default_rng(seed)
        agree = (1 - error) ** 2 + error**2
        true = (agree - 0.5) / 0.5
        for _ in range(studies):
            truly = rng.integers(0, 2, conversations)
            readings = [truly ^ (rng.random(conversations) < error) for _ in range(2)]
            table = pd.concat(
                pd.DataFrame(
                    {
                        "scenario_id": [f"s{n}" for n in range(conversations)],
                        "target": "m",
                        "arm": "default",
                        "repetition": 0,
                        "rater": rater,
                        "reading": np.where(reading == 1, "action_1", "action_2"),
                    }
                )
                for rater, reading in zip("xy", readings, strict=True)
            )
            agreement = agreement_between_raters(table, Settings(seed=int(rng.integers(10**6))))
            yield {"κ: covered": _covered(agreement, "kappa", np.array(true))[0]}

    return run


def filter_cell(scenarios: int, labels: int) -> Cell:
    """Return the cell of `filter_errors`: people would pass 70 %; the filter fails 5 % of them, passes 30 % more."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        rng = np.random.default_rng(seed)
        for _ in range(studies):
            truly = rng.random(scenarios) < 0.7
            passed = rng.random(scenarios) < np.where(truly, 0.95, 0.3)
            picked = rng.choice(scenarios, labels, replace=False)
            named = pd.Series([f"s{n:04d}" for n in range(scenarios)])
            readings = pd.concat(
                [
                    pd.DataFrame({"scenario_id": named, "rater": "filter", "passes": passed}),
                    pd.DataFrame({"scenario_id": named[picked], "rater": "people", "passes": truly[picked]}),
                ],
                ignore_index=True,
            )
            readings = readings.assign(check="dilemma", reading=np.where(readings["passes"], "yes", "no"))
            wrong = filter_errors(readings, "filter", ["people"]).query("check == 'dilemma'")
            yield {
                "pass rate, corrected: covered": _covered(wrong, "pass_rate_corrected", np.array(truly.mean()))[0],
                "wrongly passed: covered": _covered(wrong, "wrongly_passed", np.array((passed & ~truly).sum()))[0],
                "wrongly failed: covered": _covered(wrong, "wrongly_failed", np.array((truly & ~passed).sum()))[0],
            }

    return run


def change_cell(size: Size, truth: Truth) -> Cell:
    """Return the cell of `compare_groups`, the groups being word and deed; the margin is the change, or .8 if none."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        before, after = (true_strengths(truth, Nuisance(), c) for c in ("multiple_choice", "open_ended"))
        moved = [n for n, value in enumerate(truth.values) if truth.shift.get(value)]
        margin = float(np.abs(after - before)[moved].max()) if moved else 0.8
        for _, choices in tables_of(truth, Nuisance(), size, studies, seed):
            names = sorted(choices["target"].unique())
            pairs = {name: ((name, "multiple_choice", "default"), (name, "open_ended", "default")) for name in names}
            _, changes = compare_groups(choices, truth.values, pairs, margin=margin)
            covered = _covered(changes, "change", np.tile(after - before, len(names)))
            for n, (_, part) in enumerate(changes.groupby("pair")):
                claims, same = part["p_within"].to_numpy() < 1 - LEVEL, part["equivalent"].to_numpy(bool)
                record: Record = {"changes: covered": covered[n * len(before) : (n + 1) * len(before)].mean()}
                if moved:
                    record |= {"the changed value found": claims[moved].all()}
                    record |= {"a change of the margin excluded": same[moved].any()}
                else:
                    record |= {"some change claimed": claims.any()}
                    record |= {"a change of the margin excluded where nothing changed": same.all()}
                yield record

    return run


def many_values_cell(values: int, each: int, scenarios: int) -> Cell:
    """Return the cell of rankings of many values from some of their pairs, each value in `each` of them."""

    def run(studies: int, seed: int) -> Iterator[Record]:
        rng = np.random.default_rng(seed)
        names = [f"value {n:03d}" for n in range(values)]
        strengths = dict(zip(names, rng.standard_normal(values).tolist(), strict=True))
        truth = Truth(strengths, balanced_pairs(names, each), scenario_sd=0.7)
        true = true_strengths(truth, Nuisance(), "open_ended")
        size = Size("", values, scenarios)
        for _, choices in tables_of(truth, Nuisance(), size, min(studies, _FEW), seed):
            ranked = rank_values(choices[choices["condition"].eq("open_ended")], names)
            covered = _covered(ranked, "strength", np.tile(true, ranked["target"].nunique())).reshape(-1, values)
            above = (true[None] > true[:, None]).sum(axis=1) + 1
            for n, (_, table) in enumerate(ranked.groupby("target")):
                low, high = (table[f"rank_{end}"].astype(float).to_numpy() for end in ("low", "high"))
                yield {
                    "strengths, open-ended: covered": covered[n].mean(),
                    "ranks: covered": float(((low <= above) & (above <= high)).all()),
                    "τ with the truth": kendalltau(table["strength"], true).statistic,
                }

    return run


def near_truth(size: Size) -> Truth:
    """Return a truth in which the second value is nearly as strong as the first."""
    return replace(size.truth(), strengths={**size.truth().strengths, size.names[1]: 0.75})


def cells() -> dict[tuple[str, str, str], Cell]:
    """Return (size, truth, nuisance) → cell: the whole grid, in the order of the table."""
    grid: dict[tuple[str, str, str], Cell] = {}
    for size in (DEMO, LARGE, PAPER):
        names = size.names
        for name, nuisance in NUISANCES.items():
            grid[size.name, "nothing shifts", name] = shift_cell(size, size.truth(), nuisance)
        for name in ("none", "position bias 1", "order noise, bias and judge error"):
            for where, value in {"first": names[0], "middle": names[len(names) // 2], "last": names[-1]}.items():
                planted = size.truth(shift={value: 0.8})
                grid[size.name, f"{where} value shifts by .8", name] = shift_cell(size, planted, NUISANCES[name])
        plain = {"none": Nuisance(), "order noise, sd 1": Nuisance(order_noise=1.0)}
        for name, nuisance in plain.items():
            grid[size.name, "rankings", name] = ranking_cell(size, size.truth(), nuisance)
        top = replace(size.truth(), strengths={**size.truth().strengths, names[1]: 0.9})
        grid[size.name, "rankings, the two top values equal", "none"] = ranking_cell(
            size, top, Nuisance(), checked=True
        )
        refused = Nuisance(refusal={names[0]: 0.3})
        near = near_truth(size)
        grid[size.name, "rankings, two values near", "30 % of the first's wins refused"] = ranking_cell(
            size, near, refused, checked=True
        )
        for words, by in (("mild", 0.2), ("strong", 0.8)):
            by_pair = {pair: by * (-1) ** (n + n // 4) for n, pair in enumerate(size.pairs)}
            grid[size.name, f"rankings, {words} preferences of pairs", "none"] = ranking_cell(
                size, size.truth(pair_preference=by_pair), Nuisance(), checked=True
            )
        grid[size.name, "a value that always wins", "none"] = separated_cell(size)
        often = replace(size.truth(), strengths={**size.truth().strengths, names[0]: 4.0})
        grid[size.name, "rankings, one value wins 98 %", "none"] = ranking_cell(size, often, Nuisance())
        grid[size.name, "takes the first option", "none"] = always_first_cell(size)
        misread = Nuisance(judge_error=0.02, misread={names[0]: 0.23})
        labels = min(60, size.scenarios)
        grid[size.name, f"two values near, {labels} labels a pair", "judge misreads 25 % of one value"] = judge_cell(
            size, near, misread, labels=labels
        )
    for few in (5, 10):
        small = Size(f"3 values, {few} a pair", 3, few)
        grid[small.name, "rankings", "none"] = ranking_cell(small, small.truth(), Nuisance())
    for scenarios in (16, 74):
        paper = replace(PAPER, name=f"14 targets, 8 values, {scenarios} a pair", scenarios=scenarios)
        grid[paper.name, "group means", "none"] = group_cell(paper, 14)
    for scenarios, steerability in ((17, 0.0), (17, 0.6), (74, 0.0), (74, 0.6)):
        truth = f"steerability {steerability}"
        grid[f"3 values, {scenarios} a pair", truth, "none"] = steering_cell(scenarios, steerability)
    grid[DEMO.name, "rates", "5 repetitions"] = rates_cell(DEMO, 5)
    for conversations in (8, 60):
        for error in (0.05, 0.2):
            grid[f"{conversations} conversations", "κ", f"either errs in {error:.0%}"] = kappa_cell(
                conversations, error
            )
    for size in (DEMO, LARGE, PAPER):
        grid[size.name, "before and after, nothing changes", "none"] = change_cell(size, size.truth())
        for where, value in {"first": size.names[0], "last": size.names[-1]}.items():
            changed = size.truth(shift={value: 0.8})
            grid[size.name, f"before and after, the {where} value changes by .8", "none"] = change_cell(size, changed)
    for each, share in ((7, 10), (13, 20), (65, 100)):
        grid[f"66 values, {share} % of pairs, 5 a pair", "many values", "none"] = many_values_cell(66, each, 5)
    for size in (DEMO, LARGE, PAPER):
        first = size.names[0]
        grid[size.name, "rankings, two values near", "30 % of the first's wins refused, counted as its acts"] = (
            ranking_cell(size, near_truth(size), Nuisance(refusal={first: 0.3}), checked=True, declining_is=first)
        )
    for scenarios, steerability in ((74, 0.0), (74, 0.6)):
        truth = f"steerability {steerability}, 60 labels a pair"
        grid[f"3 values, {scenarios} a pair", truth, "judge misreads 25 % of one value"] = misread_steering_cell(
            scenarios, steerability, 60
        )
    for labels in (30, 60):
        key = f"{labels} of 240 scenarios labelled", "filter", "it passes 30 % of what people fail"
        grid[key] = filter_cell(240, labels)
    return grid


def run_cell(cell: Cell, *, studies: int, seed: int = 0) -> pd.DataFrame:
    """Run one cell of the grid.

    Returns
    -------
    DataFrame
        One row a quantity: ``what``, ``wanted_is`` (``at most``, ``at least``, ``level``, ``about`` or empty),
        ``wanted``, ``found`` (mean over the studies), ``error`` (its standard error), ``studies``
        (to which it applied).
    """
    records = pd.DataFrame(list(cell(studies, seed))).astype(float)
    each = records.agg(["mean", "std", "count"]).T
    rows = each.reset_index(names="what")
    rows["wanted_is"], rows["wanted"] = zip(*(WANTED[what] for what in rows["what"]), strict=True)
    rows["error"] = rows["std"] / np.sqrt(rows["count"])
    rows = rows.rename(columns={"mean": "found", "count": "studies"}).astype({"studies": "int64"})
    return rows[["what", "wanted_is", "wanted", "found", "error", "studies"]]


def run_grid(
    studies: int = 500, *, seed: int = 0, only: Sequence[tuple[str, str, str]] | None = None
) -> Iterator[pd.DataFrame]:
    """Run the grid, or those of its cells that are named, and yield the rows of one cell after another.

    Returns
    -------
    iterator of DataFrame
        ``size``, ``truth``, ``nuisance`` and the columns of `run_cell`.
    """
    for number, (key, cell) in enumerate(cells().items()):
        if only is None or key in only:
            table = run_cell(cell, studies=studies, seed=seed + 100_000 * (number + 1))
            yield pd.concat([pd.DataFrame([key] * len(table), columns=["size", "truth", "nuisance"]), table], axis=1)


def read_grid(path: Path = CACHED) -> pd.DataFrame:
    """Read the table that ``make calibration`` wrote.

    Returns
    -------
    DataFrame
        Columns of `run_grid`, and ``met``: whether what was found is what was wanted, within two errors of the
        simulation; a coverage may be .01 less or .04 more; empty where nothing was wanted.
    """
    table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    off, room = table["found"] - table["wanted"], 2 * table["error"]
    kinds = {
        "at most": off <= room,
        "at least": off >= -room,
        # nothing is wrong with an interval that holds more, if not much more
        "level": (off >= -room - 0.01) & (off <= 0.04),
        "about": off.abs() <= room + 0.02,
    }
    met = pd.Series(pd.NA, index=table.index, dtype="boolean")
    for kind, holds in kinds.items():
        met = met.mask(table["wanted_is"].eq(kind), holds)
    return table.assign(met=met)


def write_grid(studies: int = 500) -> None:
    """Run the whole grid and write its table, a cell after another; what is done so far is always there."""
    tables = []
    for table in run_grid(studies):
        tables.append(table)
        print(table.to_string(index=False, header=False), flush=True)
        pd.concat(tables, ignore_index=True).to_csv(CACHED, index=False, float_format="%.6g")
