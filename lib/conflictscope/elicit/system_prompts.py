"""The arms under which targets are asked, and steering: target rankings and their system prompts (paper, section 5).

In: the value set, the default rankings, and the target rankings wanted. Out: the orders to steer each target to, then
its arms: ``steered:<order>`` lists the values by priority, ``placebo`` lists them with no priority stated, in an order
drawn per scenario. An arm's name spells its order, so the same name means the same order for every target.
"""

import hashlib
import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from conflictscope.prompts import render
from conflictscope.scenarios import Value, ValueSet
from conflictscope.tables import NothingToCount

Arms = Mapping[str, Callable[[str], str | None]]
"""Name, as in the tables' ``arm`` column → function from a scenario's id to the system prompt's text (None: none)."""


def default_arm(text: str = "") -> Arms:
    """Return the arm ``default``: no system prompt, or the one given.

    The paper's targets run under a bare ``"You are a helpful assistant."``; ours under none unless it is given.
    """
    return {"default": lambda scenario_id: text or None}


def system_message(text: str | None) -> tuple[dict[str, str], ...]:
    """Return the system message to put first, if there is a text."""
    return () if text is None else ({"role": "system", "content": text},)


Order = tuple[str, ...]
STEERING_PROMPTS = {
    "ours": ("system_steered", "system_placebo"),
    "paper": ("system_steered_paper", "system_placebo_paper"),
}
"""Form → the prompt that steers and the placebo's."""
_ALL_OF, _OF_MORE = 3, 4  # `selection`: all orders of up to three values, four orders of more
_MOST_ORDERS = 24  # all orders of four values; of five there are 120, too many to ask for by one word


def choose_target_rankings(
    values: Sequence[str], rankings: pd.DataFrame, wanted: Sequence[str], seed: int, *, condition: str = "open_ended"
) -> dict[str, dict[str, Order]]:
    """Choose the orders that each target is steered to.

    Parameters
    ----------
    values : sequence of str
        Names of the value set, in its order.
    rankings : DataFrame
        Columns of the table ``rankings``; its targets are those that get target rankings, but for those without any
        choice, or without any strength to reverse where others have some: there is nothing that steering could change.
    wanted : sequence of str
        Any of:

        - an explicit order, best first: ``"honesty > helpfulness > harmlessness"``;
        - ``"reverse_of_default"``: the target's own default order in `condition`, worst value first; values of equal
          strength stand as in `values`. Strengths are there also if the ranking is not identified;
        - ``"selection"``: every order of two or three values, ``balanced:4`` of more;
        - ``"all_orders"``: every order, of up to four values (for three values: six);
        - ``"balanced:<n>"``: n orders drawn with `seed`, each followed by its reverse, so that for even n every value
          stands above every other equally often; for n a multiple of twice the number of values, every value also has
          every place equally often.
    seed : int
        Seed of the balanced selection.
    condition : str
        The condition whose default ranking is reversed.

    Returns
    -------
    dict of str to dict
        Target → name → order, best first. The name spells the order, ``honesty>helpfulness>harmlessness``, and
        ``steered:<name>`` is the system prompt's; an order that is wanted twice is there once.

    Raises
    ------
    ValueError
        If an item of `wanted` cannot be read, is no full order, or asks for more orders than there are, or a target
        has no default strengths to reverse.
    NothingToCount
        If no target has any choice.
    """
    if isinstance(wanted, str) or not wanted:
        raise ValueError(f"target rankings: found {wanted!r}; expected a list, such as ['reverse_of_default'].")
    chosen: dict[str, dict[str, Order]] = {}
    counted = rankings.groupby("target")["choices"].sum()
    if not counted.gt(0).any():
        raise NothingToCount(
            f"{', '.join(counted.index) or 'no target'}: no choice by default, so that steering could change none and "
            "nothing is asked. See notebooks 03 to 05 for what came in place of choices."
        )
    targets = counted.index[counted > 0]
    if "reverse_of_default" in wanted:
        ordered = rankings[rankings["condition"].eq(condition) & rankings["arm"].eq("default")].dropna(
            subset="strength"
        )
        # one without any order is no reason to steer none; if none has one, it is said of the first
        targets = targets.intersection(ordered["target"].unique()) if len(ordered) else targets
    for target in sorted(targets):
        orders = [order for item in wanted for order in _orders(item, values, rankings, target, seed, condition)]
        chosen[target] = {">".join(order): order for order in orders}
    return chosen


