"""Several studies: what a sweep makes of a parameter file, and studies at once, to the end of each or all."""

import re
import signal

import pytest

from conflictscope.study.parameters import load_parameters
from conflictscope.study.several import list_jobs, start_study, wait_for_end
from conflictscope.table_files import table_path

FIRST = "01_generate_scenarios"
MODELS = """
models:
  m: {{base_url: "http://127.0.0.1:{port}/v1", id: m, json_schema: true, concurrency: 4}}
casts:
  simulated: {{author: m, filter_judge: m, simulated_user: m, judge: m, targets: [m], embedder: tfidf}}
"""


@pytest.fixture
def two_studies(project):
    """Two studies in the project, and a file that is none."""
    for name in ("one", "two"):
        (project / "params" / f"{name}.yaml").write_text("value_set: hhh\noutlines_per_pair: 2\n", encoding="utf-8")
    (project / "params" / "wrong.yaml").write_text("value_set: hhh\nseed: many\n", encoding="utf-8")
    return project


@pytest.fixture
def asked(two_studies, loopback):
    """The server that all roles of the project's studies are at."""
    models = two_studies / "params" / "models.yaml"
    models.write_text(MODELS.format(port=loopback.port), encoding="utf-8")
    return loopback


def test_a_sweep_is_a_study_of_each_combination_on_one_call_store(two_studies, monkeypatch):
    monkeypatch.chdir(two_studies)
    file = two_studies / "params" / "one.yaml"
    sweeps = ["targets=[simulated/cautious, [simulated/steady, simulated/pliable]]", "seed=[0, 7]"]
    jobs = list_jobs([file], ["resamples=50"], sweeps)
    studies = [load_parameters(job.file, settings=job.settings) for job in jobs]
    assert [study.study for study in studies] == [job.name for job in jobs]
    assert len(set(job.name for job in jobs)) == 4 and jobs[0].name == "one-simulated-cautious-0"
    targets = [["simulated/cautious"], ["simulated/steady", "simulated/pliable"]]
    assert [study.values["targets"] for study in studies] == [targets[0], targets[0], targets[1], targets[1]]
    assert [study.values["seed"] for study in studies] == [0, 7, 0, 7]
    assert {study.values["resamples"] for study in studies} == {50}
    assert {study.values["value_set"] for study in studies} == {"params/value_sets/hhh.yaml"}
    assert {study.values["call_store"] for study in studies} == {"sqlite:///runs/one/calls.sqlite"}
    assert len({study.path("run_folder") for study in studies}) == 4
    # the call store's folder is there before any of them is
    assert (two_studies / "runs" / "one").is_dir()


@pytest.mark.parametrize(
    ("sweep", "problem"),
    [
        ("seed=7", "expected a list of values"),
        ("seed=[]", "expected a list of values"),
        ("seed", "expected key=value"),
        ("sead=[1]", "--sweep sead: no such parameter"),
        ("call_store=[sqlite:///a, sqlite:///b]", "--sweep call_store: studies of a sweep share one"),
        ("call_store=sqlite:///a", "--sweep call_store=…: expected a list"),
        ("seed=[1, 1]", "two studies would be named 'one-1'"),
        ("seed=[1] seed=[2]", "seed is swept already"),
    ],
)
def test_a_sweep_that_is_none_is_refused_with_words(two_studies, monkeypatch, sweep, problem):
    monkeypatch.chdir(two_studies)
    with pytest.raises(ValueError, match=problem):
        list_jobs([two_studies / "params" / "one.yaml"], [], re.split(r" (?=seed)", sweep))


def test_studies_of_a_sweep_pay_what_they_share_once_and_the_whole_finds_it(asked, two_studies, run):
    words = ("run", "params/one.yaml", "--only", FIRST)
    run(two_studies, *words, "--sweep", "repetitions=[1, 2]", "--jobs", "2")
    counted = asked()
    assert counted["total"] == counted["distinct"] > 0
    run(two_studies, *words)
    assert asked()["total"] == counted["total"]


def test_studies_run_at_once_and_the_first_failure_counts(two_studies, run_python):
    files = [f"params/{name}.yaml" for name in ("one", "wrong", "two")]
    words = ("--jobs", "2", "--only", FIRST, "--set", "resamples=50")
    done = run_python("-m", "conflictscope", "run", *files, *words, cwd=two_studies)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "one: 1 notebook ran" in done.stdout and "two: 1 notebook ran" in done.stdout
    assert "seed: found 'many'" in done.stdout
    assert all(table_path(two_studies / "runs" / name, "outlines").exists() for name in ("one", "two"))


LONG = ("--only", FIRST, "--set", "outlines_per_pair=200", "--set", "outlines_per_call=1")


def test_a_signal_is_passed_on_to_studies_that_run_at_once(two_studies, asked, wait_for, quiet, start_python):
    words = ("-m", "conflictscope", "run", "params/one.yaml", "params/two.yaml", "--jobs", "2", *LONG)
    process = start_python(words, cwd=two_studies)
    wait_for(asked, 40, process)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM
    assert printed.count("stopped in 01_generate_scenarios by SIGTERM") == 2
    quiet(asked)


def test_a_study_ends_in_order_when_whoever_started_it_is_gone(two_studies, asked, wait_for, quiet):
    process = start_study(["params/one.yaml", *LONG], two_studies)
    wait_for(asked, 20, process)
    # as the operating system does it when a process is killed
    process.stdin.close()
    code, printed = wait_for_end(process)
    assert code == 128 + signal.SIGTERM and "stopped in 01_generate_scenarios by SIGTERM" in printed
    assert quiet(asked) < 600
