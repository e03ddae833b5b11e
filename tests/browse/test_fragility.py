"""Fragile verdicts first: ranked, drawn with known chances, and counted so that nothing is biased by it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, precision_score, recall_score

from conflictscope import browse
from conflictscope.browse.labels import Label, labels_path, read_labels, write_label
from conflictscope.measure import (
    agreement_between_raters,
    check_scores,
    choices_as_read,
    confusion,
    correct_rankings,
    count_judge_errors,
    filter_errors,
    rank_fragile,
    rank_fragile_checks,
    rank_values,
    read_check_labels,
    read_checks,
    read_conversation_labels,
)
from conflictscope.measure.strengths import grade_choices
from conflictscope.tables import CHECKS

VALUES = ["a", "b", "c"]
PAIRS = [("a", "b"), ("a", "c"), ("b", "c")]
TRUE = np.array([0.5, 0.0, -0.5])
FRAGILE_ERROR, OTHER_ERROR = 0.4, 0.01
SHARE = {"a": 0.3, "b": 0.1, "c": 0.1}  # of each value's wins: a reply that acts on a is harder to read
LABELS, STUDIES, EACH = 50, 100, 300


def verdicts(rows):
    """Return verdicts from (scenario, judge, outcome, action, leaning)."""
    table = pd.DataFrame(rows, columns=["scenario_id", "judge", "outcome", "action", "leaning"])
    types = {"action": "Int64", "leaning": "Int64", "judge": "str", "scenario_id": "str"}
    return table.assign(target="m", arm="default", repetition=0, action_shown_first=1).astype(types)


def test_what_another_reading_may_turn_comes_first():
    table = verdicts(
        [
            ("sure", "j", "choice", 1, 1),
            ("sure", "j, swapped", "choice", 1, 1),
            ("sure", "other", "choice", 1, 1),
            ("near", "j", "choice", 1, 3),
            ("near", "j, swapped", "choice", 1, 3),
            ("disputed", "j", "choice", 2, 6),
            ("disputed", "j, swapped", "choice", 2, 6),
            ("disputed", "other", "refusal", None, None),
            ("turned", "j", "choice", 2, 5),
            ("turned", "j, swapped", "choice", 1, 3),
            ("turned", "other", "choice", 1, 1),
            ("unread", "j", "invalid", None, None),
            ("unread", "j, swapped", "choice", 1, 2),
        ]
    )
    ranked = rank_fragile(table, "j", "j, swapped").set_index("scenario_id")
    assert ranked.index.tolist() == ["unread", "turned", "disputed", "near", "sure"]
    assert ranked["fragile"].tolist() == [True, True, True, True, False]
    assert ranked.loc["near", "dissent"] is np.nan or np.isnan(ranked.loc["near", "dissent"])
    assert ranked.loc["turned", ["turned", "dissent"]].tolist() == [1, 1] and ranked.loc["sure", "fragility"] == 0
    alone = rank_fragile(table[table["judge"].eq("j")], "j").set_index("scenario_id")
    assert alone["fragile"].to_dict() == {
        "unread": True,
        "turned": True,
        "near": True,
        "disputed": False,
        "sure": False,
    }
    with pytest.raises(ValueError, match="none by 'nobody'"):
        rank_fragile(table, "nobody")


def test_of_several_judges_the_sharpest_counts_most():
    rng = np.random.default_rng(0)
    rows = []
    for n in range(300):
        for judge, slip in (("j", 0.02), ("sharp", 0.02), ("blunt", 0.4)):
            action = 1 + (rng.random() < slip) if n % 2 else 2 - (rng.random() < slip)
            rows.append((f"s{n:03d}", judge, "choice", action, 1 if action == 1 else 7))
    table = verdicts(rows)
    ranked = rank_fragile(table, "j").set_index("scenario_id")["dissent"]
    wide = table.pivot(index="scenario_id", columns="judge", values="action")
    by_sharp = ranked[(wide["sharp"] != wide["j"]) & (wide["blunt"] == wide["j"])]
    by_blunt = ranked[(wide["sharp"] == wide["j"]) & (wide["blunt"] != wide["j"])]
    assert by_sharp.min() > 0.7 and by_blunt.max() < 0.3


def test_every_stratum_has_its_share_in_any_first_part_and_weighs_what_it_is(make_archive):
    archive = make_archive(scenarios=60, prompts=("default",))
    judge = archive.judges[0]
    ranked = rank_fragile(archive.tables["verdicts"], judge, judge + ", labels swapped")
    key = ["scenario_id", "target", "arm", "repetition"]
    sample = browse.sample_conversations(archive, 40, seed=0, order="fragile first").merge(ranked, on=key)
    for size in (20, 40):
        part = sample.head(size)
        for column in ("fragile", "reading"):
            weighed = part.groupby(column)["weight"].sum() / part["weight"].sum()
            there = ranked[column].value_counts(normalize=True)
            assert weighed.sub(there, fill_value=0).abs().max() < (0.12 if size == 20 else 0.02), (size, column)
    assert sample["weight"].mean() == pytest.approx(1)
    share = ranked["fragile"].mean()
    assert 0 < share < 0.5 and sample["fragile"].mean() > 1.2 * share
    again = browse.sample_conversations(archive, 40, seed=0, order="fragile first")
    assert again["scenario_id"].tolist() == sample["scenario_id"].tolist()
    everything = browse.sample_conversations(archive, 10_000, seed=0, order="fragile first")
    assert len(everything) == len(ranked) and everything["weight"].to_numpy() == pytest.approx(1)
    with pytest.raises(ValueError, match="order: found 'worst'"):
        browse.sample_conversations(archive, 4, seed=0, order="worst")


def test_the_weight_is_kept_with_the_label_and_old_labels_have_one(make_archive, tmp_path):
    archive = make_archive(scenarios=60, prompts=("default",))
    sample = browse.sample_conversations(archive, 10, seed=0, order="fragile first")
    desk = browse.Annotator(archive, sample, tmp_path, "ana", seed=0)
    desk.answer("action_1")
    labels_path(tmp_path, "ben").write_text(
        '{"scenario_id": "s", "kind": "conversation", "annotator": "ben", "answer": "action_2", '
        '"labelled_at": "2026-01-01T00:00:00+00:00", "target": "t", "arm": "default", "repetition": 0}\n'
    )
    labels = read_labels(tmp_path)
    assert labels["weight"].tolist() == [sample["weight"].iloc[0], 1.0] and sample["weight"].iloc[0] != 1
    assert read_conversation_labels(labels)["weight"].tolist() == labels["weight"].tolist()
    for weight in (0.0, -1.0, float("inf"), float("nan"), 10**400, "2", True):
        with pytest.raises(ValueError, match="weight"):
            write_label(Label("s", "conversation", "ana", "action_1", "2026", weight=weight), tmp_path)


def draw(rng):
    """Return one study's conversations: what was done, what the judge read, and whether that verdict is fragile."""
    pair = np.repeat(np.arange(3), EACH)
    one, two = np.array([0, 0, 1])[pair], np.array([1, 2, 2])[pair]
    acted = rng.random(len(pair)) < 1 / (1 + np.exp(TRUE[two] - TRUE[one]))
    won = np.where(acted, one, two)
    fragile = rng.random(len(pair)) < np.array([*SHARE.values()])[won]
    wrong = rng.random(len(pair)) < np.where(fragile, FRAGILE_ERROR, OTHER_ERROR)
    return pair, one, two, acted, acted ^ wrong, fragile


