"""What other studies left is read as it was written, or refused with words."""

import pandas as pd
import pytest

from conflictscope.study import read_earlier_outlines, read_points
from conflictscope.table_files import write_table


def outlines(identifier):
    row = {name: name for name in ("value_1", "value_2", "context", "action_opportunity", "good", "harm", "author")}
    row |= {"outline_id": identifier, "structure": "means", "severity": "mild", "acting_value": "value_1"}
    return pd.DataFrame([row | {"nearest": None, "similarity": None, "kept": True, "embedder": "tfidf"}])


def test_outlines_of_several_studies_are_read_whatever_their_names(tmp_path):
    for study in ("one", "other"):
        write_table(outlines(study), "outlines", tmp_path / study, study=study)
    found = read_earlier_outlines([tmp_path / "one", tmp_path / "other"])
    assert found["outline_id"].tolist() == ["one", "other"]
    assert read_earlier_outlines([]) is None


def test_a_study_that_has_not_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"earlier_runs: .*outlines.parquet is not there"):
        read_earlier_outlines([tmp_path])
    with pytest.raises(FileNotFoundError, match=r"compare_with: .*agreement.csv is not there"):
        read_points([tmp_path])


def test_only_a_study_s_own_point_is_taken(tmp_path):
    pd.DataFrame({"variant": ["direct", "full"], "agreement": [0.8, 0.7]}).to_csv(
        tmp_path / "agreement.csv", index=False
    )
    (point,) = read_points([tmp_path])
    assert point["variant"].tolist() == ["direct"]
