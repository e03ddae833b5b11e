from .comparing import (
    answer as answer,
    read_data_sets as read_data_sets,
    read_earlier_outlines as read_earlier_outlines,
    read_points as read_points,
)
from .findings import (
    placebo_cancels as placebo_cancels,
    sum_up_changes as sum_up_changes,
    sum_up_pairs as sum_up_pairs,
    sum_up_shifts as sum_up_shifts,
    sum_up_steering as sum_up_steering,
    sum_up_support as sum_up_support,
)
from .notebook import Run as Run, open_run as open_run, show_table as show_table, start_run as start_run
from .parameters import project_path as project_path
