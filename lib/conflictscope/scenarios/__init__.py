"""Scenarios: from a value set to conflicts that passed six checks (paper, sections 3.1 and 3.2).

- ``value_sets``: read and lint a value set; list its pairs
- ``outlines``: first step, outlines over templates and directions
- ``embedding``: how alike two texts are
- ``dedupe``: mark outlines that repeat an earlier one
- ``writing``: second step, full scenarios
- ``one_step``: scenarios without outlines, the paper's ablations
- ``given``: scenarios that exist already, read from a file
- ``completing``: what they lack, added by the author
- ``label_order``: which action a judge sees as A
- ``checks``: the six checks and what became of each scenario
- ``domains``: which part of life each scenario is from
"""

from conflictscope.scenarios.checks import check_scenarios, decide, filter_funnel, first_action
from conflictscope.scenarios.dedupe import mark_duplicates
from conflictscope.scenarios.domains import assign_domains
from conflictscope.scenarios.from_file import complete_scenarios, missing_fields, read_given, write_given
from conflictscope.scenarios.outlines import plan_outlines, write_outlines
from conflictscope.scenarios.value_sets import Value, ValueSet, load_value_set
from conflictscope.scenarios.writing import kept_of, plan_one_step, write_in_one_step, write_scenarios

__all__ = [
    "Value",
    "ValueSet",
    "assign_domains",
    "check_scenarios",
    "complete_scenarios",
    "decide",
    "filter_funnel",
    "first_action",
    "kept_of",
    "load_value_set",
    "mark_duplicates",
    "missing_fields",
    "plan_one_step",
    "plan_outlines",
    "read_given",
    "write_given",
    "write_in_one_step",
    "write_outlines",
    "write_scenarios",
]