def label_at_random(rng, fragile):
    return rng.permutation(len(fragile))[:LABELS], np.ones(LABELS)


def label_fragile_first(rng, fragile, kind):
    """Return labels in turn of each kind (pair and reading), fragile and not in turn, with their weights."""
    cells = kind * 2 + fragile
    rows = pd.DataFrame({"cell": cells}).sample(frac=1, random_state=int(rng.integers(2**31)))
    turn = rows.groupby("cell").cumcount()
    picked = rows.index[np.lexsort((rows["cell"].to_numpy(), turn.to_numpy()))][:LABELS]
    there, drawn = np.bincount(cells, minlength=12), np.bincount(cells[picked], minlength=12)
    return picked.to_numpy(), (there / len(cells) / np.maximum(drawn, 1) * LABELS)[cells[picked]]


def corrected(study, picked, weights):
    """Return the corrected strengths of one study by these labels."""
    pair, one, two, acted, read, _ = study
    named = np.asarray(VALUES, dtype=object)
    base = pd.DataFrame({"scenario_id": [f"s{n:04d}" for n in range(len(pair))], "target": "m", "arm": "default"})
    base = base.assign(repetition=0, value_1=named[one], value_2=named[two])
    asked = base.drop(columns=["value_1", "value_2"])
    judge = asked.assign(rater="judge", reading=np.where(read, "action_1", "action_2"))
    people = asked.assign(rater="ana", reading=np.where(acted, "action_1", "action_2")).iloc[picked]
    people = people.assign(weight=weights)
    errors = count_judge_errors(pd.concat([judge, people]), base, VALUES, "judge", ["ana"])
    choices = base.assign(
        condition="open_ended",
        judge="judge",
        outcome="choice",
        action=np.where(read, 1, 2),
        action_shown_first=1,
        winner=np.where(read, base["value_1"], base["value_2"]),
        loser=np.where(read, base["value_2"], base["value_1"]),
    )
    return correct_rankings(choices, VALUES, errors), errors


