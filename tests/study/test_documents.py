"""README and pages: every block is run in a copy of the project, page by page, in the order in which README links them.

What a page's commands need of a study that has run is there: ``recorded``, made from the value set of the pages. Whole
studies and replays are run by other tests; here their commands go as far as the first notebook.
"""

import contextlib
import doctest
import io
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from conflictscope.models.registry import BATCHED, Model, load_registry
from conflictscope.scenarios import load_value_set
from conflictscope.study import bundle, command_line, plan, several
from conflictscope.study.parameters import check_parameters
from conflictscope.study.stages import NOTEBOOKS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", *dict.fromkeys(re.findall(r"\(((?:docs)/\w+\.md)\)", README))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = ".venv/bin/conflictscope"
# run by a test of its own, which has a second study
ELSEWHERE = {"docs/exploring.md"}
# what is not run, and why
READ_ONLY = {
    "ollama": "needs Ollama, and a model that it fetches",
    "apt-get": "installs a package of the system",
}


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def spans(page):
    """Return what stands between backticks in a page's prose."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text_of(page)))


@pytest.fixture(scope="module")
def ground(recorded, tmp_path_factory):
    """A copy of the study that has run, and of the project's other files that pages name."""
    folder = shutil.copytree(recorded, tmp_path_factory.mktemp("pages") / "project")
    (folder / "lib").symlink_to(ROOT / "lib")
    return folder


@pytest.fixture
def offline(ground, tmp_path, monkeypatch):
    """Work in the copy, without keys, network and kernels."""
    monkeypatch.chdir(ground)
    for model in load_registry(ROOT / "params" / "models.yaml").models.values():
        if model.key_variable:
            monkeypatch.delenv(model.key_variable, raising=False)

    def refuse_tokeniser(name):
        raise OSError("offline")

    def stop_at_notebooks(file, settings, out, only, wait):
        parameters = command_line._validated(file, settings, out)
        assert set(only) <= set(parameters.notebooks)

    def stop_several(jobs, *rest):
        for job in jobs:
            command_line._validated(job.file, job.settings, None)
        return 0

    def open_only(file, root, out=None):
        opened = bundle.open_bundle(file, tmp_path)
        return bundle.Replay(opened.study, [*opened.tables, *opened.figures], [], [])

    monkeypatch.setattr(plan.open_tokenisers, "__defaults__", (refuse_tokeniser,))
    monkeypatch.setattr(command_line, "_run_study", stop_at_notebooks)
    monkeypatch.setattr(several, "run_at_once", stop_several)
    monkeypatch.setattr(several, "run_on_cluster", stop_several)
    monkeypatch.setattr(command_line, "_sum_up_run", lambda parameters, notebooks: None)
    # what --batch sets is not left behind
    monkeypatch.setenv(BATCHED, "")
    monkeypatch.setattr(bundle, "replay_bundle", open_only)
    return ground


