"""What a run says where a notebook does not come to its end."""

import json

import nbformat
import pytest

from conflictscope.study.parameters import load_parameters
from conflictscope.study.runner import NotebookFailed, run_study

FIRST = "01_generate_scenarios"
ENDS = {
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)": "kernel died",
    # the cells after it may begin before the kernel has ended
    "exit()": "kernel died|stopped before its end",
    "1 / 0": "ZeroDivisionError",
    "from tornado.log import gen_log; gen_log.error('plumbing'); print(gone)": "NameError",
}


@pytest.mark.parametrize("source", ENDS)
def test_a_notebook_that_does_not_come_to_its_end_is_said_with_words(project, source, capfd):
    (project / "params" / "mine.yaml").write_text("value_set: hhh\noutlines_per_pair: 8\n")
    path = project / "notebooks" / f"{FIRST}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    # after the parameters and what is imported, before anything is asked
    notebook.cells.insert(4, nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, path)
    parameters = load_parameters(project / "params" / "mine.yaml")
    with pytest.raises(NotebookFailed, match=ENDS[source]) as failure:
        run_study(parameters, only=[FIRST])
    said = capfd.readouterr().err
    assert FIRST in str(failure.value) and "Traceback" not in said and "plumbing" not in said
    manifest = json.loads((project / "runs" / "mine" / "manifest.json").read_text())
    assert not manifest["finished"]
