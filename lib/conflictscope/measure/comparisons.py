"""Comparisons: the same values or scenarios met twice, by two groups, in two studies or in two languages.

In: choices of both sides: a model and its fine-tune, two versions or dates, with and without a system prompt. Out: the
differences with paired intervals, tests of difference and of equivalence; what being told to put one value first did to
all; how well a half of the scenarios foretells the other.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as t_distribution

from conflictscope.measure.bootstrap import DEFAULTS, Settings
from conflictscope.measure.choices import GROUP, check_choices, in_name_order
from conflictscope.measure.rates import ALL, rates_by_pair
from conflictscope.measure.shift import Group, PairedFits, compare_fits, fit_pairs, holm_multiples
from conflictscope.measure.steering import STEERED
from conflictscope.measure.strengths import cross_covariance, fit_strengths, grade_choices, largest_of_t, sum_by_pair

MARGIN = 0.5  # log-odds: 12 points of 100 at even odds
_DRAWS = 5000
_ABOUT = [*GROUP, "scenario_id", "value_1", "value_2"]


def compare_groups(
    choices: pd.DataFrame,
    values: Sequence[str],
    pairs: Mapping[str, tuple[Group, Group]],
    settings: Settings = DEFAULTS,
    *,
    margin: float = MARGIN,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare pairs of groups on the scenarios with a choice in both.

    Parameters
    ----------
    choices, values, settings
        As everywhere; the level and the seed are used.
    pairs : mapping of str to two groups
        Name → the group before and the one after, each (target, condition, arm).
    margin : float
        Change of a strength (log-odds, > 0) from which it would matter.

    Returns
    -------
    by_pair : DataFrame
        One row a pair: ``pair``, ``scenarios`` (with a choice in both), ``left_out`` (asked, without), ``changed`` (the
        values whose change is beyond chance, by name; empty if none), ``excluded`` (a change larger than this is
        excluded for every value), ``equivalent`` (whether that is less than `margin`), ``scale``, ``scale_low``,
        ``scale_high`` (above 1: more decisive after), ``omnibus_p`` (of no change but of scale), ``p_value`` (the same,
        Holm's over the pairs) and ``problem``.
    by_value : DataFrame
        One row for each pair and value: ``pair``, ``value``, ``before``, ``after`` (strengths, log-odds with mean 0),
        ``change`` (after − before), ``change_low``, ``change_high`` (each covers by itself), ``p_within`` (of no
        change, family-wise over the pair's values), ``p_value`` (the same over all pairs too, Holm's), ``excluded``
        (the smallest change that is excluded, either way, at the level), ``equivalent`` (``excluded`` < `margin`),
        ``shift`` (the part that scale does not explain; see `compare_conditions`), ``shift_low``, ``shift_high``, and
        ``problem``.

    Raises
    ------
    ValueError
        If `margin` is not above 0, there is no pair, or the choices do not fit `values`.

    Notes
    -----
    Equivalence is shown by two one-sided tests at 1 − level (Schuirmann 1987, *J. Pharmacokinetics and
    Biopharmaceutics* 15); that all values of a pair are equivalent is an intersection of them and needs no further
    control. A change may be neither: too large to be excluded, and too small to be told from none.
    """
    if not (margin > 0 and pairs):
        raise ValueError(f"margin {margin}, {len(pairs)} pairs; expected a margin above 0 and at least one pair.")
    fits = fit_pairs(grade_choices(choices, values), pairs)
    by_pair, shifts = compare_fits(fits, values, settings)
    by_value = _changes(fits, values, settings)
    by_value["equivalent"] = (by_value["excluded"] < margin).astype("boolean").mask(by_value["excluded"].isna())
    shift = ["shift", "shift_low", "shift_high"]
    by_value[shift] = shifts[shift]
    by_value["problem"] = shifts["problem"]
    each = by_value.groupby("pair", sort=False)
    moved = by_value["value"].where(by_value["p_value"] < 1 - settings.level)
    by_pair = by_pair.rename(columns={"target": "pair"}).assign(
        changed=pd.Series(
            [", ".join(part.dropna()) or None for _, part in moved.groupby(by_value["pair"], sort=False)], dtype="str"
        ),
        excluded=each["excluded"].max().to_numpy(),
        equivalent=each["equivalent"].agg(lambda part: part.all(skipna=False)).astype("boolean").array,
    )
    shown = ["pair", "scenarios", "left_out", "changed", "excluded", "equivalent"]
    shown += ["scale", "scale_low", "scale_high", "omnibus_p", "p_value", "problem"]
    return by_pair[shown], by_value


