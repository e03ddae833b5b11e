"""One way in: the columns say which data set it is; anything else is refused in words."""

import pytest

from conflictscope.exchange import FORMATS, import_scenarios
from conflictscope.exchange.data_sets import recognise


def test_an_unknown_file_is_refused_with_the_formats_there_are(write_csv, tmp_path):
    with pytest.raises(ValueError, match="no known format") as problem:
        import_scenarios(write_csv([{"question": "a", "answer": "b"}]))
    assert all(name in str(problem.value) for name in FORMATS) and "['question', 'answer']" in str(problem.value)
    with pytest.raises(FileNotFoundError, match=r"nothing\.csv is not there"):
        import_scenarios(tmp_path / "nothing.csv")


def test_a_format_that_is_named_is_held_to(write_csv):
    path = write_csv([{"chosen": "a", "rejected": "b"}])
    assert recognise(path) == "hh_rlhf"
    with pytest.raises(ValueError, match="MoralChoice CSV: missing"):
        import_scenarios(path, "moralchoice")
    with pytest.raises(ValueError, match="format: found 'moralchoices'"):
        import_scenarios(path, "moralchoices")
    with pytest.raises(ValueError, match=r"'hh_rlhf' takes no \['several'\]; expected some of \['labels', 'name'\]"):
        import_scenarios(path, several="all")
