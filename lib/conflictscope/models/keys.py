"""The key of an endpoint: read from the environment, and taken out of whatever comes back.

In: a model; what its endpoint sent. Out: its key; the same without the key. An endpoint may echo the key in an error,
or a model in a reply, and what comes back is stored, shown and packed.
"""

import base64
import os
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

from conflictscope.models.registry import Model

HIDDEN = "…"
# what stands in the place of a key where an endpoint wants none (`EMPTY`) is shorter, no secret, and may be a word
_SHORTEST = 12


def read_key(model: Model) -> str | None:
    """Return the key, or None where the endpoint asks for none.

    Raises
    ------
    ValueError
        Where the environment variable that is to hold it is not set.
    """
    if model.key_variable is None:
        return None
    key = os.environ.get(model.key_variable, "").strip()
    if not key:
        raise ValueError(
            f"model {model.name!r} needs its key in the environment variable {model.key_variable}, which is not set. "
            f"Set it (export {model.key_variable}=…) and run again; no call has been made."
        )
    return key


def hide_key(found: Any, key: str | None) -> Any:
    """Return text, or what JSON can hold, with ``…`` wherever the key stood: as it is, URL-quoted or in base64."""
    if key is None or len(key) < _SHORTEST:
        return found
    if isinstance(found, str):
        for form in _forms(key):
            found = found.replace(form, HIDDEN)
        return found
    if isinstance(found, list):
        # a vector's numbers hold no key, and there are many of them
        return [item if isinstance(item, float) else hide_key(item, key) for item in found]
    if isinstance(found, dict):
        return {hide_key(name, key): hide_key(item, key) for name, item in found.items()}
    return found


@cache
def _forms(key: str) -> list[str]:
    """Return how a key may be written, longest first; of base64 what does not depend on the text around it."""
    forms = {key, quote(key), quote(key, safe=""), quote_plus(key)}
    for shift in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * shift + key.encode()).decode().rstrip("=")
            # the first characters hold bits of what stands before the key, the last one of what stands behind it
            forms.add(encoded[-(-shift * 8 // 6) : len(encoded) - 1])
    return sorted((form for form in forms if form), key=len, reverse=True)
