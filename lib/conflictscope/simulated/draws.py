"""Draws that depend on nothing but what is named in them.

In: the texts that a draw is about (model, purpose, what was read). Out: a number that is the same in every process, on
every machine and in whatever order requests arrive. No state, no seed: the texts are the seed.
"""

import hashlib
from collections.abc import Sequence
from math import log
from statistics import NormalDist
from typing import TypeVar

Item = TypeVar("Item")
_STANDARD_NORMAL = NormalDist()


def uniform(*about: object) -> float:
    """Return a number strictly between 0 and 1, uniform over what it is about."""
    digest = hashlib.blake2b("\x1f".join(map(str, about)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52


def normal(*about: object) -> float:
    """Return a draw from the standard normal distribution (mean 0, sd 1)."""
    return _STANDARD_NORMAL.inv_cdf(uniform(*about))


def logistic(*about: object) -> float:
    """Return a draw from the standard logistic distribution (mean 0, scale 1, sd 1.81)."""
    u = uniform(*about)
    return log(u / (1 - u))


def pick(items: Sequence[Item], *about: object) -> Item:
    """Return one of the items, each equally likely."""
    return items[int(uniform(*about) * len(items))]
