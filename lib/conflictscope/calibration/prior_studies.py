"""Studies drawn from the priors of the one model, and where its posteriors put their truths.

In: a size. Out: for each study and quantity the rank of what is true among draws of the posterior. If model, sampler
and intervals are right, ranks are even over many studies (simulation-based calibration; Talts, Betancourt, Simpson,
Vehtari and Gelman 2018, arXiv 1804.06788). Answers are drawn and truths worked out here; the priors, the basis that
they are drawn in and what labels say of the judge are the model's.
"""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from conflictscope.calibration.generator import Nuisance, Studies, Truth, choices_table, strengths_of_shares
from conflictscope.measure.judge_errors import JudgeErrors
from conflictscope.measure.posterior import (
    LARGE,
    PRIORS,
    basis,
    count_cells,
    expected_strengths,
    import_numpyro,
    one_model,
    quantities_of,
    reading_priors,
)

VALUES = ("a", "b", "c")
PAIRS = (("a", "b"), ("a", "c"), ("b", "c"))
KEPT = 99  # draws among which the truth is ranked, so far apart that they are nearly independent
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(61)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


def posterior_ranks(
    studies: int, *, targets: int, scenarios: int, labels: int = 0, seed: int, warmup: int = 500, draws: int = 1000
) -> pd.DataFrame:
    """Rank the truths of studies drawn from the priors among draws of their posteriors, one chain each, side by side.

    Parameters
    ----------
    studies, targets, scenarios : int
        Studies; targets of each, at least 2; scenarios of each of its three pairs.
    labels : int
        Verdicts of each value in each pair of which people say what they stand for, nine tenths of them read right; 0:
        the judge makes no errors and the model knows of none.
    seed, warmup, draws : int
        Of all that is drawn; of each chain.

    Returns
    -------
    DataFrame
        One row for each study and quantity: ``study``, ``quantity``, ``target``, ``condition``, ``value`` (places; −1
        where the quantity has none), ``rank`` (0 to ``KEPT``: draws below the truth).
    """
    import_numpyro(1)
    import jax
    from numpyro.infer import MCMC, NUTS

    errors = _labelled(labels) if labels else None
    drawn = [draw_from_priors(np.random.default_rng([seed, n]), targets, scenarios, errors) for n in range(studies)]
    cells = [count_cells(choices_table(study), VALUES) for study, _ in drawn]

    def chain(key: jax.Array, *wins: jax.Array) -> dict[str, jax.Array]:
        # all studies are asked the same: only the answers differ
        sampler = MCMC(
            NUTS(one_model(cells[0], errors)), num_warmup=warmup, num_samples=draws, num_chains=1, progress_bar=False
        )
        sampler.run(key, *wins)
        return {name: array for name, array in sampler.get_samples().items() if name not in LARGE}

    keys = jax.random.split(jax.random.PRNGKey(seed), studies)
    wins = [np.stack(arrays) for arrays in zip(*(study.wins for study in cells), strict=True)]
    with warnings.catch_warnings():
        # of no consequence: what is mapped over studies is copied once
        warnings.filterwarnings("ignore", message="Some donated buffers were not usable")
        sampled = jax.vmap(chain)(keys, *wins)
    quantities = quantities_of(cells[0], {name: np.asarray(array, dtype=float) for name, array in sampled.items()})
    believed = {**quantities, "strengths": expected_strengths(cells[0], quantities)}
    return pd.concat(
        [
            _ranks({name: array[n] for name, array in believed.items()}, truths).assign(study=n)
            for n, (_, truths) in enumerate(drawn)
        ],
        ignore_index=True,
    )


