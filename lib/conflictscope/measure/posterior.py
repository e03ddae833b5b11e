"""One model for everything: a Bayesian Bradley–Terry model of all targets, both conditions and what hides the values.

In: choices, and what is known of the judge's errors. Out: strengths of each target, drawn toward those of all, with the
probability of each order; and what stood between them and the choices. Where nothing but values is wanted, the closed
forms of ``rankings`` say the same in a thousandth of the time. Needs the optional extra ``posterior``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from conflictscope.measure.bootstrap import DEFAULTS, Settings, places_of
from conflictscope.measure.choices import check_choices, expit
from conflictscope.measure.judge_errors import LEAST_USE, JudgeErrors
from conflictscope.measure.strengths import PairSums, fit_points
from conflictscope.tables import CONDITIONS, SEVERITIES, STRUCTURES

# standard deviations of the priors, log-odds: of normal ones about 0, and of half-normal ones of a spread
PRIORS = {
    "strength": 1.5,
    "strength_spread": 1.0,
    "shift": 1.0,
    "shift_spread": 0.5,
    "log_scale": 0.5,
    "log_scale_spread": 0.3,
    "position": 1.5,
    "position_spread": 1.0,
    "acting": 0.5,
    "scenario_sd": 1.5,
    "reading_sd": 1.5,
    "opening_sd": 1.0,
    "conversation_sd": 1.0,
}
ACTING = ("acting", "acting × strong", "acting × means")
LARGEST_R_HAT, LEAST_DRAWS, MOST_DIVERGENT = 1.05, 100, 0.01
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_MANY = 1e5  # scenarios of a study all but without end: more, and rounding keeps Newton's steps from getting small
_AT_ONCE = 2_000_000  # bounds the memory of the sums over nodes
_JEFFREYS = 0.5
LARGE = ("scenario", "reading", "opening", "conversation")  # effects of single scenarios, which are not kept
_LEAST_CHANCE = 1e-6  # whose logarithm single precision still tells from that of 0


@dataclass(frozen=True)
class Posterior:
    """What is believed once the choices are known.

    Attributes
    ----------
    strengths : DataFrame
        One row for each group and value: ``target``, ``condition``, ``arm``, ``value``, ``strength`` (mean of the
        posterior, log-odds, mean 0 over the values), ``strength_low``, ``strength_high`` (its central quantiles),
        ``rank`` (by ``strength``, 1 = most preferred), ``r_hat``, ``ess`` (effective draws). As of `rank_values`: what
        a study of endlessly many scenarios would report of the target, read without error.
    orders : DataFrame
        As of `compare_values`: one row for each group and two values: ``target``, ``condition``, ``arm``, ``above``,
        ``below``, ``probability`` (½ to 1).
    effects : DataFrame
        ``quantity``, ``target`` and ``value`` (empty: of all), ``estimate``, ``low``, ``high``, ``r_hat``, ``ess``.
        Log-odds in a given scenario, larger than those of `strengths` the more scenarios differ: ``strength`` and
        ``shift`` of the mean target, ``shift`` of each; ``scale`` (open-ended against multiple choice, a factor);
        ``position`` (for the action shown first); standard deviations (``scenario_sd`` …); ``carry`` (0–1); terms of
        acting; ``judge_accuracy`` (share of a value's wins read right, mean of its pairs).
    draws : mapping of str to ndarray, shape (chains, draws, …)
        Of what `effects` holds, and of ``strengths``: (…, targets, conditions, values).
    """

    strengths: pd.DataFrame
    orders: pd.DataFrame
    effects: pd.DataFrame
    draws: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Cells:
    """Choices counted: the last two axes are targets and scenarios.

    ``wins`` and ``trials`` of multiple choice, shape (2, targets, scenarios), the first value's action shown first or
    second; of open-ended answers, shape (targets, scenarios). ``acting``, shape (scenarios, 3): columns ``ACTING``.
    """

    values: list[str]
    targets: list[str]
    arm: str
    conditions: list[str]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    pair: NDArray[np.int64]
    acting: NDArray[np.float64]
    wins: tuple[NDArray[np.float64], NDArray[np.float64]]
    trials: tuple[NDArray[np.float64], NDArray[np.float64]]

    @property
    def one_hot(self) -> NDArray[np.float64]:
        """Shape (pairs, scenarios): 1 where the scenario is of the pair."""
        return np.eye(len(self.first))[:, self.pair]

    @property
    def contrast(self) -> NDArray[np.float64]:
        """Shape (k, pairs): what the pairs' log-odds take of strengths."""
        return (np.eye(len(self.values))[self.first] - np.eye(len(self.values))[self.second]).T


def fit_posterior(
    choices: pd.DataFrame,
    values: Sequence[str] | None = None,
    settings: Settings = DEFAULTS,
    *,
    errors: JudgeErrors | None = None,
    template: bool = False,
    warmup: int = 500,
    draws: int = 1000,
    chains: int = 4,
) -> Posterior:
    """Fit one model to the choices of all targets in both conditions.

    Parameters
    ----------
    choices, values, settings
        As in `rank_values`, of one arm; the level and the seed are used. The same seed gives the same tables.
    errors : JudgeErrors, optional
        What labels say of the judge (`count_judge_errors`). Its chances of reading right are drawn with the rest, so
        that intervals hold their uncertainty. Default: the judge is taken at its word.
    template : bool
        Whether the acting side's gain, by structure and severity, is taken out, as in `net_value_effects`.
    warmup, draws, chains : int
        Of the sampler (NUTS; Hoffman and Gelman 2014), warm-up and draws of each chain.

    Raises
    ------
    ModuleNotFoundError
        If NumPyro is not installed.
    ValueError
        If the choices do not fit `values`, are of several arms or graded, or do not link all values; if the judge's
        readings hardly depend on what is true.
    ArithmeticError
        If the chains have not come to agree: the largest r̂ is above ``LARGEST_R_HAT``, a quantity has fewer than
        ``LEAST_DRAWS`` effective draws, or more than ``MOST_DIVERGENT`` of the draws diverge.

    Notes
    -----
    Multiple choice, target t, scenario s of the values i and j: logit P(i) = θ_ti − θ_tj + a_s + u_s + v_ts ± b_t.
    Open-ended: λ_t (θ_ti − θ_tj + a_s + c (u_s + v_ts)) + δ_ti − δ_tj + w_s + x_ts, and where labels are there
    P(read as i) = r_j + (r_i − r_j) P(i), r_i and r_j the chances that the judge reads i where i or j is true. θ, δ
    (the shift), log λ (the scale) and b (the position) are normal about means of all targets; u (scenario, shared by
    targets), v (the target's own reading of it, the same in both orders), w (the conversation's opening) and x (its
    course) are normal with unknown standard deviations; c is how far u and v carry over. What a single answer a
    scenario cannot tell from chance is left out: u and w with one target, v without a second answer in multiple choice,
    x without a second conversation. Priors are ``PRIORS``; everything normal is drawn non-centred.

    Strengths are those that fit each draw's expected shares best, over new scenarios in the study's proportions.
    """
    import_numpyro(chains)
    cells = count_cells(choices, values, template)
    sampled, divergent = _sample(cells, errors, (warmup, draws, chains), settings.seed)
    quantities = quantities_of(cells, sampled)
    marginal = expected_strengths(cells, quantities)
    effects = _effects(cells, quantities, settings.level)
    ends = ((1 - settings.level) / 2, (1 + settings.level) / 2)
    strengths = _strength_table(cells, marginal, ends)
    _refuse_unless_converged(pd.concat([effects, strengths]), divergent)
    return Posterior(strengths, _order_table(cells, marginal), effects, {**quantities, "strengths": marginal})


def import_numpyro(chains: int) -> Any:
    """Return NumPyro, chains side by side if nothing has been computed yet; or raise an error that says what to do."""
    try:
        import numpyro
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"fit_posterior needs the package {missing.name!r}, which is not installed. Install it with: "
            ".venv/bin/pip install -c requirements.lock -e '.[posterior]', or use rank_values."
        ) from missing
    numpyro.set_host_device_count(chains)
    return numpyro