def compare(studies, seed=0):
    """Return, for each way of labelling, error, width and coverage of each value's corrected strength."""
    rows = []
    for n in range(studies):
        rng = np.random.default_rng([seed, n])
        study = draw(rng)
        ways = {
            "at random": label_at_random(rng, study[-1]),
            "fragile first": label_fragile_first(rng, study[-1], study[0] * 2 + study[4]),
        }
        ways["fragile first, unweighted"] = (ways["fragile first"][0], np.ones(LABELS))
        for way, (picked, weights) in ways.items():
            table, errors = corrected(study, picked, weights)
            assert errors.total == LABELS
            error = table["corrected"].to_numpy() - TRUE
            width = (table["corrected_high"] - table["corrected_low"]).to_numpy()
            rows += [(way, v, e, w, 2 * abs(e) <= w) for v, e, w in zip(VALUES, error, width, strict=True)]
        rows += [("as read", v, e, np.nan, np.nan) for v, e in zip(VALUES, table["strength"] - TRUE, strict=True)]
    return pd.DataFrame(rows, columns=["way", "value", "error", "width", "covered"])


def test_the_corrected_ranking_is_unbiased_and_narrower_at_fifty_labels():
    table = compare(STUDIES).groupby(["way", "value"])[["error", "width", "covered"]].mean()
    largest = table["error"].abs().groupby("way").max()
    assert largest["fragile first"] < 0.04 < largest["as read"]
    assert largest["fragile first, unweighted"] > 2 * largest["fragile first"]
    width = table["width"].groupby("way").mean()
    assert width["fragile first"] < 0.7 * width["at random"]
    assert (table.loc["fragile first", "covered"] > 0.92).all()


