from .checks import (
    action_shown_first as action_shown_first,
    apply_filter as apply_filter,
    assign_domains as assign_domains,
    check_scenarios as check_scenarios,
    filter_funnel as filter_funnel,
)
from .dedupe import drop_repeats_over_all as drop_repeats_over_all, mark_duplicates as mark_duplicates
from .from_file import (
    complete_scenarios as complete_scenarios,
    missing_fields as missing_fields,
    read_scenario as read_scenario,
    read_scenario_file as read_scenario_file,
    write_scenario_file as write_scenario_file,
)
from .generation import (
    drop_repeated_scenarios as drop_repeated_scenarios,
    plan_outlines as plan_outlines,
    plan_single_stage as plan_single_stage,
    write_in_single_stage as write_in_single_stage,
    write_outlines as write_outlines,
    write_scenarios as write_scenarios,
)
from .tenets import (
    Reading as Reading,
    alike_pairs as alike_pairs,
    read_tenets as read_tenets,
    split_passages as split_passages,
    value_set_text as value_set_text,
)
from .translation import (
    audit_translation as audit_translation,
    translate_definitions as translate_definitions,
    translate_prompts as translate_prompts,
    translate_scenarios as translate_scenarios,
)
from .value_sets import Value as Value, ValueSet as ValueSet, load_value_set as load_value_set