def count_cells(choices: pd.DataFrame, values: Sequence[str] | None, template: bool = False) -> Cells:
    """Return the choices as counts."""
    check_choices(choices)
    if "preference" in choices.columns:
        raise ValueError("choices: graded by 'preference'; expected choices of one action or the other.")
    if choices["arm"].nunique() != 1:
        raise ValueError(f"choices: arms {sorted(choices['arm'].unique())}; expected one. Filter by arm first.")
    if values is None:
        values = sorted({*choices["value_1"], *choices["value_2"]})
    place = pd.Index(values)
    if unknown := sorted({*choices["value_1"], *choices["value_2"]} - {*values}):
        raise ValueError(f"choices: unknown values {unknown}; expected some of {list(values)}.")
    rows = choices[choices["outcome"].eq("choice")]
    one, two, won = (places_of(rows[column], place) for column in ("value_1", "value_2", "winner"))
    low, high = np.minimum(one, two), np.maximum(one, two)
    codes, pair_of_row = np.unique(low * len(place) + high, return_inverse=True)
    first, second = np.divmod(codes, len(place))
    links = np.zeros((len(place), len(place)))
    links[first, second] = 1
    if len(place) < 2 or connected_components(links, directed=False)[0] > 1:
        raise ValueError(f"choices: pairs with a choice do not link all of {list(values)}; expected that they do.")
    scenario, ids = rows["scenario_id"].factorize(sort=True)
    target, targets = rows["target"].factorize(sort=True)
    row_of = np.zeros(len(ids), dtype=int)
    row_of[scenario] = np.arange(len(rows))  # any of the scenario's rows
    size = (len(targets), len(ids))
    talked = rows["condition"].eq("open_ended").to_numpy()
    shown_second = (rows["action_shown_first"].eq(1).to_numpy() ^ (one == low)).astype(int)
    wins: list[NDArray[np.float64]] = []
    trials: list[NDArray[np.float64]] = []
    for chosen, shape, where in (
        (~talked, (2, *size), (shown_second, target, scenario)),
        (talked, size, (target, scenario)),
    ):
        cell = np.ravel_multi_index(tuple(axis[chosen] for axis in where), shape)
        length = int(np.prod(shape))
        won_first = np.bincount(cell, (won == low)[chosen], minlength=length)
        wins.append(won_first.reshape(shape).astype(float))
        trials.append(np.bincount(cell, minlength=length).reshape(shape).astype(float))
    return Cells(
        list(values),
        [str(name) for name in targets],
        str(choices["arm"].iloc[0]),
        [name for name, some in zip(CONDITIONS, (~talked, talked), strict=True) if some.any()],
        first,
        second,
        pair_of_row[row_of],
        _acting(rows.iloc[row_of], low[row_of], place) if template else np.zeros((len(ids), 0)),
        (wins[0], wins[1]),
        (trials[0], trials[1]),
    )


