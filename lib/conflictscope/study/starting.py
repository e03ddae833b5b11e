"""What a study starts from, where a model writes it: a specification's values, another study in a second language.

In: a Markdown or text file; or the folder of a study that has run. Out: a value set with the sentence behind each
value; or a parameter file with scenarios, prompts, values and the audit beside it. All of it a person can read and mend
before anything is asked of a target, with lines that say what was taken and what was refused or lost. Each translated
scenario names the one that it translates, so that `measure.compare_languages` compares the two studies scenario by
scenario.
"""

from collections import Counter
from pathlib import Path

import pandas as pd
import yaml

from conflictscope import scenarios as sc
from conflictscope.files import read_text, write_atomically, write_text
from conflictscope.models import CallStore, Models, load_registry
from conflictscope.models.records import estimate_tokens
from conflictscope.models.spending import describe_price
from conflictscope.prompts import prompt_files, prompt_texts, use_prompts
from conflictscope.scenarios.tenets import ALIKE
from conflictscope.scenarios.translation import PUT_TO_TARGETS, TEXTS
from conflictscope.study.parameters import Parameters, find_project, path_from_root
from conflictscope.study.provenance import PLACES, read_manifest, read_places
from conflictscope.table_files import read_table

# of the first study alone: where it lies, how it came by its scenarios, what it was compared with
_ITS_OWN = {
    *("study", "run_folder", "scenarios", "generation", "filtered", "overall_threshold"),
    *("earlier_runs", "compare_with", "variant", "replay", *PLACES),
}


def describe_calls(file: Path, author: str | None = None, models_file: Path | None = None) -> str:
    """Return how many calls reading a specification takes and, if the author is named, about how many dollars.

    What comes back is taken to be as long as the text: sentences are copied, and definitions written beside them.
    """
    passages = sc.split_passages(read_text(file))
    letters, more = sum(map(len, passages)), "s" * (len(passages) > 1)
    calls = f"{file}: {len(passages)} passage{more}, {letters:,} characters, one call each"
    if author is None or models_file is None:
        return f"{calls}; name an --author for the price and to ask."
    prompt_tokens = estimate_tokens(len(prompt_texts()["tenets"]))
    tokens_out = estimate_tokens(letters)
    tokens = {author: (len(passages) * prompt_tokens + tokens_out, tokens_out)}
    return f"{calls}, of {author}: {describe_price(load_registry(models_file), tokens)}."


async def write_tenets(
    file: Path,
    place: Path,
    author: str,
    models_file: Path,
    *,
    embedder: str = "tfidf",
    alike: float | None = None,
    each: int | None = None,
    seed: int = 0,
) -> list[str]:
    """Write a specification's tenets as a value set.

    Replies are kept in a call store beside the value set, so that a second try asks nothing twice.

    Parameters
    ----------
    file, place : Path
        The specification, and the value set to be written, which must not be there.
    author : str
        Model of the file of models.
    embedder, alike
        As for `alike_pairs`; without a threshold of either, no pair is left out.
    each, seed
        As for `value_set_text`.

    Returns
    -------
    list of str
        What was taken, refused and left out, and what to do next.

    Raises
    ------
    FileExistsError
        If there is a value set at `place`.
    ValueError
        If fewer than two tenets were taken, or the value set could not be loaded.
    """
    if place.exists():
        raise FileExistsError(f"{place} is there; nothing is written over. Name another file with --out, or move it.")
    text = read_text(file)
    place.parent.mkdir(parents=True, exist_ok=True)
    models = Models(load_registry(models_file), CallStore(place.with_suffix(".calls.sqlite")))
    reading, dropped = await _ask(text, models, author, embedder, alike)
    if len(reading.values) < 2:
        raise ValueError(f"{file}: {len(reading.values)} tenets taken, {len(reading.refused)} refused; expected two.")
    pairs = [(str(one), str(two)) for one, two in zip(dropped["value_1"], dropped["value_2"], strict=True)]
    content = sc.value_set_text(file.stem, reading.values, without=pairs, each=each, seed=seed)
    write_text(place, content)
    value_set = sc.load_value_set(place)
    return [
        f"{len(reading.values)} tenets, {len(reading.refused)} refused; {len(value_set.pairs)} pairs, "
        f"{len(pairs)} left out as alike.",
        *(f"  refused: {row.name}: {row.problem}: {row.sentence!r}" for row in reading.refused.itertuples(index=False)),
        *(f"  alike ({row.similarity:.2f}): {row.value_1}, {row.value_2}" for row in dropped.itertuples()),
        f"Written: {place}. Read it, each value with its sentence, and mend it by hand before anything is asked.",
    ]


async def _ask(
    text: str, models: Models, author: str, embedder: str, alike: float | None
) -> tuple[sc.Reading, pd.DataFrame]:
    """Return what the author made of the text, and the pairs that are too much alike."""
    try:
        reading = await sc.read_tenets(text, models, author)
        if alike is None and embedder not in ALIKE:
            return reading, pd.DataFrame(columns=["value_1", "value_2", "similarity"])
        return reading, await sc.alike_pairs(reading.values, models, embedder, alike)
    finally:
        await models.close()