def test_agreement_on_weighted_labels_is_that_of_the_study():
    kappas = []
    for n in range(60):
        rng = np.random.default_rng([7, n])
        pair, _, _, acted, read, fragile = draw(rng)
        picked, weights = label_fragile_first(rng, fragile, pair * 2 + read)
        base = pd.DataFrame({"scenario_id": [f"s{n:04d}" for n in range(len(pair))], "target": "m", "arm": "default"})
        base = base.assign(repetition=0)
        judge = base.assign(rater="judge", reading=np.where(read, "action_1", "action_2"))
        people = base.assign(rater="ana", reading=np.where(acted, "action_1", "action_2"))
        some = people.iloc[picked]
        row = {}
        for name, labels in (("all", people), ("as drawn", some), ("weighed", some.assign(weight=weights))):
            [agreed] = agreement_between_raters(pd.concat([judge, labels], ignore_index=True)).to_dict("records")
            row |= {name: agreed["kappa"], f"{name} agreed": agreed["agreed"]}
            row[f"{name} covers"] = agreed["kappa_low"] <= row["all"] <= agreed["kappa_high"]
        kappas.append(row)
    mean = pd.DataFrame(kappas).mean()
    assert mean["weighed"] == pytest.approx(mean["all"], abs=0.02) and mean["as drawn"] < mean["all"] - 0.1
    assert mean["weighed agreed"] == pytest.approx(mean["all agreed"], abs=0.01)
    assert mean["weighed covers"] > 0.93


def as_read(study, picked=None, weights=None):
    """Return readings by the judge of all conversations and by a person of those picked; and the scenarios."""
    pair, one, two, acted, read, _ = study
    named = np.asarray(VALUES, dtype=object)
    base = pd.DataFrame({"scenario_id": [f"s{n:04d}" for n in range(len(pair))], "target": "m", "arm": "default"})
    base = base.assign(repetition=0)
    scenarios = base[["scenario_id"]].assign(value_1=named[one], value_2=named[two], acting_value=named[one])
    judge = base.assign(rater="judge", reading=np.where(read, "action_1", "action_2"))
    people = base.assign(rater="ana", reading=np.where(acted, "action_1", "action_2"))
    people = people if picked is None else people.iloc[picked]
    people = people if weights is None else people.assign(weight=weights)
    return pd.concat([judge, people], ignore_index=True), scenarios.assign(structure="means", severity="mild")


def ranked_as_read(readings, scenarios):
    choices = choices_as_read(readings, scenarios)
    return rank_values(choices.assign(target=choices["judge"], arm="all"), VALUES)


def test_confusion_and_rankings_of_weighted_labels_are_those_of_the_study(monkeypatch):
    monkeypatch.setitem(globals(), "LABELS", 120)
    wrong, tables, covers = [], [], []
    for n in range(25):
        rng = np.random.default_rng([8, n])
        study = draw(rng)
        picked, weights = label_fragile_first(rng, study[-1], study[0] * 2 + study[4])
        ways = {"all": as_read(study), "as drawn": as_read(study, picked), "weighed": as_read(study, picked, weights)}
        cells = {way: confusion(readings, "judge", "ana").to_numpy() for way, (readings, _) in ways.items()}
        tables.append({way: table / table.sum() for way, table in cells.items()})
        assert cells["weighed"].sum() == pytest.approx(120)
        ranks = {way: ranked_as_read(*read).set_index(["target", "value"]) for way, read in ways.items()}
        true = ranks["all"]["strength"]
        wrong.append({way: ranks[way]["strength"] - true for way in ("as drawn", "weighed")})
        covers.append(true.between(ranks["weighed"]["strength_low"], ranks["weighed"]["strength_high"]))
        assert (ranks["weighed"][["choices", "scenarios"]] == ranks["as drawn"][["choices", "scenarios"]]).all(
            axis=None
        )
    off = {way: np.mean([row[way] - row["all"] for row in tables], axis=0) for way in ("as drawn", "weighed")}
    assert np.abs(off["weighed"]).max() < 0.02 and np.abs(off["as drawn"]).max() > 0.08
    bias = {way: np.mean([row[way] for row in wrong], axis=0) for way in ("as drawn", "weighed")}
    assert np.abs(bias["weighed"]).max() < 0.06 and np.abs(bias["as drawn"]).max() > 0.25
    assert np.mean(covers) > 0.95