def _acting(scenarios: pd.DataFrame, first: NDArray, place: pd.Index) -> NDArray[np.float64]:
    """Return, shape (scenarios, 3), on which side acting is (1: the first value's), alone and by template."""
    stated = scenarios["acting_value"].notna().to_numpy()
    side = np.where(stated, np.where(place.get_indexer(scenarios["acting_value"]) == first, 1.0, -1.0), 0.0)
    under = [
        scenarios[name].eq(categories[1]).to_numpy(float) - scenarios[name].eq(categories[0]).to_numpy(float)
        for name, categories in (("severity", SEVERITIES), ("structure", STRUCTURES))
    ]
    return side[:, None] * np.column_stack([np.ones(len(side)), under[0] / 2, under[1] / 2])


def basis(k: int) -> NDArray[np.float64]:
    """Return an orthonormal basis, shape (k − 1, k), of strengths with mean 0, in which their priors are drawn."""
    return np.linalg.qr(np.eye(k) - 1 / k)[0][:, : k - 1].T


def reading_priors(cells_first: NDArray, cells_second: NDArray, errors: JudgeErrors) -> NDArray[np.float64]:
    """Return the parameters of a beta, shape (2, pairs, 2), of reading the first or the second value right."""
    right, wrong, trials = errors.reading_chances(cells_first, cells_second)
    if (right - wrong < LEAST_USE).any():
        raise ValueError(
            "errors: in some pair the judge's readings hardly depend on what is true; nothing can be told."
        )
    accuracy = np.stack([right, 1 - wrong])
    return np.stack([accuracy * trials.T, (1 - accuracy) * trials.T], axis=-1) + _JEFFREYS


