"""ConflictScope: which value does a language model act on when two of them collide? (arXiv 2509.25369).

In the order in which data flows; a folder imports only from those above it:

- ``files``: read and write files safely
- ``shown``: text for a terminal, one colour a value
- ``tables``, ``table_files``: columns, types and meaning of every table; tables on disk
- ``prompts``: one text file per prompt
- ``simulated``: the embedded models, so that everything runs without a key or a network
- ``models``: talk to models; every reply is stored the moment it arrives
- ``scenarios``: value sets, outlines, duplicates, full scenarios, the six checks
- ``elicit``: multiple choice, open-ended conversations, the judge
- ``measure``: choices, rankings, intervals
- ``figures``: tidy table in, axes out
- ``exchange``: others' files in, results that others can use out
- ``browse``: scenarios, responses and verdicts as HTML and widgets; blind labels
- ``study``: parameter files, the notebooks in order, the command line

To explore a study that has begun: ``study = conflictscope.open("runs/hhh")``, then ``study.describe()``.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conflictscope.browse.cases import Case as Case
    from conflictscope.study import exploring
    from conflictscope.study.exploring import Study as Study
    from conflictscope.study.exploring import compare as compare

    open = exploring.open_study

_OF_EXPLORING = {"Case": "Case", "Study": "Study", "compare": "compare", "open": "open_study"}


def __getattr__(name: str) -> object:
    """Import what explores a study when it is used: ``import conflictscope`` alone stays fast."""
    if name not in _OF_EXPLORING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.study.exploring"), _OF_EXPLORING[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *_OF_EXPLORING})
