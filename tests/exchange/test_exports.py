"""Exports read back as they were, with the real libraries; the card's header is what the Hub takes."""

from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from conflictscope import exchange
from conflictscope.table_files import check_table, write_table
from conflictscope.tables import DTYPES, TABLES

ROOT = Path(__file__).parents[2]
AWKWARD = ["", "a\nb", "a\r\nb", 'said "no", twice', "=SUM(A1)", "+1", "-1", "@x", "NA", "null", " lead", "é🥖", ","]


def scenario(number, **more):
    row = {column.name: column.name for column in TABLES["scenarios"].columns}
    row |= {"scenario_id": f"s{number:02d}", "structure": "means", "severity": "mild", "author": "simulated/author"}
    return row | more


@pytest.fixture
def study(tmp_path):
    """A study's folder with awkward texts, missing texts beside empty ones, and every kind of column."""
    folder = tmp_path / "run"
    scenarios = pd.DataFrame([scenario(n, description=text) for n, text in enumerate(AWKWARD)])
    scenarios.loc[0, "acting_value"] = None
    verdict = {"target": "gpt-4.1", "arm": "default", "repetition": 0, "judge": "simulated/judge"}
    verdicts = pd.DataFrame(
        [
            verdict
            | {"scenario_id": f"s{n:02d}", "action_shown_first": 1 + n % 2, "outcome": "choice" if n % 3 else "invalid"}
            | {"action": 1 + n % 2 if n % 3 else None, "leaning": 7 if n % 3 else None, "raw": text}
            | {"reasoning": None if n % 2 else "", "problem": None}
            for n, text in enumerate(AWKWARD)
        ]
    )
    verdicts.loc[3, "raw"] = None
    ranking = {"target": "gpt-4.1", "condition": "open_ended", "arm": "default", "choices": 3, "scenarios": 9}
    rankings = pd.DataFrame(
        [
            ranking | {"value": "a", "strength": 0.1 + 0.2, "rank": 1, "tie_group": "a", "identified": True},
            ranking | {"value": "b", "strength": None, "rank": None, "tie_group": None, "identified": False},
        ]
    )
    ends = ["strength_low", "strength_high", "rank_low", "rank_high", "paper_strength"]
    rankings[ends] = None
    for frame, name in ((scenarios, "scenarios"), (scenarios, "kept_scenarios"), (verdicts, "verdicts")):
        write_table(frame, name, folder, study="made up")
    write_table(rankings, "rankings", folder, study="made up")
    return folder


NAMES = ("scenarios", "verdicts", "rankings")