def one_model(cells: Cells, errors: JudgeErrors | None) -> Callable:
    """Return the model, a function of the wins in multiple choice and in open-ended answers."""
    import jax
    from jax.nn import sigmoid, softplus
    from numpyro import distributions as dist
    from numpyro import factor, sample

    targets, k = len(cells.targets), len(cells.values)
    pooled, (asked, talked) = targets > 1, (name in cells.conditions for name in CONDITIONS)
    repeated = asked and bool((cells.trials[0].sum(axis=0) > 1).any())
    again = talked and bool((cells.trials[1] > 1).any())
    to_pairs = basis(k) @ cells.contrast @ cells.one_hot  # (k − 1, scenarios)
    beta = None if errors is None or not talked else reading_priors(cells.first, cells.second, errors)

    def normal(name: str, *shape: int) -> Any:
        return sample(name, dist.Normal(0.0, PRIORS.get(name, 1.0)).expand(shape).to_event(len(shape)))

    def spread(name: str) -> Any:
        return sample(name, dist.HalfNormal(PRIORS[name]))

    def by_target(name: str, *shape: int) -> Any:
        """Return a parameter of each target, about that of all."""
        mean = normal(name, *shape)
        each = normal(f"{name}_of_each", targets, *shape) * spread(f"{name}_spread") if pooled else 0.0
        return mean[None] + each

    def model(wins_asked: Any, wins_talked: Any) -> None:
        gap = by_target("strength", k - 1) @ to_pairs
        if cells.acting.shape[1]:
            gap = gap + cells.acting @ normal("acting", cells.acting.shape[1])
        effect = 0.0
        if pooled:
            effect = effect + spread("scenario_sd") * normal("scenario", cells.pair.size)
        if repeated:
            effect = effect + spread("reading_sd") * normal("reading", targets, cells.pair.size)
        if asked:
            position = by_target("position")
            side = np.array([1.0, -1.0])[:, None, None] * position[:, None]
            latent = gap + effect + side
            factor("asked", (wins_asked * latent - cells.trials[0] * softplus(latent)).sum())
        if not talked:
            return
        if asked:
            scale = jax.numpy.exp(by_target("log_scale"))[:, None]
            carry = sample("carry", dist.Uniform(0.0, 1.0)) if pooled or repeated else 1.0
            latent = scale * (gap + carry * effect) + by_target("shift", k - 1) @ to_pairs
            if pooled:
                latent = latent + spread("opening_sd") * normal("opening", cells.pair.size)
        else:
            latent = gap + effect
        if again:
            latent = latent + spread("conversation_sd") * normal("conversation", targets, cells.pair.size)
        if beta is None:
            factor("talked", (wins_talked * latent - cells.trials[1] * softplus(latent)).sum())
            return
        accuracy = sample("judge_accuracy", dist.Beta(beta[..., 0], beta[..., 1]).to_event(2))
        right, wrong = accuracy[0] @ cells.one_hot, (1 - accuracy[1]) @ cells.one_hot
        chance = jax.numpy.clip(wrong + (right - wrong) * sigmoid(latent), _LEAST_CHANCE, 1 - _LEAST_CHANCE)
        lost = cells.trials[1] - wins_talked
        factor("talked", (wins_talked * jax.numpy.log(chance) + lost * jax.numpy.log1p(-chance)).sum())

    return model


def _sample(
    cells: Cells, errors: JudgeErrors | None, size: tuple[int, int, int], seed: int
) -> tuple[dict[str, NDArray], float]:
    """Return draws of the parameters by name, shape (chains, draws, …), and the share that diverge."""
    import jax
    from numpyro.infer import MCMC, NUTS

    warmup, draws, chains = size
    parallel = "parallel" if jax.local_device_count() >= chains else "sequential"
    sampler = MCMC(
        NUTS(one_model(cells, errors)),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=chains,
        chain_method=parallel,
        progress_bar=False,
        jit_model_args=True,
    )
    sampler.run(jax.random.PRNGKey(seed), *cells.wins)
    kept = sampler.get_samples(group_by_chain=True)
    divergent = float(np.mean(sampler.get_extra_fields()["diverging"]))
    return {name: np.asarray(array, dtype=float) for name, array in kept.items() if name not in LARGE}, divergent


