"""The data-set card: what a study's exported tables are, for people and for the Hugging Face Hub.

In: the tables as exported. Out: the text of a ``README.md`` whose YAML header names one configuration a table. What
only the researcher can decide, the licence, is left open in so many words. No section of the paper (arXiv 2509.25369).
"""

from collections.abc import Mapping

import pandas as pd
import yaml

from conflictscope.columns import DTYPES
from conflictscope.exchange.tidy_files import DICTIONARY, Format, count_formula_cells
from conflictscope.tables import TABLES

PAPER = "arXiv 2509.25369"
# the Hub's own names for sizes, in rows
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
_LARGEST = "10M<n<100M"
_HUB_TYPES = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}
_ROLES = {"author": "author", "target": "targets", "judge": "judge"}


def dataset_card(
    study: str,
    tables: Mapping[str, pd.DataFrame],
    simulated: Mapping[str, bool],
    *,
    format: Format,
    licence: str | None = None,
    language: str = "en",
) -> str:
    """Write the card of a study's exported tables.

    Parameters
    ----------
    study : str
        Name of the study.
    tables : mapping
        Name → table, as `export_tables` gives them.
    simulated : mapping
        Model → whether it is one of the embedded simulated models; a model that is missing here is said to be unknown.
    format : str
        Of the files: ``csv`` or ``parquet``.
    licence : str, optional
        The Hub's name for the licence that the researcher has chosen; None: ``unknown``, and the card says that the
        choice is still to be made.
    language : str
        ISO 639-1 code of the scenarios' language.

    Returns
    -------
    str
        A YAML header between two lines ``---``, and Markdown.
    """
    models = models_in(tables)
    made_up = [name for name in models if simulated.get(name)]
    unknown = [name for name in models if name not in simulated]
    longest = max((len(table) for table in tables.values()), default=0)
    header = {
        "pretty_name": f"ConflictScope: {study}",
        "license": licence or "unknown",
        "language": [language],
        "size_categories": [next((name for rows, name in _SIZES if longest < rows), _LARGEST)],
        "tags": ["conflictscope", "value-conflicts", *(["simulated"] if made_up else []), "synthetic"],
        "configs": [
            {"config_name": name, "data_files": f"{name}.{format}"} | ({"default": True} if place == 0 else {})
            for place, name in enumerate(tables)
        ],
        "dataset_info": [{"config_name": name, "features": _features(name)} for name in tables],
    }
    counts = "\n".join(
        f"| `{name}` | {len(table):,} | {TABLES[name].meaning} | {count_formula_cells(table):,} |"
        for name, table in tables.items()
    )
    played = "\n".join(f"- {_ROLES[role]}: {', '.join(names)}" for role, names in _by_role(tables).items())
    return f"""---
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000)}---

# ConflictScope: {study}

Scenarios in which two values pull an assistant apart, and what language models chose in them, as multiple choice and in
conversation. Method: Liu, Ghate, Diab, Fried, Kasirzadeh and Kleiman-Weiner, *Generative Value Conflicts Reveal LLM
Priorities* ({PAPER}).

{_said_of_models(made_up, unknown)}

{_said_of_licence(licence)}

## Tables

| table | rows | what it holds | cells like a formula |
| --- | --- | --- | --- |
{counts}

Every column is described in `{DICTIONARY}`. A choice has one outcome: `choice`, `refusal`, `neither`, `invalid` (it
could not be read) or `error` (it never came); only `choice` has a winner. In CSV files an empty text is `""` and a
missing one is nothing between two commas. Texts are as the models wrote them: cells that begin with `=`, `+`, `-` or
`@` are counted above; a spreadsheet would take them for formulas, so import them as text.

## Models

{played}
"""


def models_in(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the models that wrote, answered or judged in these tables, each once."""
    return list(dict.fromkeys(name for names in _by_role(tables).values() for name in names))


def _by_role(tables: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    """Return role → the models that the tables name in it."""
    found = {
        role: sorted({str(name) for table in tables.values() if role in table for name in table[role].dropna()})
        for role in _ROLES
    }
    return {role: names for role, names in found.items() if names}


def _features(name: str) -> list[dict[str, str]]:
    """Return the columns of a table with the Hub's types."""
    return [{"name": column.name, "dtype": _HUB_TYPES[str(DTYPES[column.kind][2])]} for column in TABLES[name].columns]


def _said_of_models(made_up: list[str], unknown: list[str]) -> str:
    """Return what the card says about where the text and the choices come from."""
    said = []
    if made_up:
        said.append(
            f"**Simulated.** {', '.join(made_up)} are simulated models: this is a demonstration and a test of the "
            "instrument, and no finding about any model."
        )
    if unknown:
        said.append(f"Whether {', '.join(unknown)} are simulated models is not known: the file of models lacks them.")
    return "\n\n".join(said) or "No simulated model took part."


def _said_of_licence(licence: str | None) -> str:
    """Return what the card says about its licence."""
    if licence:
        return f"Licence: {licence}."
    return (
        "**No licence has been chosen.** Whoever publishes this has to: set `license` in the header, after a look at "
        "what the makers of the models named below allow to be done with their output."
    )
