"""Models: a list of requests to one model becomes a list of replies, in order (the roles of the paper's section 3).

- ``registry``: which models there are, and who plays which role
- ``requests``: what is asked, what comes back
- ``structured``: replies of a given form, read strictly
- ``calls``: a request becomes a call with a key
- ``replies``: an endpoint's answer becomes a reply with an outcome
- ``embeddings``: the same for vectors
- ``usage``: tokens and attempts
- ``store_rows``, ``store_versions``, ``store``: every reply that was paid for
- ``store_reading``: what a store holds, summed up or copied
- ``keys``: an endpoint's key, from the environment and to nowhere
- ``retrying``, ``breaker``, ``client``: an endpoint, its limits, retries, when it is given up
- ``workers``: many jobs, few tasks
- ``budget``, ``ledger``: what a study may cost, what it has cost
- ``under_way``, ``calling``: a call is made where the budget allows it, and stored whatever stops its list
- ``progress``: how far a list is
- ``asking``: all of it together
"""

from conflictscope.models.asking import Models
from conflictscope.models.registry import Model, Registry, load_registry
from conflictscope.models.requests import Message, NonBlank, Reply, Request
from conflictscope.models.spending import BudgetReached
from conflictscope.models.store import CallStore

__all__ = [
    "BudgetReached",
    "CallStore",
    "Message",
    "Model",
    "Models",
    "NonBlank",
    "Registry",
    "Reply",
    "Request",
    "load_registry",
]
