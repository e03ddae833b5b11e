"""A study's scenarios as an Inspect task: the samples, and the file that Inspect is pointed at.

In: kept scenarios and their opening messages. Out: ``scenarios.jsonl`` and ``<study>.py``, to be run by ``inspect
eval`` where this package is installed with its extra ``inspect``. The target sees the opening message alone (paper,
section 3.3); the actions are metadata, for the judge.
"""

import json
import re
from pathlib import Path

import pandas as pd

from conflictscope.files import write_atomically

SAMPLES = "scenarios.jsonl"
_SHOWN_TO_JUDGE = ["value_1", "value_2", "structure", "severity", "acting_value", "description", "action_1", "action_2"]
_TASK_FILE = '''"""Scenarios of the study {study!r}: a model replies to each message, and a judge reads the reply.

    inspect eval {name}.py --model openai/gpt-4.1 --model-role judge=openai/gpt-4.1

Needs the package conflictscope with its extra ``inspect``. Read the log back with
conflictscope.exchange.inspect_logs.choices_from_inspect.
"""

from pathlib import Path

from inspect_ai import Task, task

from conflictscope.exchange.inspect_task import conflict_task


@task
def {name}(judge: str | None = None, seed: int = 0) -> Task:
    """Put each opening message to the model; `judge` names the judge where no role does."""
    return conflict_task(Path(__file__).with_name({samples!r}), judge=judge, seed=seed)
'''


def export_inspect_task(
    scenarios: pd.DataFrame, opening_messages: pd.DataFrame, to: Path | str, *, study: str
) -> tuple[Path, int]:
    """Write a study's scenarios as a task for Inspect.

    Parameters
    ----------
    scenarios : DataFrame
        Columns of the table ``kept_scenarios``.
    opening_messages : DataFrame
        Columns of the table ``opening_messages``; only the usable ones become samples.
    to : Path or str
        The folder.
    study : str
        Name of the study.

    Returns
    -------
    path : Path
        The task's file.
    samples : int
        How many scenarios have a usable opening message.

    Raises
    ------
    ValueError
        Where none has.
    """
    usable = opening_messages[opening_messages["usable"].astype(bool)]
    asked = scenarios.merge(usable[["scenario_id", "message"]], on="scenario_id")
    if asked.empty:
        raise ValueError(
            f"{study}: none of {len(scenarios)} scenarios has a usable opening message; expected at least one. "
            "Run notebook 04 first."
        )
    told = asked[_SHOWN_TO_JUDGE].astype("object").where(asked[_SHOWN_TO_JUDGE].notna(), None).to_dict("records")
    samples = [
        {"id": row.scenario_id, "input": row.message, "target": "", "metadata": metadata}
        for row, metadata in zip(asked.itertuples(), told, strict=True)
    ]
    lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    name = re.sub(r"\W", "_", study, flags=re.ASCII).lower()
    name = f"study_{name}" if not name.isidentifier() else name
    path = Path(to) / f"{name}.py"
    text = _TASK_FILE.format(study=study, name=name, samples=SAMPLES)
    write_atomically(Path(to) / SAMPLES, lambda temporary: Path(temporary).write_text(lines, encoding="utf-8"))
    write_atomically(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))
    return path, len(samples)