def test_weights_that_are_equal_change_no_number():
    study = draw(np.random.default_rng(3))
    picked = np.arange(0, 900, 7)
    readings, scenarios = as_read(study, picked)
    plain = ranked_as_read(readings, scenarios)
    for weight in (1.0, 0.37):
        weighed, _ = as_read(study, picked, np.full(len(picked), weight))
        pd.testing.assert_frame_equal(ranked_as_read(weighed, scenarios), plain, check_exact=True)
        table = confusion(weighed, "judge", "ana")
        pd.testing.assert_frame_equal(table, confusion(readings, "judge", "ana"), check_exact=True)


def test_a_weighted_ranking_counts_a_scenario_by_the_mean_of_its_conversations():
    base = {"scenario_id": ["s", "s", "u"], "target": ["m", "n", "m"], "arm": "default", "repetition": 0}
    readings = pd.DataFrame(base).assign(rater="ana", reading=["action_1", "action_2", "action_2"], weight=[3.0, 1, 1])
    scenarios = pd.DataFrame({"scenario_id": ["s", "u"], "value_1": "a", "value_2": "b", "acting_value": "a"})
    choices = choices_as_read(readings, scenarios.assign(structure="means", severity="mild"))
    graded = grade_choices(choices.assign(target="ana"), ["a", "b"])
    assert graded.share.tolist() == [[0.75, 0.0]]
    sums, worth = graded.weighted_sums(), (2 + 1) ** 2 / (2**2 + 1)
    assert sums.n == pytest.approx(worth) and sums.y == pytest.approx(worth * 2 * 0.75 / 3)


QUESTIONS = [(c, about) for c in CHECKS for about in (("value_1", "value_2") if c == "value_guided" else (None,))]


def checked(rng, n):
    """Return scenarios, what people would answer and what the filter answered, one row a scenario, a column a question.

    Of one scenario in four each question is failed by people with chance .3, of the others with .02.
    """
    scenarios = pd.DataFrame({"scenario_id": [f"s{i:04d}" for i in range(n)]})
    pair = np.arange(n) % 3
    for side in (0, 1):
        scenarios[f"value_{side + 1}"] = np.array([PAIRS[p][side] for p in pair])
    poor = rng.random((n, 1)) < 0.25
    true = rng.random((n, len(QUESTIONS))) > np.where(poor, 0.3, 0.02)
    return (
        scenarios.assign(structure="means", severity="mild"),
        true,
        rng.random(true.shape) < np.where(true, 0.96, 0.4),
    )


def as_answers(scenarios, answers, **columns):
    """Return one row a question, with what was answered as ``passed``."""
    parts = [
        scenarios[["scenario_id"]].assign(
            check=check, about_value=scenarios[about] if about else None, passed=answers[:, q], **columns
        )
        for q, (check, about) in enumerate(QUESTIONS)
    ]
    return pd.concat(parts, ignore_index=True)


def labels_by_people(sample, scenarios, true):
    """Return a person's labels of a sample of checks, as they are right."""
    answers = as_answers(scenarios, true).merge(scenarios[["scenario_id", "value_1"]], on="scenario_id")
    one = answers["about_value"].eq(answers["value_1"]) == answers["passed"]
    action = np.where(one, "action_1", "action_2")
    answers["answer"] = np.where(answers["about_value"].notna(), action, np.where(answers["passed"], "yes", "no"))
    key = ["scenario_id", "check", "about_value"]
    return sample.merge(answers[[*key, "answer"]], on=key).assign(annotator="ana")


def filter_study(rng, n=240, size=50):
    """Return, by way of drawing, the corrected counts of one study, and the true ones."""
    scenarios, true, judged = checked(rng, n)
    checks = as_answers(scenarios, judged, filter_judge="j")
    archive = SimpleNamespace(tables={"scenarios": scenarios, "checks": checks})
    seed = int(rng.integers(2**31))
    fragile = browse.sample_checks(archive, size, seed=seed, order="fragile first")
    ways = {"fragile": fragile, "unweighted": fragile.assign(weight=1.0)}
    everyone = read_checks(as_answers(scenarios, true, filter_judge="ana"))
    mine, found = read_checks(checks), {}
    for way, sample in ways.items():
        people = read_check_labels(labels_by_people(sample, scenarios, true), scenarios)
        readings = pd.concat([mine, people], ignore_index=True)
        scores = check_scores(readings, "j", ["ana"]).set_index(["check", "found"])
        found[way] = filter_errors(readings, "j", ["ana"]).set_index("check"), scores
    both = pd.concat([mine, everyone], ignore_index=True)
    truth = filter_errors(both, "j", ["ana"]).set_index("check")
    return found, (truth, check_scores(both, "j", ["ana"]).set_index(["check", "found"]))