def _changes(fits: PairedFits, values: Sequence[str], settings: Settings) -> pd.DataFrame:
    """Return the change of each value for each pair of groups, with its interval, p-value and what is excluded."""
    pairs, k = len(fits.names), len(values)
    known = fits.comparable
    before, after = (np.where(known[:, None], fit.strengths, np.nan) for fit in fits.fits)
    change = after - before
    error, p = np.full((pairs, k), np.nan), np.full((pairs, k), np.nan)
    freedom = fits.fits[0].freedom[:, None]
    if known.any():
        one, two = (fit.covariance[known] for fit in fits.fits)
        cross = fits.cross[known]
        covariance = one + two - cross - np.swapaxes(cross, 1, 2)
        error[known] = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 1e-300))
        scale = error[known][:, :, None] * error[known][:, None, :]
        largest = largest_of_t(covariance / scale, freedom[known, 0], draws=10_000, seed=settings.seed)
        t = np.abs(change / error)[known]
        p[known] = (1 + (largest[:, None, :] >= t[:, :, None] - 1e-9).sum(axis=2)) / (1 + largest.shape[1])
    multiple = holm_multiples(p.min(axis=1))[:, None]
    half, one_sided = (
        t_distribution.isf(tail, freedom) * error for tail in ((1 - settings.level) / 2, 1 - settings.level)
    )
    columns = {
        "before": before,
        "after": after,
        "change": change,
        "change_low": change - half,
        "change_high": change + half,
        "p_within": p,
        "p_value": np.minimum(p * multiple, 1),
        "excluded": np.abs(change) + one_sided,
    }
    names = {"pair": np.repeat(fits.names, k), "value": np.tile(list(values), pairs)}
    return pd.DataFrame(names | {name: numbers.ravel() for name, numbers in columns.items()}).astype(
        {"pair": "str", "value": "str"}
    )


def told_first(
    choices: pd.DataFrame,
    values: Sequence[str],
    target_rankings: Mapping[str, Sequence[str]],
    settings: Settings = DEFAULTS,
) -> pd.DataFrame:
    """Give what being told to put one value first did to each value.

    Choices under all target rankings that put the same value first are taken together.

    Parameters
    ----------
    choices, values, settings
        As everywhere; with the arms ``default``, ``steered:<name>`` and, if asked, ``placebo``.
    target_rankings : mapping of str to sequence of str
        Name → all values, best first, for each ``<name>``.

    Returns
    -------
    DataFrame
        One row for each target, condition, value told first (and ``placebo``, under which none is) and value:
        ``target``, ``condition``, ``told_first``, ``value``, ``change`` (strength less that by default, log-odds: they
        have mean 0, so what one gains the others lose), ``change_low``, ``change_high``, ``p_value`` (family-wise over
        the whole table), ``scenarios`` (with a choice in both) and ``problem``.

    Raises
    ------
    ValueError
        If nothing was steered, a steered arm has no target ranking, or the choices do not fit `values`.
    """
    arms = choices["arm"].unique()
    steered = {arm: arm.removeprefix(STEERED) for arm in arms if arm.startswith(STEERED)}
    if not steered or (unknown := sorted({*steered.values()} - {*target_rankings})):
        raise ValueError(
            f"choices: found the arms {sorted(arms)}; expected some that begin with {STEERED!r}, each of "
            f"{sorted(target_rankings)}{f', not {unknown}' if steered else ''}. Run notebook 06 first."
        )
    first = {arm: target_rankings[name][0] for arm, name in steered.items()}
    merged = choices.assign(arm=choices["arm"].map(lambda arm: STEERED + first[arm] if arm in first else arm))
    graded = grade_choices(merged, values)
    groups = graded.groups[graded.groups["arm"].ne("default")].itertuples(index=False, name=None)
    pairs = {
        str(n): ((target, condition, "default"), (target, condition, arm))
        for n, (target, condition, arm) in enumerate(groups)
    }
    fits = fit_pairs(graded, pairs)
    table = _changes(fits, values, settings)
    row = table["pair"].astype(int).to_numpy()
    about = (
        pd.DataFrame([after for _, after in pairs.values()], columns=["target", "condition", "told_first"])
        .iloc[row]
        .reset_index(drop=True)
    )
    about["told_first"] = about["told_first"].str.removeprefix(STEERED)
    about[["value", "change", "change_low", "change_high", "p_value"]] = table[
        ["value", "change", "change_low", "change_high", "p_value"]
    ]
    about["scenarios"] = fits.sums[0].n.sum(axis=1).astype(int)[row]
    about["problem"] = pd.Series(fits.problems, dtype="str").iloc[row].array
    return about