def read_back(folder, name, format):
    """Return an exported table as Arrow reads it: in CSV, what is quoted is a text and what is not may be missing."""
    path = folder / f"{name}.{format}"
    if format == "parquet":
        return check_table(pq.read_table(path).to_pandas(), name)
    convert = pcsv.ConvertOptions(
        column_types={column.name: DTYPES[column.kind][2] for column in TABLES[name].columns},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    options = {"parse_options": pcsv.ParseOptions(newlines_in_values=True), "convert_options": convert}
    # a row has to fit into a block
    blocks = pcsv.ReadOptions(block_size=max(path.stat().st_size, 2**20))
    return check_table(pcsv.read_csv(path, read_options=blocks, **options).to_pandas(), name)


@pytest.mark.parametrize("format", exchange.FILE_FORMATS)
def test_tables_come_back_as_they_were(study, tmp_path, format):
    tables = exchange.export_tables(study, tmp_path / "out", names=NAMES, format=format)
    for name in NAMES:
        back = read_back(tmp_path / "out", name, format)
        pd.testing.assert_frame_equal(back, tables[name])
        assert back.dtypes.equals(tables[name].dtypes)
    verdicts = read_back(tmp_path / "out", "verdicts", format)
    assert verdicts["raw"].isna().tolist() == [n == 3 for n in range(len(AWKWARD))]
    assert verdicts["raw"][0] == "" and verdicts["reasoning"][0] == "" and pd.isna(verdicts["reasoning"][1])
    assert read_back(tmp_path / "out", "rankings", format)["strength"][0] == 0.1 + 0.2


def test_a_text_longer_than_what_a_reader_takes_at_once_keeps_its_lines(tmp_path):
    long = pd.DataFrame([scenario(n, description="a line\n" * 200_000) for n in range(3)])
    tables = write_table(long, "scenarios", tmp_path / "run", study="long")
    exchange.export_tables(tmp_path / "run", tmp_path / "out", names=["scenarios"], format="csv")
    pd.testing.assert_frame_equal(read_back(tmp_path / "out", "scenarios", "csv"), tables)


def test_others_tools_read_the_files_too(study, tmp_path):
    exchange.export_tables(study, tmp_path / "out", names=NAMES, format="csv")
    plain = pd.read_csv(tmp_path / "out" / "scenarios.csv", keep_default_na=False, dtype="str")
    assert plain["description"].tolist() == AWKWARD
    exchange.export_tables(study, tmp_path / "out", names=NAMES, format="parquet")
    schema = pq.read_schema(tmp_path / "out" / "verdicts.parquet")
    assert str(schema.field("action").type) == "int64" and str(schema.field("raw").type) == "string"


def test_the_dictionary_describes_every_column_of_every_file(study, tmp_path):
    exchange.export_tables(study, tmp_path / "out", names=NAMES, format="csv")
    dictionary = pd.read_csv(tmp_path / "out" / "data_dictionary.csv").set_index(["table", "column"])
    for name in NAMES:
        header = pd.read_csv(tmp_path / "out" / f"{name}.csv", nrows=0).columns.tolist()
        assert dictionary.loc[name].index.tolist() == header
    row = dictionary.loc[("verdicts", "outcome")]
    assert row["allowed"] == "choice|refusal|neither|invalid|error" and not row["may_be_empty"]
    assert dictionary.loc[("verdicts", "judge"), "key"] and not dictionary.loc[("verdicts", "raw"), "key"]
    assert dictionary["meaning"].notna().all() and dictionary.loc[("rankings", "strength"), "type"] == "double"


class Feature(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    dtype: Literal["string", "int64", "float64", "bool"]


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")
    config_name: str
    data_files: str
    default: bool = False


class Info(BaseModel):
    model_config = ConfigDict(extra="forbid")
    config_name: str
    features: list[Feature]


class Header(BaseModel):
    """The keys of the Hub's data-set cards that ours uses."""

    model_config = ConfigDict(extra="forbid")
    pretty_name: str
    license: str
    language: list[str]
    size_categories: list[Literal["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M"]]
    tags: list[str]
    configs: list[Config]
    dataset_info: list[Info]


def header_of(text):
    assert text.startswith("---\n")
    return Header.model_validate(yaml.safe_load(text[4:].split("\n---\n", 1)[0]), strict=True)


def test_the_card_names_every_file_and_what_is_in_it(study, tmp_path):
    tables = exchange.export_tables(study, tmp_path, names=NAMES, format="csv")
    header = header_of(exchange.dataset_card("made up", tables, {"gpt-4.1": False}, format="csv"))
    assert [config.config_name for config in header.configs] == list(NAMES)
    assert all((tmp_path / config.data_files).exists() for config in header.configs)
    assert [config.default for config in header.configs] == [True, False, False]
    for info in header.dataset_info:
        columns = pd.read_csv(tmp_path / f"{info.config_name}.csv", nrows=0).columns.tolist()
        assert [feature.name for feature in info.features] == columns
    assert header.size_categories == ["n<1K"]
    many = {"scenarios": pd.concat([tables["scenarios"]] * 100)}
    assert header_of(exchange.dataset_card("x", many, {}, format="csv")).size_categories == ["1K<n<10K"]


def test_the_card_says_what_is_simulated_unknown_and_undecided(study, tmp_path):
    tables = exchange.export_tables(study, tmp_path, names=NAMES)
    models = {"simulated/author": True, "simulated/judge": True}
    text = exchange.dataset_card("made up", tables, models, format="parquet")
    assert "simulated" in header_of(text).tags and header_of(text).license == "unknown"
    assert "simulated/author, simulated/judge are simulated models" in text and "no finding about any model" in text
    assert "Whether gpt-4.1 are simulated models is not known" in text
    assert "No licence has been chosen" in text
    assert "| `scenarios` | 13 |" in text and "| 4 |\n" in text
    real = exchange.dataset_card(
        "x", tables, dict.fromkeys(["gpt-4.1", *models], False), format="parquet", licence="cc-by-4.0"
    )
    assert "simulated" not in header_of(real).tags and header_of(real).license == "cc-by-4.0"
    assert "No simulated model took part." in real and "No licence" not in real


def test_what_does_not_fit_is_refused_in_words(study, tmp_path):
    with pytest.raises(ValueError, match=r"tables: found \['moods'\]; expected some of"):
        exchange.export_tables(study, tmp_path, names=["moods"])
    with pytest.raises(ValueError, match=r"did you mean 'rankings'"):
        exchange.export_tables(study, tmp_path, names=["rankngs"])
    with pytest.raises(ValueError, match="format: found 'xlsx'"):
        exchange.export_tables(study, tmp_path, format="xlsx")
    with pytest.raises(FileNotFoundError, match="choices"):
        exchange.export_tables(study, tmp_path, names=["choices"])
    with pytest.raises(FileNotFoundError, match="holds no tables"):
        exchange.name_of_study(tmp_path / "nowhere")


def test_the_command_exports_and_says_what(study, tmp_path, run_python):
    kept = pd.DataFrame([scenario(n, description=text) for n, text in enumerate(AWKWARD)])
    message = {"simulated_user": "u", "message": "Hm?", "has_artifact": False, "keeps_tag": False, "usable": True}
    opened = pd.DataFrame([message | {"scenario_id": f"s{n:02d}"} for n in range(len(kept))])
    opened = opened.assign(named_value=None, problem=None, raw="Hm?")
    opened.loc[0, "usable"] = False
    write_table(opened, "opening_messages", study, study="made up")
    command = ["-m", "conflictscope", "export", str(study), "--to", str(tmp_path / "out")]
    command += ["--format", "csv", "--table", "scenarios", "--table", "verdicts", "--inspect"]
    done = run_python(*command, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "scenarios.csv: 13 rows" in done.stdout and "its licence is yours to choose" in done.stdout
    assert "8 texts begin like a formula" in done.stdout and "kept 12 of 13 scenarios" in done.stdout
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "data_dictionary.csv",
        "inspect",
        "scenarios.csv",
        "verdicts.csv",
    ]
    assert (tmp_path / "out" / "inspect" / "made_up.py").exists()
    header_of((tmp_path / "out" / "README.md").read_text())
    refused = run_python(*command[:3], tmp_path, *command[4:], cwd=ROOT)
    assert refused.returncode == 1 and "holds no tables" in refused.stderr and "Traceback" not in refused.stderr
