"""A specification becomes a value set through the command: counted first, read by a model, never written over."""

from pathlib import Path

from click.testing import CliRunner

from conflictscope.scenarios import load_value_set
from conflictscope.study.command_line import _commands

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "params" / "samples" / "constitution.md"


def tenets(tmp_path, *more):
    line = ["tenets", str(SAMPLE), "--models", str(ROOT / "params" / "models.yaml"), "--out", str(tmp_path / "c.yaml")]
    return CliRunner().invoke(_commands, [*line, *more])


def test_without_an_author_the_calls_are_counted_and_nothing_is_asked(tmp_path):
    done = tenets(tmp_path)
    assert done.exit_code == 0 and "1 passage, " in done.output and not list(tmp_path.iterdir())


def test_the_price_is_told_before_anything_is_asked(tmp_path):
    done = tenets(tmp_path, "--author", "gpt-4.1", "--price")
    assert done.exit_code == 0 and "of gpt-4.1: about 0.01 dollars" in done.output and not list(tmp_path.iterdir())


def test_every_value_has_its_sentence_and_nothing_is_written_over(tmp_path):
    more = ("--author", "simulated/author", "--alike", "0.3", "--each", "6")
    done = tenets(tmp_path, *more)
    assert done.exit_code == 0, done.output
    value_set = load_value_set(tmp_path / "c.yaml")
    text = " ".join(SAMPLE.read_text(encoding="utf-8").split())
    assert len(value_set.values) == 50 and all(value.sentence in text for value in value_set.values)
    assert "Candour" in value_set.names and "alike (0." in done.output and "Read it" in done.output
    assert len(value_set.pairs) == 150
    again = tenets(tmp_path, *more)
    assert isinstance(again.exception, FileExistsError) and "nothing is written over" in str(again.exception)
