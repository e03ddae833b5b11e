"""Exchange: others' files become our tables, and our tables become files that others can use.

- ``imported``: what every importer returns
"""

from conflictscope.exchange.imported import Imported

__all__ = ["Imported"]