def test_corrected_pass_rates_are_unbiased_where_fragile_checks_came_first():
    rows, scores = [], []
    numbers = ["wrongly_passed", "wrongly_failed", "pass_rate_corrected"]
    for n in range(30):
        found, (truth, true_scores) = filter_study(np.random.default_rng([11, n]))
        for way, (table, score) in found.items():
            error = (table[numbers] - truth[numbers]).add_suffix(" off")
            held = {m: truth[m].between(table[m + "_low"] - 1e-9, table[m + "_high"] + 1e-9) for m in numbers}
            rows.append(error.assign(way=way, **{f"{m} held": held[m].astype(float) for m in numbers}))
            scores.append((score - true_scores)[["precision", "recall", "by_chance"]].assign(way=way))
    table = pd.concat(rows).rename_axis("check").reset_index()
    one = table[table["check"].ne("all six")].groupby("way").mean(numeric_only=True)
    kept = table[table["check"].eq("all six")].groupby("way").mean(numeric_only=True)
    assert abs(one.loc["fragile", "pass_rate_corrected off"]) < 0.006 < 0.015 < -one.loc["unweighted"].iloc[2]
    assert abs(one.loc["fragile", "wrongly_passed off"]) < 1 < 2.5 < one.loc["unweighted", "wrongly_passed off"]
    assert abs(kept.loc["fragile", "wrongly_failed off"]) < 3 < 5 < -kept.loc["unweighted", "wrongly_failed off"]
    assert one.filter(like="held").loc["fragile"].min() > 0.94 and kept.filter(like="held").loc["fragile"].min() > 0.92
    off = pd.concat(scores).groupby(["found", "way"]).mean(numeric_only=True).loc["yes"].abs()
    assert off.loc["fragile"].max() < 0.007 < 0.012 < off.loc["unweighted"].min()


def test_check_scores_and_errors_do_not_change_with_equal_weights_and_are_weighted_by_hand():
    scenarios, true, judged = checked(np.random.default_rng(4), 60)
    mine, people = (
        read_checks(as_answers(scenarios, of, filter_judge=name)) for of, name in ((judged, "j"), (true, "p"))
    )
    people = people[people["scenario_id"].lt("s0030")]
    plain = pd.concat([mine, people], ignore_index=True)
    even = pd.concat([mine, people.assign(weight=0.37)], ignore_index=True)
    for measure in (filter_errors, check_scores):
        pd.testing.assert_frame_equal(measure(even, "j", ["p"]), measure(plain, "j", ["p"]), check_exact=True)
    weights = people["scenario_id"].str[1:].astype(int) % 3 + 1
    uneven = pd.concat([mine, people.assign(weight=weights)], ignore_index=True)
    scores = check_scores(uneven, "j", ["p"]).set_index(["check", "found"])
    for check in CHECKS:
        both = people.assign(weight=weights).merge(mine, on=["scenario_id", "check"], suffixes=("", "_judged"))
        both = both[both["check"].eq(check)]
        truly, taken, weight = both["reading"].eq("yes"), both["reading_judged"].eq("yes"), both["weight"]
        row = scores.loc[(check, "yes")]
        assert row["precision"] == pytest.approx(precision_score(truly, taken, sample_weight=weight))
        assert row["recall"] == pytest.approx(recall_score(truly, taken, sample_weight=weight))
        expected = average_precision_score(truly, both["score_judged"], sample_weight=weight)
        assert row["average_precision"] == pytest.approx(expected)
    passed = filter_errors(uneven, "j", ["p"]).set_index("check").loc[check]
    right = np.average(truly[taken], weights=weight[taken])
    assert passed["wrongly_passed"] == pytest.approx(passed["passed"] * (1 - right))


