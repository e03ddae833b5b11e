"""A made-up study of any size, with every table that the browsers read, drawn from a seed."""

import numpy as np
import pandas as pd

from conflictscope.table_files import write_table
from conflictscope.tables import CHECKS, SEVERITIES, STRUCTURES, TABLES

VALUES = ("helpfulness", "honesty", "harmlessness")
# what a page would typeset: a price is no formula, and a formula can hold a link
FORMULAS = (
    r" He owes $5 to Ann and $10 to Bo; $$a$$, \(b\), \\(b\\), \[c\], \\[c\\], \href{https://x.invalid/}{$d$}, "
    r"\begin{equation}e\end{equation}, \$6 and \$7."
)
HOSTILE = (
    "</div></section><script>alert(1)</script><img src=x onerror=alert(1)> [go](javascript:alert(1)) **bold**"
    f"{FORMULAS}"
)


def make_study(
    folder,
    *,
    scenarios=60,
    targets=3,
    target_names=None,
    prompts=("default", "placebo", "steered:honesty_first"),
    judges=("judge-a",),
    hostile=False,
    seed=0,
    study="made",
    values=VALUES,
):
    """Write the tables of a study; returns them by name. Of many values, each meets the next four."""
    rng = np.random.default_rng(seed)
    n = scenarios
    # of three values, all pairs
    pairs = [(a, b) for i, a in enumerate(values) for b in (values * 2)[i + 1 : i + 5] if len(values) > 5]
    pairs = pairs or [(a, b) for i, a in enumerate(values) for b in values[i + 1 :]]
    place = np.arange(n)
    base = pd.DataFrame({"outline_id": [f"o{i:05}" for i in place]})
    base["value_1"] = [pairs[i % len(pairs)][0] for i in place]
    base["value_2"] = [pairs[i % len(pairs)][1] for i in place]
    base["structure"] = [STRUCTURES[i // 3 % 2] for i in place]
    base["severity"] = [SEVERITIES[i // 6 % 2] for i in place]
    base["acting_value"] = base["value_1"].where(place // 12 % 2 == 0, base["value_2"])
    base["author"] = "simulated/author"
    outlines = base.assign(
        context=[f"Context {i}." for i in place],
        action_opportunity="The assistant could act.",
        good="Some good.",
        harm="Some harm.",
        nearest=[None if i < 3 else f"o{i - 3:05}" for i in place],
        similarity=[np.nan if i < 3 else 0.4 for i in place],
        kept=True,
        embedder="tfidf",
    )
    repeats = outlines.head(2).assign(
        outline_id=["r00000", "r00001"], nearest=["o00000", "o00001"], similarity=0.93, kept=False
    )
    near = [(f"o{i:05}", f"o{j:05}", 0.4) for i in place for j in (i - 3, i + 3, i - 6) if 0 <= j < n]
    near += [pair for i in (0, 1) for pair in ((f"o{i:05}", f"r{i:05}", 0.93), (f"r{i:05}", f"o{i:05}", 0.93))]
    neighbours = pd.DataFrame(near, columns=["outline_id", "neighbour_id", "similarity"])
    neighbours = neighbours.sort_values("similarity", ascending=False, kind="stable")
    neighbours["rank"] = neighbours.groupby("outline_id").cumcount() + 1
    scenario = base.assign(
        scenario_id=[f"s{i:05}" for i in place],
        description=[f"Case {i}: a tenant asks about deposit number {i} and a letter. " * 4 for i in place],
        action_1="The assistant writes the letter.",
        action_2="The assistant explains why it will not.",
        consequence_1="The letter goes out.",
        consequence_2="The tenant is cross.",
        persona="Ada, 41, tenant",
        background="The deposit is late.",
        goal="Get it back.",
    )
    if hostile:
        scenario.loc[0, ["description", "action_1", "persona"]] = HOSTILE
    ids = scenario["scenario_id"].to_numpy()
    questions = [(c, None, None) for c in CHECKS if c != "value_guided"] + [
        ("value_guided", 1, 1),
        ("value_guided", 2, 2),
    ]
    checks = pd.concat(
        [
            pd.DataFrame(
                {
                    "scenario_id": ids,
                    "check": check,
                    "action_shown_first": side,
                    "filter_judge": "simulated/filter_judge",
                    "about_value": None if side is None else scenario[f"value_{side}"],
                    "passed": rng.random(n) > 0.06,
                    "reason": f"Because of {check}.",
                    "problem": None,
                    "raw": "{}",
                }
            )
            for check, _, side in questions
        ],
        ignore_index=True,
    )
    names = target_names or [f"target-{t}" for t in range(targets)]
    lean = rng.normal(size=n)  # log-odds of action 1, shared by all targets
    grid = pd.MultiIndex.from_product([place, names, prompts], names=["i", "target", "arm"]).to_frame(index=False)
    shift = grid["target"].map(dict(zip(names, np.linspace(-1, 1, len(names)), strict=True))).to_numpy()
    logit = lean[grid["i"].to_numpy()] + shift + np.where(grid["arm"].str.startswith("steered"), -1, 0)
    grid = grid.assign(scenario_id=ids[grid["i"]], repetition=0)

    def draw(extra):
        took = np.where(rng.random(len(grid)) < 1 / (1 + np.exp(-logit - extra)), 1, 2)
        outcome = rng.choice(["choice", "refusal", "neither", "invalid"], size=len(grid), p=[0.94, 0.02, 0.02, 0.02])
        return outcome, pd.array(np.where(outcome == "choice", took, 0), dtype="Int64")

    def asked(extra, **more):
        outcome, action = draw(extra)
        action[action == 0] = pd.NA
        problem = np.where(outcome == "invalid", "no letter found", None)
        return grid.assign(outcome=outcome, action=action, problem=problem, **more)

    thought = HOSTILE if hostile else "A letter is all that is asked."
    answers = pd.concat(
        [asked(0.0, action_shown_first=f, probability_first=np.nan, raw="A", reasoning=thought) for f in (1, 2)]
    )
    ratings = pd.concat(
        [grid.assign(rated_action=a, rating=rng.integers(1, 8, size=len(grid)), problem=None, raw="4") for a in (1, 2)]
    )
    verdicts = pd.concat(
        [asked(0.8, action_shown_first=1, judge=judge, raw="{}", reasoning="It wrote the letter.") for judge in judges]
    )
    verdicts["leaning"] = verdicts["action"].map({1: 2, 2: 6}).astype("Int64")
    said = grid.assign(status="ok", problem=None)
    reply = HOSTILE if hostile else "Here is *the letter*:\n\n- one\n- two"
    conversations = pd.concat(
        [
            said.assign(turn=0, role="user", text="Please write it."),
            said.assign(turn=1, role="assistant", text=reply, reasoning=thought),
        ]
    )
    opening = pd.DataFrame(
        {
            "scenario_id": ids,
            "simulated_user": "simulated/user",
            "message": HOSTILE if hostile else "Please write it.",
            "has_artifact": False,
            "named_value": None,
            "keeps_tag": False,
            "usable": True,
            "problem": None,
            "raw": None,
        }
    )
    domains = pd.DataFrame(
        {
            "scenario_id": ids,
            "domain": np.where(place % 2, "work", "housing"),
            "filter_judge": "simulated/filter_judge",
            "problem": None,
            "raw": None,
        }
    )
    tables = {
        "domains": domains,
        "outlines": pd.concat([outlines, repeats], ignore_index=True),
        "neighbours": neighbours,
        "scenarios": scenario,
        "checks": checks,
        "answers": answers,
        "ratings": ratings,
        "opening_messages": opening,
        "conversations": conversations,
        "verdicts": verdicts,
    }
    return {
        name: write_table(frame.reindex(columns=[c.name for c in TABLES[name].columns]), name, folder, study=study)
        for name, frame in tables.items()
    }
