"""Models: a list of requests to one model becomes a list of replies, in order (the roles of the paper's section 3).

- ``registry``: which models there are, and who plays which role
- ``thoughts``: a reply's thoughts, split off
- ``prices``: what models cost by a packaged list
- ``requests``: what is asked, the call that it becomes, the reply that is read
- ``embeddings``: the same for vectors
- ``records``, ``store``: attempts, tokens and tables; the cache of every reply that was paid for
- ``patience``: retries and circuit breaker
- ``rates``: calls and tokens a minute, kept by all processes together
- ``wire``, ``client``: a connection for each request; one endpoint, its key and its limits
- ``whole_prompts``: whether the server read whole prompts
- ``spending``: budget and ledger
- ``batch_providers``, ``message_batches``, ``batches``: calls handed over in files, at half the price
- ``progress``: how far a list is
- ``probing``: what an endpoint takes, found out before a study is put to it
- ``asking``: stored already? → allowed? → sent → stored → read
- ``rescue``: what can still be read of a damaged store
"""

import lazy_loader

# modules are imported when one of their names is first used: the command line answers sooner so
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