def checks_of(rows, judge="j"):
    """Return checks from scenario → the questions, by number, that were failed or (negative) could not be read."""
    scenarios = pd.DataFrame({"scenario_id": list(rows), "value_1": "a", "value_2": "b"})
    answers = np.full((len(rows), len(QUESTIONS)), True, dtype=object)
    for row, questions in zip(answers, rows.values(), strict=True):
        for question in questions:
            row[abs(question)] = None if question < 0 else False
    checks = as_answers(scenarios, answers, filter_judge=judge)
    return checks.assign(passed=pd.array(checks["passed"].map({True: True, False: False}).tolist(), dtype="boolean"))


def test_scenarios_that_hang_on_one_answer_are_fragile():
    guided = [q for q, (check, _) in enumerate(QUESTIONS) if check == "value_guided"]
    rows = {"kept": [], "one": [1], "two": [1, 2], "unread": [-1], "wholly": guided, "half": [1, guided[0]]}
    ranked = rank_fragile_checks(checks_of(rows), "j").set_index("scenario_id")
    assert ranked["reading"].to_dict() == dict.fromkeys(rows, "dropped") | {"kept": "kept", "unread": "undecided"}
    assert {*ranked.index[ranked["fragile"]]} == {"one", "unread", "half"} and ranked["dissent"].isna().all()
    assert ranked.index[-1] == "kept" and ranked.loc["kept", "fragility"] == 0
    other = checks_of({"kept": [3], "two": [1, 2], "one": [1]}, "other")
    disputed = rank_fragile_checks(pd.concat([checks_of(rows), other]), "j").set_index("scenario_id")
    assert disputed.loc["kept", "fragile"] and disputed.loc["kept", "dissent"] == 1
    assert not disputed.loc["two", "fragile"] and disputed.loc["two", "dissent"] == 0
    with pytest.raises(ValueError, match="none by 'nobody'"):
        rank_fragile_checks(other, "nobody")


def test_fragile_checks_are_drawn_with_known_chances_and_the_weight_is_kept(make_archive, tmp_path):
    archive = make_archive(scenarios=90, prompts=("default",))
    ranked = rank_fragile_checks(archive.tables["checks"], "simulated/filter_judge")
    sample = browse.sample_checks(archive, 30, seed=0, order="fragile first")
    assert sample.groupby("scenario_id").size().tolist() == [7] * 30
    assert (sample.groupby("scenario_id")["weight"].nunique() == 1).all()
    drawn = sample.drop_duplicates("scenario_id").merge(ranked, on="scenario_id")
    for column in ("fragile", "reading"):
        weighed = drawn.groupby(column)["weight"].sum() / drawn["weight"].sum()
        assert weighed.sub(ranked[column].value_counts(normalize=True), fill_value=0).abs().max() < 0.02
    assert drawn["fragile"].mean() > 1.2 * ranked["fragile"].mean() > 0
    definitions = dict.fromkeys(("helpfulness", "honesty", "harmlessness"), "A value.")
    desk = browse.Annotator(archive, sample, tmp_path, "ana", definitions=definitions, seed=0)
    for check in sample["check"].head(7):
        desk.answer("action_1" if check == "value_guided" else "yes")
    read = read_check_labels(read_labels(tmp_path), archive.tables["scenarios"])
    assert len(read) == 6 and (read["weight"] == sample["weight"].iloc[0]).all() and read["weight"].iloc[0] != 1
    assert "weight" not in browse.sample_checks(archive, 5, seed=0)
    with pytest.raises(ValueError, match="order: found 'worst'"):
        browse.sample_checks(archive, 4, seed=0, order="worst")
