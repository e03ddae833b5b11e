"""Files in other people's formats, written for these tests in our own words."""

import csv
import gzip
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def write_csv(tmp_path):
    """Return ``write_csv(rows, name="data.csv") -> path``; a row that is a list is written as it is."""

    def write(rows, name="data.csv", encoding="utf-8"):
        columns = list(rows[0])
        path = tmp_path / name
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(row if isinstance(row, list) else [row[column] for column in columns] for row in rows)
        return path

    return write


@pytest.fixture
def write_lines(tmp_path):
    """Return ``write_lines(records, name) -> path``; a record that is text is written as it is."""

    def write(records, name="data.jsonl"):
        path = tmp_path / name
        text = "".join((record if isinstance(record, str) else json.dumps(record)) + "\n" for record in records)
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "wt", encoding="utf-8") as file:
            file.write(text)
        return path

    return write


@pytest.fixture
def shared_data():
    """The folder of public data sets beside the project, where there is one."""
    found = next((folder for parent in ROOT.parents if (folder := parent / "shared" / "data").is_dir()), None)
    if found is None:
        pytest.skip("the public data sets are not at ../shared/data; the project does not need them")
    return found