def draw_from_priors(
    rng: np.random.Generator, targets: int, scenarios: int, errors: JudgeErrors | None
) -> tuple[Studies, dict[str, NDArray[np.float64]]]:
    """Draw one study of both conditions, both orders and one conversation a scenario, and give its truths by name."""
    k, pairs = len(VALUES), len(PAIRS)
    first, second = np.array([0, 0, 1]), np.array([1, 2, 2])
    spread = {name: abs(rng.normal(0, sd)) for name, sd in PRIORS.items() if name.endswith(("_spread", "_sd"))}

    def about_mean(name: str, *shape: int) -> tuple[NDArray, NDArray]:
        mean = rng.normal(0, PRIORS[name], shape)
        return mean, mean + spread[f"{name}_spread"] * rng.normal(size=(targets, *shape))

    strength, strengths = (drawn @ basis(k) for drawn in about_mean("strength", k - 1))
    shift, shifts = (drawn @ basis(k) for drawn in about_mean("shift", k - 1))
    scale, scales = (np.exp(drawn) for drawn in about_mean("log_scale"))
    position, positions = about_mean("position")
    carry = rng.random()
    effect = spread["scenario_sd"] * rng.normal(size=(1, pairs, scenarios))
    effect = effect + spread["reading_sd"] * rng.normal(size=(targets, pairs, scenarios))
    gap, moved = (each[:, first] - each[:, second] for each in (strengths, shifts))
    sides = np.array([1.0, -1.0]) * positions[:, None]
    asked = _logistic((gap[..., None] + effect)[..., None] + sides[:, None, None, :])
    latent = scales[:, None, None] * (gap[..., None] + carry * effect) + moved[..., None]
    talked = _logistic(latent + spread["opening_sd"] * rng.normal(size=(1, pairs, scenarios)))
    truths = {name: np.array(size) for name, size in spread.items() if name != "conversation_sd"}
    if errors is not None:
        beta = reading_priors(first, second, errors)
        accuracy = rng.beta(beta[..., 0], beta[..., 1])
        talked = accuracy[0][:, None] * talked + (1 - accuracy[1])[:, None] * (1 - talked)
        truths["judge_accuracy"] = accuracy
    expressed = (rng.random((1, *asked.shape, 1)) < asked[None, ..., None]).astype(np.float32)
    revealed = (rng.random((1, *talked.shape, 1)) < talked[None, ..., None]).astype(np.float32)
    truth = Truth(dict(zip(VALUES, strength, strict=True)), PAIRS)
    own = np.hypot(spread["scenario_sd"], spread["reading_sd"])
    marginal = np.empty((targets, 2, k))
    for t in range(targets):
        in_talk = np.hypot(scales[t] * carry * own, spread["opening_sd"])
        for c, (middle, sd, sides_of) in enumerate(
            ((gap[t], own, sides[t]), (scales[t] * gap[t] + moved[t], in_talk, np.zeros(1)))
        ):
            chance = _logistic(middle[:, None, None] + sd * _NODES[:, None] + sides_of)
            marginal[t, c] = strengths_of_shares(truth, chance.mean(axis=2) @ _WEIGHTS)
    truths |= {"strength": strength, "shift": shift, "scale": scale, "position": position, "strengths": marginal}
    truths |= {"shift of each": shifts, "scale of each": scales, "carry": np.array(carry)}
    return Studies(truth, Nuisance(), expressed, revealed, revealed, strengths[None]), truths


def _labelled(labels: int) -> JudgeErrors:
    """Return so many labels of each value in each pair, nine tenths of them read right."""
    counts = np.zeros((len(VALUES), len(VALUES), 2, 2))
    counts[np.triu_indices(len(VALUES), 1)] = labels * np.array([[0.9, 0.1], [0.1, 0.9]])
    return JudgeErrors(counts)


def _ranks(believed: dict[str, NDArray], truths: dict[str, NDArray]) -> pd.DataFrame:
    """Return the rank of each truth among draws."""
    parts = []
    for name, truth in truths.items():
        draws = believed[name]
        draws = draws[np.linspace(0, len(draws) - 1, KEPT).round().astype(int)]
        rank = (draws < truth).sum(axis=0).ravel()
        if name == "strengths":
            places = np.indices(truth.shape).reshape(3, -1)
        else:
            places = np.full((3, rank.size), -1)
            places[2] = np.arange(rank.size)
        columns = dict(zip(("target", "condition", "value"), places, strict=True))
        parts.append(pd.DataFrame({"quantity": name, **columns, "rank": pd.array(rank, dtype="Int64")}))
    return pd.concat(parts, ignore_index=True)


def _logistic(x: NDArray) -> NDArray[np.float64]:
    """Return 1 / (1 + e^−x)."""
    return 0.5 + 0.5 * np.tanh(np.asarray(x) / 2)
