"""The embedded default: simulated models behind the ``openai`` client.

In: HTTP requests of the client. Out: replies, the same for the same request (DESIGN, section 7). No key, no network, no
cost. A simulated model reads the prompt that it is sent and nothing else; what it says is a demonstration and a test of
the instrument, never a finding.

- ``transport``: answers the client's requests in this process
- ``tasks``: which prompt is this, and what are its sections
- ``writers``: the author's outlines and scenarios, the user's messages, from the ``library`` or composed
- ``reviewers``: the filter judge and the judge
- ``answering``: what the simulated targets say
- ``respondents``: the simulated targets as numbers (``respondents.yaml``)
- ``library``: complete scenarios, known by heart (``library/<set>/<pair>.yaml``)
- ``unfamiliar``: scenarios in other people's words, read by a few cues (``cues.yaml``)
- ``parts``: what scenarios are composed from, and the draws (``parts.yaml``, ``angles.yaml``, ``phrases.yaml``)
- ``composing``: texts from these parts, with the flaws that the checks are to find; what a reader sees in them
"""

from conflictscope.simulated.respondents import Respondent, choice_latent, load_respondents, scenario_effect
from conflictscope.simulated.transport import SimulatedTransport

__all__ = ["Respondent", "SimulatedTransport", "choice_latent", "load_respondents", "scenario_effect"]
