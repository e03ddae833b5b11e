"""Models: a list of requests to one model becomes a list of replies, in order (the roles of the paper's section 3).

- ``registry``: which models there are, and who plays which role
- ``requests``: what is asked, what comes back
- ``structured``: replies of a given form, read strictly
- ``calls``: a request becomes a call with a key
- ``replies``: an endpoint's answer becomes a reply with an outcome
- ``embeddings``: the same for vectors
- ``store_rows``, ``store``: every reply that was paid for
- ``store_reading``: what a store holds, summed up or copied
- ``keys``: an endpoint's key, from the environment and to nowhere
- ``retrying``, ``client``: an endpoint, its limits, retries
- ``workers``: many jobs, few tasks
- ``progress``: how far a list is
- ``asking``: all of it together
"""

from conflictscope.models.asking import Models, ReplayMiss
from conflictscope.models.registry import Model, Registry, load_registry
from conflictscope.models.requests import Message, NonBlank, Reply, Request
from conflictscope.models.store import CallStore

__all__ = [
    "CallStore",
    "Message",
    "Model",
    "Models",
    "NonBlank",
    "Registry",
    "ReplayMiss",
    "Reply",
    "Request",
    "load_registry",
]
