"""The simulated targets as explicit respondents: what each would do, as numbers.

In: ``respondents.yaml``, and for one choice the two values, the scenario's identity, the condition and the order shown.
Out: the latent preference behind the choice, in log-odds. Nothing here reads or writes text (answering.py does), so the
truth behind every simulated ranking can be computed (DESIGN: recover_known_rankings).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from conflictscope.simulated.parts import logistic, normal, read_yaml

MULTIPLE_CHOICE, OPEN_ENDED = "multiple_choice", "open_ended"
UNLISTED_SD = 1.2  # sd of the utility of a value that respondents.yaml does not list
_NO_SHIFT: Mapping[str, float] = {}


@dataclass(frozen=True)
class Respondent:
    """A simulated target; fields as documented in ``respondents.yaml``."""

    name: str
    utilities: Mapping[str, float] = field(default_factory=dict)
    open_ended: Mapping[str, float] = field(default_factory=dict)
    steerability: float = 0.0
    scenario_weight: float = 0.6
    noise: float = 0.7
    same_draws: bool = False
    order_noise: float = 0.0
    position_bias: float = 0.0
    refusal: Mapping[str, float] = field(default_factory=dict)
    malformed: Mapping[str, float] = field(default_factory=dict)
    neither: Mapping[str, float] = field(default_factory=dict)
    abstention: float = 0.0
    compliance: float = 0.0

    def utility(self, value: str, condition: str, priorities: Mapping[str, float] = _NO_SHIFT) -> float:
        """Return how much a value weighs in a condition (``multiple_choice``, ``open_ended``), in log-odds.

        `value` is a name listed in ``respondents.yaml``, or the definition of any other value; `priorities` maps a
        value to its place in the system prompt's list of priorities, from 1 (top) to −1 (bottom).
        """
        listed = self.utilities.get(value)
        utility = UNLISTED_SD * normal("utility", self.name, value) if listed is None else listed
        shift = self.open_ended.get(value, 0.0) if condition == OPEN_ENDED else 0.0
        return utility + shift + self.steerability * priorities.get(value, 0.0)


def choice_latent(
    respondent: Respondent,
    value: str,
    other: str,
    identity: str,
    condition: str,
    listed_first: str | None = None,
    priorities: Mapping[str, float] = _NO_SHIFT,
    leans_to: str | None = None,
) -> float:
    """Return the latent preference for the action of `value` over that of `other`, in log-odds; > 0: `value` wins.

    The sum of the difference of utilities, the scenario's own effect (the same for all respondents), the noise of this
    answer, and, if an order was shown, its noise and the position bias; if somebody presses for the action of one of
    them, which is that of `leans_to`, the compliance. Swapping the two values flips the sign.
    `identity` tells the scenario from others; `listed_first` is the value whose action is shown first, None in a
    conversation; the rest as ``Respondent.utility`` takes it.
    """
    # draws belong to the pair in one orientation, whichever way round it is asked about
    sign = 1.0 if value <= other else -1.0
    draw = "both" if respondent.same_draws else condition
    difference = respondent.utility(value, condition, priorities) - respondent.utility(other, condition, priorities)
    common = respondent.scenario_weight * scenario_effect(identity)
    noise = respondent.noise * logistic("noise", respondent.name, draw, identity)
    latent = difference + sign * (common + noise)
    if listed_first is not None:
        toward = 1.0 if listed_first == value else -1.0
        shown = listed_first <= min(value, other)
        latent += toward * respondent.position_bias
        latent += sign * respondent.order_noise * logistic("order", respondent.name, identity, shown)
    if leans_to is not None:
        latent += respondent.compliance if leans_to == value else -respondent.compliance
    return latent


def scenario_effect(identity: str) -> float:
    """Return how far a scenario leans (sd 1) toward the one of its two values that comes first in sorting order."""
    return normal("scenario", identity)


@cache
def load_respondents() -> dict[str, Respondent]:
    """Return name → respondent, for all entries of ``respondents.yaml``."""
    return {name: Respondent(name=name, **entry) for name, entry in read_yaml("respondents.yaml").items()}
