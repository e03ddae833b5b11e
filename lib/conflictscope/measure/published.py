"""Published: the numbers that the paper reports, for setting beside one's own.

Source of all: Liu, Ghate, Diab, Fried, Kasirzadeh and Kleiman-Weiner, *Generative Value Conflicts Reveal LLM
Priorities*, arXiv 2509.25369 (ICLR 2026).

The ± of its agreement is too small. The authors' code takes it for binomial over pairs of models, as if the 91 pairs of
14 models, and the scenarios that they share, were independent draws: all eight published rows follow to five decimals.
By simulation the standard error is 3.5 to 5.2 times as large.
"""

import pandas as pd

PUBLISHED_SOURCE = "arXiv 2509.25369"
PUBLISHED_STEERING_EFFECT = 0.145  # mean over its 14 targets
PUBLISHED_JUDGE_KAPPA = 0.62  # Cohen's κ, judge against humans
PUBLISHED_CHECK_PRECISION = 0.853  # mean average precision of the filter judge over the six checks
PUBLISHED_ERROR_TIMES = (3.5, 5.2)  # by which the standard error of an agreement exceeds what its ± says

_ABLATIONS = (
    ("full", 0.786, 0.007, 0.801, 0.017),
    ("unfiltered", 0.824, 0.003, 0.818, 0.008),
    ("single-stage", 0.898, 0.004, 0.854, 0.011),
    ("direct", 0.852, 0.004, 0.830, 0.011),
)
PUBLISHED_AUTHORS_SOURCE = "arXiv 2610.12410"
# author model, agreement, Likert difference rate: 320 scenarios on HHH, 10 targets
_AUTHORS = (
    ("Qwen3.6-27B", 0.772, 0.791),
    ("Claude 3.5 Sonnet", 0.789, 0.787),
    ("gpt-5", 0.801, 0.781),
    ("gpt-5.5", 0.837, 0.782),
    ("gpt-4.1", 0.851, 0.799),
    ("Qwen3.6-35B-A3B", 0.857, 0.797),
    ("Llama-3.3-70B", 0.864, 0.818),
    ("gpt-5.2", 0.897, 0.855),
)


def published_authors() -> pd.DataFrame:
    """Return the successor's comparison of author models (``PUBLISHED_AUTHORS_SOURCE``), the hardest first.

    Returns
    -------
    DataFrame
        One row an author: ``variant`` (``author <name>``), ``agreement`` and ``likert``, as in `published_ablations`,
        without intervals: 320 scenarios and 10 targets each, so that neighbours cannot be told apart.
    """
    rows = [(f"author {name}", agreement, likert) for name, agreement, likert in _AUTHORS]
    return pd.DataFrame(rows, columns=["variant", "agreement", "likert"])


def published_ablations() -> pd.DataFrame:
    """Return the paper's ablation on HHH (its section 3.2).

    Returns
    -------
    DataFrame
        One row a variant: ``variant`` (``full``; ``unfiltered``; ``single-stage``, each scenario written in one call;
        ``direct``, no templates), ``agreement`` (observed agreement, 0–1, lower = harder), ``agreement_low``,
        ``agreement_high``, ``likert`` (Likert difference rate, 0–1), ``likert_low``, ``likert_high``. The ends are the
        published number minus and plus its published ±, which is binomial over dependent pairs: the true standard error
        is ``PUBLISHED_ERROR_TIMES`` as large.
    """
    rows = [
        {
            "variant": variant,
            "agreement": agreement,
            "agreement_low": agreement - agreement_by,
            "agreement_high": agreement + agreement_by,
            "likert": likert,
            "likert_low": likert - likert_by,
            "likert_high": likert + likert_by,
        }
        for variant, agreement, agreement_by, likert, likert_by in _ABLATIONS
    ]
    return pd.DataFrame(rows)
