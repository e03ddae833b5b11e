"""Scenarios: from a value set to conflicts that passed six checks (paper, sections 3.1 and 3.2).

- ``value_sets``: read and lint a value set; list its pairs
- ``tenets``: a specification becomes a value set, each value with the sentence it rests on
- ``generation``: first step, outlines over templates and directions; second step, full scenarios; or scenarios without
  outlines, the paper's ablations
- ``dedupe``: mark outlines that repeat an earlier one of their pair; drop scenarios that repeat one of any pair
- ``translation``: scenarios of one study in a second language, audited by translating them back
- ``from_file``: scenarios that exist already, and what they lack, added by the author
- ``checks``: the six checks, what became of each scenario, its part of life, which action a judge sees as A
"""

import lazy_loader

# modules are imported when one of their names is first used: the command line answers sooner so
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
