"""Scenarios: from a value set to conflicts that passed six checks (paper, sections 3.1 and 3.2).

- ``value_sets``: read and lint a value set; list its pairs
- ``tenets``: a specification becomes a value set, each value with the sentence it rests on
- ``outlines``: first step, outlines over templates and directions
- ``dedupe``: mark outlines that repeat an earlier one of their pair; drop scenarios that repeat one of any pair
- ``writing``: second step, full scenarios; or scenarios without outlines, the paper's ablations
- ``translation``: scenarios of one study in a second language, audited by translating them back
- ``from_file``: scenarios that exist already, and what they lack, added by the author
- ``checks``: the six checks, what became of each scenario, and which action a judge sees as A
- ``domains``: which part of life each scenario is from
"""

from typing import TYPE_CHECKING

from conflictscope.rooms import open_rooms

if TYPE_CHECKING:
    from conflictscope.scenarios.checks import action_shown_first, apply_filter, check_scenarios, filter_funnel
    from conflictscope.scenarios.dedupe import drop_repeats_over_all, mark_duplicates
    from conflictscope.scenarios.domains import assign_domains
    from conflictscope.scenarios.from_file import (
        complete_scenarios,
        missing_fields,
        read_scenario,
        read_scenario_file,
        write_scenario_file,
    )
    from conflictscope.scenarios.outlines import plan_outlines, write_outlines
    from conflictscope.scenarios.tenets import Reading, alike_pairs, read_tenets, split_passages, value_set_text
    from conflictscope.scenarios.translation import audit_translation, translate_prompts, translate_scenarios
    from conflictscope.scenarios.value_sets import Value, ValueSet, load_value_set
    from conflictscope.scenarios.writing import (
        drop_repeated_scenarios,
        plan_single_stage,
        write_in_single_stage,
        write_scenarios,
    )

__all__ = [
    "Reading",
    "Value",
    "ValueSet",
    "action_shown_first",
    "alike_pairs",
    "apply_filter",
    "assign_domains",
    "audit_translation",
    "check_scenarios",
    "complete_scenarios",
    "drop_repeated_scenarios",
    "drop_repeats_over_all",
    "filter_funnel",
    "load_value_set",
    "mark_duplicates",
    "missing_fields",
    "plan_outlines",
    "plan_single_stage",
    "read_scenario",
    "read_scenario_file",
    "read_tenets",
    "split_passages",
    "translate_prompts",
    "translate_scenarios",
    "value_set_text",
    "write_in_single_stage",
    "write_outlines",
    "write_scenario_file",
    "write_scenarios",
]
__getattr__ = open_rooms(
    __name__,
    {
        "checks": ("action_shown_first", "apply_filter", "check_scenarios", "filter_funnel"),
        "dedupe": ("drop_repeats_over_all", "mark_duplicates"),
        "domains": ("assign_domains",),
        "from_file": (
            "complete_scenarios",
            "missing_fields",
            "read_scenario",
            "read_scenario_file",
            "write_scenario_file",
        ),
        "outlines": ("plan_outlines", "write_outlines"),
        "tenets": ("Reading", "alike_pairs", "read_tenets", "split_passages", "value_set_text"),
        "translation": ("audit_translation", "translate_prompts", "translate_scenarios"),
        "value_sets": ("Value", "ValueSet", "load_value_set"),
        "writing": ("drop_repeated_scenarios", "plan_single_stage", "write_in_single_stage", "write_scenarios"),
    },
)