def halves_agree(
    choices: pd.DataFrame,
    values: Sequence[str],
    pairs: Mapping[str, tuple[Group, Group]],
    settings: Settings = DEFAULTS,
    *,
    splits: int = 100,
) -> pd.DataFrame:
    """Give how far two groups agree in their strengths, beside how far each agrees with itself, half against half.

    The scenarios of each value pair are parted in two at random, `splits` times. What two groups agree on cannot be
    more than what either agrees with itself on: that is the ceiling, at the same number of scenarios.

    Returns
    -------
    DataFrame
        One row a pair of groups: ``pair``; ``before``, ``after`` (mean correlation of the strengths of one half with
        those of the other, −1 to 1, within a group), ``ceiling`` (their geometric mean; empty if either is not above
        0), ``across`` (the same from one group to the other), ``share`` (``across`` / ``ceiling``: near 1, nothing but
        noise sets the two apart) and ``splits`` (those in which every half links all values). Without intervals: the
        tests are those of `compare_groups`.

    Raises
    ------
    ValueError
        If there are fewer than three values, whose correlation could only be −1 or 1, or the choices do not fit them.
    """
    if len(values) < 3:
        raise ValueError(f"values: found {list(values)}; expected at least three to correlate.")
    graded = grade_choices(choices, values)
    shares = fit_pairs(graded, pairs).shares
    rng = np.random.default_rng(settings.seed)
    rows = []
    for name, *both in zip(pairs, *shares, strict=True):
        draw = rng.random((splits, len(graded.pair)))
        # places within the value pair, in a drawn order: even ones are one half
        order = np.lexsort((draw, np.broadcast_to(graded.pair, draw.shape)), axis=1)
        half = np.empty(draw.shape, dtype=bool)
        start = np.searchsorted(graded.pair, graded.pair)
        np.put_along_axis(half, order, np.broadcast_to((np.arange(len(start)) - start) % 2 == 0, draw.shape), axis=1)
        strengths = [
            fit_strengths(
                sum_by_pair(np.where(part, share, np.nan), graded.pair, graded.first, graded.second, len(values))
            ).strengths
            for share in both
            for part in (half, ~half)
        ]
        linked = ~np.isnan(np.sum(strengths, axis=0)[:, 0])
        one_a, one_b, two_a, two_b = (part[linked] for part in strengths)
        before, after = _correlation(one_a, one_b), _correlation(two_a, two_b)
        across = (_correlation(one_a, two_b) + _correlation(one_b, two_a)) / 2
        ceiling = np.sqrt(before * after) if min(before, after) > 0 else np.nan
        rows.append((name, before, after, ceiling, across, across / ceiling, int(linked.sum())))
    return pd.DataFrame(rows, columns=["pair", "before", "after", "ceiling", "across", "share", "splits"])


def _correlation(one: NDArray, two: NDArray) -> float:
    """Return the mean over rows of the correlation of strengths, each of mean 0; nan without a row."""
    size = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return float(((one * two).sum(axis=1) / np.maximum(size, 1e-300)).mean()) if len(one) else float("nan")