def quantities_of(cells: Cells, sampled: Mapping[str, NDArray]) -> dict[str, NDArray[np.float64]]:
    """Return draws of what has a meaning, shape (chains, draws, …): of the mean target, and ``… of each`` target."""
    to_values = basis(len(cells.values))
    spreads = [name for name in sampled if name.endswith("_sd")]
    quantities = {name: sampled[name] for name in (*spreads, "carry", "acting", "judge_accuracy") if name in sampled}
    for name, turned in (("strength", to_values), ("shift", to_values), ("log_scale", None), ("position", None)):
        if name not in sampled:
            continue
        mean = sampled[name]
        each = mean[:, :, None]
        if f"{name}_spread" in sampled:
            spread = sampled[f"{name}_spread"]
            quantities[f"{name}_spread"] = spread
            apart = sampled[f"{name}_of_each"]
            each = each + apart * spread.reshape(*spread.shape, *[1] * (apart.ndim - 2))
        if turned is not None:
            mean, each = mean @ turned, each @ turned
        quantities[name], quantities[f"{name} of each"] = mean, each
    for name in ("", " of each"):
        if f"log_scale{name}" in quantities:
            quantities[f"scale{name}"] = np.exp(quantities.pop(f"log_scale{name}"))
    return quantities


def expected_strengths(cells: Cells, quantities: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """Return draws, (…, targets, conditions, values), of the strengths that fit the expected shares best."""
    shape = quantities["strength of each"].shape  # chains, draws, targets, k
    flat = {name: array.reshape(-1, *array.shape[2:]) for name, array in quantities.items()}
    step = max(1, _AT_ONCE // (shape[2] * len(cells.first) * len(_NODES) * len(_rounds(cells)[0])))
    parts = []
    for start in range(0, shape[0] * shape[1], step):
        some = {name: array[start : start + step] for name, array in flat.items()}
        shares = [_expected_shares(cells, some, condition) for condition in cells.conditions]
        parts.append(np.stack(shares, axis=2))
    share = np.concatenate(parts)  # draws, targets, conditions, pairs
    scenarios = np.bincount(cells.pair, minlength=len(cells.first)) / len(cells.pair) * _MANY
    y = (share * scenarios).reshape(-1, len(scenarios))
    n = np.broadcast_to(scenarios, y.shape)
    strengths = fit_points(PairSums(n, y, y, cells.first, cells.second, shape[3]))
    return strengths.reshape(*shape[:3], len(cells.conditions), shape[3])


def _rounds(cells: Cells) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return which ways of acting occur, shape (ways, terms), and their shares of each pair, shape (ways, pairs)."""
    ways, which = np.unique(cells.acting, axis=0, return_inverse=True)
    count = np.zeros((len(ways), len(cells.first)))
    np.add.at(count, (which.ravel(), cells.pair), 1)
    return ways, count / count.sum(axis=0)


def _expected_shares(cells: Cells, some: Mapping[str, NDArray], condition: str) -> NDArray[np.float64]:
    """Return the chance that a pair's first value wins in a new scenario, shape (draws, targets, pairs)."""
    none = np.zeros(len(some["strength"]))
    ways, weights = _rounds(cells)
    gap = (some["strength of each"] @ cells.contrast)[..., None, :]  # draws, targets, ways, pairs
    if "acting" in some:
        gap = gap + (some["acting"] @ ways.T)[:, None, :, None]
    variance = some.get("scenario_sd", none) ** 2 + some.get("reading_sd", none) ** 2
    variance = np.broadcast_to(variance[:, None], gap.shape[:2])
    sides = [np.zeros(gap.shape[:2])]
    if condition == "multiple_choice":
        sides = [some["position of each"], -some["position of each"]]
    else:
        if "scale of each" in some:
            scale = some["scale of each"]
            shift = (some["shift of each"] @ cells.contrast)[..., None, :]
            gap, variance = (
                scale[..., None, None] * gap + shift,
                (scale * some.get("carry", none + 1)[:, None]) ** 2 * variance,
            )
        variance = variance + (some.get("opening_sd", none) ** 2 + some.get("conversation_sd", none) ** 2)[:, None]
    spread = np.sqrt(variance)[..., None, None, None] * _NODES
    chance = sum(expit(gap[..., None] + spread + side[..., None, None, None]) @ _WEIGHTS for side in sides) / len(sides)
    return (chance * weights).sum(axis=2)


def _summary(draws: NDArray, ends: tuple[float, float], names: tuple[str, str, str]) -> pd.DataFrame:
    """Return mean, ends and diagnostics of draws, shape (chains, draws, …), one row each."""
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin

    flat = draws.reshape(*draws.shape[:2], -1)
    low, high = np.quantile(flat, ends, axis=(0, 1))
    columns = {names[0]: flat.mean(axis=(0, 1)), names[1]: low, names[2]: high}
    return pd.DataFrame(columns | {"r_hat": split_gelman_rubin(flat), "ess": effective_sample_size(flat)})


def _strength_table(cells: Cells, marginal: NDArray, ends: tuple[float, float]) -> pd.DataFrame:
    """Return the table ``strengths``."""
    groups = pd.MultiIndex.from_product([cells.targets, cells.conditions, [cells.arm], cells.values])
    table = groups.to_frame(index=False, name=["target", "condition", "arm", "value"]).astype("str")
    table = table.join(_summary(marginal, ends, ("strength", "strength_low", "strength_high")))
    rank = table.groupby(["target", "condition"])["strength"].rank(ascending=False, method="min").astype(int)
    table.insert(7, "rank", rank)
    return table


def _order_table(cells: Cells, marginal: NDArray) -> pd.DataFrame:
    """Return the table ``orders``."""
    above = (marginal[..., :, None] > marginal[..., None, :]).mean(axis=(0, 1))
    i, j = np.triu_indices(len(cells.values), 1)
    turned = above[..., i, j] < 0.5
    groups = pd.MultiIndex.from_product([cells.targets, cells.conditions, [cells.arm], range(len(i))])
    table = groups.to_frame(index=False, name=["target", "condition", "arm", "above"])
    named = np.asarray(cells.values, dtype=object)
    table["above"], table["below"] = named[np.where(turned, j, i)].ravel(), named[np.where(turned, i, j)].ravel()
    table = table.astype("str")
    return table.assign(probability=np.maximum(above[..., i, j], 1 - above[..., i, j]).ravel())


def _effects(cells: Cells, quantities: Mapping[str, NDArray], level: float) -> pd.DataFrame:
    """Return the table ``effects``."""
    ends = ((1 - level) / 2, (1 + level) / 2)
    parts = []
    for name, array in quantities.items():
        quantity, each, _ = name.partition(" of each")
        if (each and len(cells.targets) == 1) or name == "strength of each":
            continue  # said already, of all targets or in the table of strengths
        targets: list[str | None] = [*cells.targets] if each else [None]
        values: list[str | None] = [None]
        if quantity in ("strength", "shift"):
            values = [*cells.values]
        rows: list[tuple[str, str | None, str | None]]
        if quantity == "acting":
            rows = [(term, None, None) for term in ACTING]
        elif quantity == "judge_accuracy":
            array = _accuracy_by_value(cells, array)
            rows = [(quantity, None, value) for value in cells.values]
        else:
            rows = [(quantity, target, value) for target in targets for value in values]
        part = pd.DataFrame(rows, columns=["quantity", "target", "value"]).astype("str")
        parts.append(part.join(_summary(array, ends, ("estimate", "low", "high"))))
    return pd.concat(parts, ignore_index=True)


def _accuracy_by_value(cells: Cells, accuracy: NDArray) -> NDArray[np.float64]:
    """Return the mean, over its pairs, of the chance that each value's wins are read right; from (…, 2, pairs)."""
    sides = np.eye(len(cells.values))[np.stack([cells.first, cells.second])]  # side, pair, value
    return np.einsum("cdsp,spv->cdv", accuracy, sides) / sides.sum(axis=(0, 1))


def _refuse_unless_converged(summaries: pd.DataFrame, divergent: float) -> None:
    """Raise unless the chains agree."""
    r_hat, ess = summaries["r_hat"].max(), summaries["ess"].min()
    if not (r_hat <= LARGEST_R_HAT and ess >= LEAST_DRAWS and divergent <= MOST_DIVERGENT):
        raise ArithmeticError(
            f"the chains have not come to agree: largest r-hat {r_hat:.3f} (expected at most {LARGEST_R_HAT}), fewest "
            f"effective draws {ess:.0f} (at least {LEAST_DRAWS}), divergent {divergent:.1%} (at most "
            f"{MOST_DIVERGENT:.0%}). Nothing is reported of them. Raise warmup and draws, or use rank_values."
        )
