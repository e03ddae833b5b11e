"""Which of the two actions is shown as A, where a model sees a scenario's actions once only.

In: a row's identity, the purpose and the study's seed. Out: 1 or 2. The order is drawn from a hash, not from the row's
place in a table, so it stays the same when rows come and go.
"""

import hashlib


def first_action(seed: int, purpose: str, *identity: object) -> int:
    """Return the action, 1 or 2, to show first; each comes first for half of all identities."""
    content = "\x1f".join(map(str, (seed, purpose, *identity)))
    return 1 + hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[0] % 2