def strength_differences(
    choices_a: pd.DataFrame, choices_b: pd.DataFrame, values: Sequence[str], settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Give the difference of each value's strength between two studies, for each group that both have.

    Parameters
    ----------
    choices_a, choices_b : DataFrame
        The table ``choices`` of each study.
    values : sequence of str
        The value set, the same in both, in the order wanted.
    settings : Settings
        The level is used. If the studies share some scenarios and not all, they are compared as if they shared none,
        which makes intervals too wide rather than too narrow.

    Returns
    -------
    DataFrame
        One row for each group and value: ``target``, ``condition``, ``arm``, ``value``, ``strength_a``, ``strength_b``
        (log-odds, mean 0, larger = preferred), ``difference`` (b − a), ``difference_low``, ``difference_high``,
        ``paired`` (whether both have the same scenarios) and ``problem``. If the pairs do not link all values, or every
        choice took the place in the list, ``problem`` says in which study, and all numbers are empty.

    Raises
    ------
    ValueError
        If no group is in both studies, or the choices do not fit `values`.
    """
    graded = [grade_choices(choices, values) for choices in (choices_a, choices_b)]
    paired = graded[0].scenario_ids == graded[1].scenario_ids
    there = [list(one.groups.itertuples(index=False, name=None)) for one in graded]
    if not (common := [group for group in there[0] if group in there[1]]):
        raise ValueError(
            f"choices: no target, condition and arm are in both studies; found the targets "
            f"{sorted(choices_a['target'].unique())} and {sorted(choices_b['target'].unique())}."
        )
    shares = [one.share[one.rows(common)] for one in graded]
    if paired:
        lost = np.isnan(shares[0] + shares[1])
        shares = [np.where(lost, np.nan, share) for share in shares]
    sums = [one.sums(share) for one, share in zip(graded, shares, strict=True)]
    fits = [fit_strengths(one) for one in sums]
    variance = sum(np.diagonal(fit.covariance, axis1=1, axis2=2) for fit in fits)
    if paired:
        cross = cross_covariance(fits[0], fits[1], sums[0], sums[1], graded[0].sums(shares[0] * shares[1]).y)
        variance = variance - 2 * np.diagonal(cross, axis1=1, axis2=2)
    freedom = np.minimum(fits[0].freedom, fits[1].freedom)[:, None]
    half = t_distribution.isf((1 - settings.level) / 2, freedom) * np.sqrt(np.maximum(variance, 0))
    known = [~np.isnan(fit.strengths[:, 0]) & ~fit.undecided for fit in fits]
    usable = (known[0] & known[1])[:, None]
    a, b = (np.where(usable, fit.strengths, np.nan) for fit in fits)
    table = pd.DataFrame(np.repeat(np.array(common, dtype=object), len(values), axis=0), columns=GROUP)
    table["value"] = list(values) * len(common)
    for name, numbers in (
        ("strength_a", a),
        ("strength_b", b),
        ("difference", b - a),
        ("difference_low", b - a - half),
        ("difference_high", b - a + half),
    ):
        table[name] = numbers.ravel().astype(float)
    table["paired"] = paired
    unknown = [
        " and ".join(name for name, of in zip("ab", row, strict=True) if not of) for row in zip(*known, strict=True)
    ]
    problems = [f"study {names}: choices do not link all values, or took the place in the list" for names in unknown]
    shown = [problem if names else None for problem, names in zip(problems, unknown, strict=True)]
    table["problem"] = pd.Series(np.repeat(np.array(shown, dtype=object), len(values)), dtype="str")
    return table.astype(dict.fromkeys([*GROUP, "value"], "str"))


def compare_languages(
    choices_a: pd.DataFrame, choices_b: pd.DataFrame, translated: Mapping[str, str], settings: Settings = DEFAULTS
) -> pd.DataFrame:
    """Compare choices in two languages, scenario by scenario.

    Parameters
    ----------
    choices_a, choices_b : DataFrame
        The table ``choices`` in either language, of the same targets and values.
    translated : mapping of str to str
        Scenario of the second → the scenario of the first that it is a translation of. Others are left out, and so are
        those without a choice in both.
    settings : Settings
        The level and the seed are used.

    Returns
    -------
    DataFrame
        For each target, condition and arm that both have a row with both values ``all``, then one for each pair:
        ``target``, ``condition``, ``arm``, ``value_1``, ``value_2`` (sorted by name), ``scenarios``; ``rate_a``,
        ``rate_b`` (share of choices that ``value_1`` won, mean over scenarios, 0–1; of ``all``: that the value
        earlier by name won); ``difference`` (b − a, −1 to 1) with ``_low`` and ``_high``, which cover by themselves;
        ``p_value`` (family-wise over the pairs of the group and, by Holm, over groups; of ``all``: that nothing at all
        differs, in either direction, which is the least of its pairs'); and ``functions_otherwise`` (it is below
        1 − level).

    Raises
    ------
    ValueError
        If no scenario has a choice in both, or the two sets are not of the same pairs.
    """
    shares = [_shares(choices_a, "rate_a")]
    shares.append(_shares(choices_b.assign(scenario_id=choices_b["scenario_id"].map(dict(translated))), "rate_b"))
    one, two = (part.set_index(_ABOUT)[part.columns[-1]] for part in shares)
    both = pd.concat([one, two], axis=1, join="inner").reset_index()
    if both.empty:
        raise ValueError(
            f"translated: none of {len(translated)} scenarios has a choice in both languages, by the same target and "
            "under the same values; expected some. Keep the names of values when a set is translated."
        )
    tables = [_compare(part.reset_index(drop=True), settings) for _, part in both.groupby(GROUP, sort=True)]
    table = pd.concat(tables, ignore_index=True)
    overall = table["value_1"].eq(ALL)
    multiple = holm_multiples(table.loc[overall, "p_value"].to_numpy())
    table["p_value"] = np.minimum(table["p_value"] * multiple[overall.cumsum() - 1], 1)
    table["functions_otherwise"] = table["p_value"] < 1 - settings.level
    return table


def _shares(choices: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the share of each scenario's choices that the value earlier by name won, orders weighing the same."""
    check_choices(choices)
    chosen = in_name_order(choices[choices["outcome"].eq("choice") & choices["scenario_id"].notna()])
    won = chosen["winner"].eq(chosen["value_1"]).astype(float).rename(name)
    by_order = won.groupby([chosen[column] for column in [*_ABOUT, "action_shown_first"]]).mean()
    return by_order.groupby(level=_ABOUT).mean().reset_index()


def _compare(both: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return the rows of one group: all pairs together, then each."""
    difference = both["rate_b"] - both["rate_a"]
    # a share from 0 to 1, for which intervals are known
    rates = rates_by_pair(both.assign(share=(difference + 1) / 2), settings.level)
    means = both.groupby(["value_1", "value_2"])[["rate_a", "rate_b"]].mean()
    means.loc[(ALL, ALL), :] = both[["rate_a", "rate_b"]].mean()
    table = rates[["target", "value_1", "value_2", "scenarios"]].join(means, on=["value_1", "value_2"])
    for end in ("", "_low", "_high"):
        table[f"difference{end}"] = 2 * rates[f"rate{end}"] - 1
    pairs = pd.MultiIndex.from_frame(both[["value_1", "value_2"]])
    code, known = pairs.factorize()
    member = np.eye(len(known))[code]
    values = difference.to_numpy()
    size = np.sqrt(np.maximum((values**2) @ member, 1e-300))
    signs = np.random.default_rng(settings.seed).integers(0, 2, (_DRAWS, len(values))) * 2 - 1
    largest = np.abs((signs * values) @ member / size).max(axis=1)
    observed = np.abs(values @ member / size)
    p_value = (1 + (largest[:, None] >= observed - 1e-9).sum(axis=0)) / (1 + _DRAWS)
    by_pair = pd.Series(p_value, index=known)
    table["p_value"] = [
        p_value.min() if row.value_1 == ALL else by_pair[row.value_1, row.value_2] for row in table.itertuples()
    ]
    for place, name in enumerate(GROUP[1:], 1):
        table.insert(place, name, both[name].iloc[0])
    return table