def describe_translation(folder: Path, author: str, judge: str) -> str:
    """Return how many calls it takes to translate a study, and about how many dollars.

    A translation is taken to have as many tokens as the original.
    """
    places = read_places(folder)
    kept = read_table("kept_scenarios", folder, study=places.study)
    texts = prompt_texts()
    letters = kept[list(TEXTS)].apply(lambda text: text.str.len()).to_numpy().sum()
    values = sc.load_value_set(places.value_set).values
    asked = sum(estimate_tokens(len(texts[name])) for name in PUT_TO_TARGETS)
    asked += sum(estimate_tokens(len(value.definition)) for value in values)
    written = estimate_tokens(int(letters))
    translating, comparing = (
        len(kept) * estimate_tokens(len(texts[name])) for name in ("translate", "check_translation")
    )
    tokens = Counter({(author, "in"): translating + written + asked, (author, "out"): written + asked})
    # back again, then both tellings side by side and a sentence or two about them
    tokens.update({(judge, "in"): translating + comparing + 3 * written, (judge, "out"): written + 50 * len(kept)})
    by_model = {model: (tokens[model, "in"], tokens[model, "out"]) for model in dict.fromkeys((author, judge))}
    price = describe_price(load_registry(places.models_file), by_model)
    return f"{folder}: {len(kept)} scenarios, {3 * len(kept) + len(PUT_TO_TARGETS) + len(values)} calls, {price}."


async def translate_study(folder: Path, file: Path, language: str, author: str, judge: str) -> list[str]:
    """Write what a study of the same scenarios in another language starts from.

    Parameters
    ----------
    folder : Path
        The study that has run.
    file : Path
        The parameter file to write, in a project's ``params``: scenarios and audit go to ``scenarios`` beside it,
        prompts to ``prompts/<name>``, the value set to ``value_sets``.
    language : str
        A BCP-47 tag or a name.
    author, judge : str
        Models that translate, and that translate back and compare.

    Returns
    -------
    list of str
        What was translated, lost and found to differ, and what to do next.

    Raises
    ------
    FileExistsError
        If one of the files is there.
    ValueError
        If nothing could be translated, or a prompt came back with other fields.
    """
    root = find_project(file.parent)
    places, parameters = read_places(folder), read_manifest(folder)["parameters"]
    written, audit_file = (file.parent / "scenarios" / f"{file.stem}{end}" for end in (".csv", ".audit.csv"))
    prompts, values_file = file.parent / "prompts" / file.stem, file.parent / "value_sets" / file.name
    if there := [str(path) for path in (file, written, audit_file, prompts, values_file) if path.exists()]:
        raise FileExistsError(f"{', '.join(there)}: there already; remove it, or choose another name with --out.")
    kept = read_table("kept_scenarios", folder, study=places.study)
    written.parent.mkdir(parents=True, exist_ok=True)
    # what is translated is what the first study's targets were asked
    use_prompts(places.prompts_folder)
    models = Models(load_registry(places.models_file), CallStore(written.with_suffix(".calls.sqlite")))
    try:
        translated, lost = await sc.translate_scenarios(kept, models, author, language)
        if translated.empty:
            raise ValueError(f"{author}: none of {len(kept)} scenarios was translated: {lost['problem'].iloc[0]}.")
        audit = await sc.audit_translation(kept, translated, models, judge, places.language or "English")
        texts = await sc.translate_prompts(models, author, language)
        values = await sc.translate_definitions(sc.load_value_set(places.value_set), models, author, language)
    finally:
        await models.close()
    for name, text in texts.items():
        write_text(prompts / f"{name}.txt", text)
    prompt_files(prompts)
    write_text(values_file, yaml.safe_dump(values.content, sort_keys=False, allow_unicode=True))
    sc.write_scenario_file(translated, written)
    write_atomically(audit_file, lambda temporary: audit.to_csv(temporary, index=False, lineterminator="\n"))
    given = {
        name: parameters[name]
        for name, field in Parameters.model_fields.items()
        if _differs(name, parameters, field.default)
    }
    given |= {
        "value_set": f"value_sets/{values_file.name}",
        "scenarios": f"scenarios/{written.name}",
        "language": language,
        "prompts_folder": path_from_root(prompts, root),
        "filtered": False,
    }
    write_text(file, yaml.safe_dump(given, sort_keys=False, allow_unicode=True))
    other = audit[~audit["same"].fillna(False)]
    why = other["reason"].fillna(other["problem"])
    return [
        f"{len(translated)} of {len(kept)} scenarios translated into {language}; {len(other)} came back as another.",
        *(f"  {scenario}: {reason}" for scenario, reason in zip(other["scenario_id"], why, strict=True)),
        f"Written: {file}, {written}, {audit_file}, {values_file}, {prompts}. Read them, and mend them by hand.",
        f"Next: conflictscope plan {file}",
    ]


def _differs(name: str, parameters: dict, default: object) -> bool:
    """Return whether a parameter of the first study goes into the second's file."""
    return name in parameters and name not in _ITS_OWN and parameters[name] != default