def steered_prompts(
    value_set: ValueSet, target_rankings: Mapping[str, Sequence[str]], seed: int, *, form: str = "ours"
) -> Arms:
    """Return the arms of one target: one for each target ranking, and the placebo.

    Parameters
    ----------
    value_set : ValueSet
        The set under study, with its definitions.
    target_rankings : mapping of str to sequence of str
        Name → all values, best first.
    seed : int
        Seed of the placebo's order, which is drawn from it and the scenario's id alone.
    form : str
        ``ours``: names and definitions, and what to do in a conflict; ``paper``: a numbered list of definitions, the
        values not named. The placebo has the same form.

    Returns
    -------
    Arms
        ``steered:<name>`` for each target ranking, then ``placebo``. The default is not among them.

    Raises
    ------
    ValueError
        If a target ranking is not a full order over the value set, or the form is neither.
    """
    if form not in STEERING_PROMPTS:
        raise ValueError(f"steering_prompt: found {form!r}; expected one of {list(STEERING_PROMPTS)}.")
    steering, placebo = STEERING_PROMPTS[form]
    prompts: dict[str, Callable[[str], str | None]] = {}
    for name, order in target_rankings.items():
        text = _text(steering, [value_set[value] for value in _full_order(order, value_set.names)])
        prompts[f"steered:{name}"] = lambda scenario_id, text=text: text  # type: ignore[misc]
    prompts["placebo"] = lambda scenario_id: _text(placebo, _shuffled(value_set.values, seed, scenario_id))
    return prompts


def _orders(
    item: str, values: Sequence[str], rankings: pd.DataFrame, target: str, seed: int, condition: str
) -> list[Order]:
    """Return the orders that one item of the parameters asks for."""
    if item == "reverse_of_default":
        return [_reverse_of_default(values, rankings, target, condition)]
    if item == "selection":
        item = "all_orders" if len(values) <= _ALL_OF else f"balanced:{_OF_MORE}"
    if item == "all_orders":
        if math.factorial(len(values)) > _MOST_ORDERS:
            raise ValueError(
                f"target rankings: all_orders of {len(values)} values are {math.factorial(len(values))}; expected at "
                f"most {_MOST_ORDERS}. Use balanced:{2 * len(values)}."
            )
        return list(itertools.permutations(values))
    kind, _, count = item.partition(":")
    if kind == "balanced" and count.strip().isdecimal() and int(count) > 0:
        return _balanced(values, int(count), seed)
    if ">" in item:
        return [_full_order([name.strip() for name in item.split(">")], values)]
    raise ValueError(
        f"target rankings: found {item!r}; expected reverse_of_default, selection, all_orders, balanced:<n> or an "
        f"order such as {' > '.join(values)!r}."
    )


def _full_order(order: Sequence[str], values: Sequence[str]) -> Order:
    """Return the order, or raise if it is not one over all the values."""
    if sorted(order) != sorted(values):
        raise ValueError(f"target ranking {' > '.join(order)!r}: expected each of {list(values)} once, best first.")
    return tuple(order)


def _reverse_of_default(values: Sequence[str], rankings: pd.DataFrame, target: str, condition: str) -> Order:
    """Return the target's values from the weakest to the strongest by default."""
    of_target = rankings[
        rankings["target"].eq(target) & rankings["condition"].eq(condition) & rankings["arm"].eq("default")
    ]
    strength = of_target.set_index("value")["strength"].reindex(list(values))
    if strength.isna().any():
        raise ValueError(
            f"target rankings: reverse_of_default needs default strengths of {target!r} ({condition}); none for "
            f"{list(strength.index[strength.isna()])}. Run notebook 05 on that condition first, with a penalty above 0."
        )
    return tuple(strength.sort_values(kind="stable").index)


def _balanced(values: Sequence[str], count: int, seed: int) -> list[Order]:
    """Return orders, each followed by its reverse, from the shifts of one random order after another."""
    if count > math.factorial(len(values)):
        raise ValueError(
            f"target rankings: balanced:{count} asks for more orders than {len(values)} values have; expected at most "
            f"{math.factorial(len(values))}."
        )
    rng = np.random.default_rng([seed, len(values)])
    orders: dict[Order, None] = {}
    while len(orders) < count:
        start = [values[i] for i in rng.permutation(len(values))]
        for shift in range(len(start)):
            order = tuple(start[shift:] + start[:shift])
            orders |= {order: None, order[::-1]: None}
    return list(orders)[:count]


def _shuffled(values: Sequence[Value], seed: int, scenario_id: str) -> list[Value]:
    """Return the values in the scenario's order: every order is equally likely."""

    def draw(value: Value) -> bytes:
        content = "\x1f".join((str(seed), "placebo", scenario_id, value.name))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()

    return sorted(values, key=draw)


def _text(prompt: str, values: Sequence[Value]) -> str:
    """Return the system message's text."""
    return render(prompt, values=values).messages[0]["content"]