def run_command(words, monkeypatch):
    """Run one command line of a page as far as it can be run here, and return what it prints."""
    if words[:2] == [COMMAND, "probe"]:
        # needs an endpoint: its options alone are read
        given = command_line._commands.commands["probe"].make_context("probe", words[2:]).params
        assert given["base_url"] or given["model"] in load_registry(ROOT / "params" / "models.yaml"), words
        return ""
    if words[0] == COMMAND:
        done = CliRunner().invoke(command_line._commands, words[1:])
        assert done.exit_code == 0, f"{shlex.join(words)}: {done.output}{done.exception}"
        return done.stdout
    if words[0] == "export":
        monkeypatch.setenv(*words[1].split("=", 1))
    elif words[0] == "make":
        subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
    elif words[:2] == [".venv/bin/pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert words[2:5] == ["-c", "requirements.lock", "-e"] and words[5].strip(".[]") in extras
    elif words[0] in ("mkdir", "cp"):
        subprocess.run(words, check=True)
    else:
        assert words[0] in READ_ONLY, f"{shlex.join(words)}: neither run nor known not to be"
    return ""


def run_shell(text, monkeypatch):
    lines = [shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines()]
    return "".join(run_command(words, monkeypatch) for words in lines if words)


def run_python(text, names):
    """Run lines, with what the page's earlier ones have named, and return what they print."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, "page", "exec"), names)
    return printed.getvalue()


def take_yaml(text, ground):
    """Write a file that its first line names; check models or parameters that are part of one."""
    if path := re.match(r"# (\S+\.yaml)\n", text):
        file = ground / path[1]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return
    held = yaml.safe_load(text)
    if all(isinstance(entry, dict) for entry in held.values()):
        for name, entry in held.items():
            Model(name, **entry)
    else:
        check_settings(held)


def check_settings(held):
    """Check what stands in a parameter file."""
    registry = load_registry(ROOT / "params" / "models.yaml")
    held = dict(held)
    if "cast" in held:
        registry.cast(held.pop("cast"))
    check_parameters(held, "page")
    for role in ("author", "filter_judge", "simulated_user", "judge", "targets", "further_judges"):
        for name in [held[role]] if isinstance(held.get(role), str) else held.get(role, []):
            assert name in registry, f"{role}: {name}"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in ELSEWHERE])
def test_every_block_of_a_page_runs_and_prints_what_it_shows(page, offline, monkeypatch):
    printed, names = None, {"__name__": "page"}
    for kind, text in BLOCK.findall(text_of(page)):
        if kind == "text":
            checker = doctest.OutputChecker()
            assert printed is not None and checker.check_output(text, printed, doctest.ELLIPSIS), printed
        elif kind == "sh":
            printed = run_shell(text, monkeypatch)
        elif kind == "python":
            printed = run_python(text, names)
        else:
            assert kind == "yaml", f"{page}: a block of {kind!r}; expected sh, python, yaml or text"
            take_yaml(text, offline)


def test_the_study_of_the_pages_is_the_one_that_the_tests_run(recorded, tmp_path):
    for kind, text in BLOCK.findall(text_of("docs/own_study.md")):
        if kind == "yaml":
            take_yaml(text, tmp_path)
    shelf = Path("params") / "value_sets" / "newsroom.yaml"
    assert load_value_set(tmp_path / shelf).hash == load_value_set(recorded / shelf).hash


def test_every_page_is_linked_and_every_link_leads_somewhere():
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(PAGES)
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)", text_of(page)):
            if not target.startswith("http"):
                assert os.path.exists(ROOT / Path(page).parent / target), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_in_passing_exists(page):
    registry = load_registry(ROOT / "params" / "models.yaml")
    of_models = {name.split("/")[0] for name in registry.models if "/" in name}
    commands = command_line._commands.commands
    options = {option for command in commands.values() for known in command.params for option in known.opts}
    for span in spans(page):
        words = span.split()
        if re.match(r"[a-z_]+: [^/ ]", span) and not re.search(r"<|^label: value$", span):
            held = yaml.safe_load(span)
            if set(held) <= set(Model.__pydantic_fields__):
                Model("m", "http://127.0.0.1/v1", "m", **held)
            else:
                check_settings(held)
        elif words[0] == "conflictscope" and len(words) > 1 and not words[1].startswith("-"):
            assert words[1] in commands, span
        elif words[0].startswith("--") and words[0] != "--help":
            assert words[0] in options, span
        elif words[0] == "make" and len(words) > 1:
            subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
        elif re.match(rf"({'|'.join(sorted(of_models))})/\S+$|(gpt|claude|gemini|olmo|o\d)-\S+$", span):
            assert span in registry, span
        elif re.match(r"(lib|tests|notebooks|params/(samples|paper|models))\b\S*$", span):
            assert list(ROOT.glob(span.rstrip("/"))), span
        elif re.fullmatch(r"\d\d_\w+|(browse|compare|validate)_\w+|annotate", span):
            assert span in NOTEBOOKS, span
