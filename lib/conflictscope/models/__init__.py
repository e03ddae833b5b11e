"""Models: a list of requests to one model becomes a list of replies, in order (the roles of the paper's section 3).

- ``registry``: which models there are, who plays which role, and what they cost
- ``thoughts``: a reply's thoughts, split off
- ``requests``: what is asked, the call that it becomes, the reply that is read
- ``embeddings``: the same for vectors
- ``records``, ``store``: attempts, tokens and tables; the cache of every reply that was paid for
- ``patience``: calls and tokens a minute, retries, circuit breaker
- ``wire``, ``client``: a connection for each request; one endpoint, its key and its limits
- ``spending``: budget and ledger
- ``batch_providers``, ``batches``: calls handed over in files, at half the price
- ``progress``: how far a list is
- ``probing``: what an endpoint takes, found out before a study is put to it
- ``asking``: stored already? → allowed? → sent → stored → read
- ``rescue``: what can still be read of a damaged store
"""

import lazy_loader

# modules are imported when one of their names is first used: the command line answers sooner so
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
