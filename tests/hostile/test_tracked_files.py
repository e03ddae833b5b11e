"""What is committed: no key, no path of somebody's machine, and nothing that evaluates text."""

import ast
import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = {
    ".py",
    ".ipynb",
    ".md",
    ".txt",
    ".yaml",
    ".yml",
    ".toml",
    ".json",
    ".jsonl",
    ".csv",
    ".js",
    ".css",
    ".cfg",
    ".lock",
    "",
}
# each in two parts, so that this file does not hold what it looks for
KEYS = re.compile(
    "|".join(
        [
            r"\bsk-" + r"(?!marked)[A-Za-z0-9_-]{20,}",
            r"\bgh[pousr]_" + r"[A-Za-z0-9]{30,}",
            r"\bAKIA" + r"[0-9A-Z]{16}\b",
            r"\bhf_" + r"[A-Za-z0-9]{30,}",
            r"\bAIza" + r"[0-9A-Za-z_-]{35}",
            r"Bearer " + r"[A-Za-z0-9._-]{20,}",
            r"-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----",
        ]
    )
)
PATHS = re.compile(r"(?<![\w.:])/(?:home|Users|root|work|mnt|var/folders)" + r"/[\w.-]+|[A-Z]:\\Users" + r"\\\w+")
EVALUATING = {"eval", "exec", "compile", "__import__"}
MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "code", "codeop"}


def tracked():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def leaks(text):
    return [match[0] for pattern in (KEYS, PATHS) for match in pattern.finditer(text)]


def test_no_tracked_file_holds_a_key_or_a_path_of_a_machine():
    found = {
        str(path.relative_to(ROOT)): some
        for path in tracked()
        if path.suffix in TEXT and (some := leaks(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert not found


def test_the_scan_finds_what_it_is_for():
    for leak in ("sk-" + "proj-" + "a1" * 12, "/" + "home/somebody/study", "Bearer " + "x" * 24, "/" + "Users/me/x.py"):
        assert leaks(f"see {leak}.")
    assert not leaks("https://example.org/home/page and params/hhh.yaml")


def sources():
    for path in sorted((ROOT / "lib").rglob("*.py")):
        yield path.relative_to(ROOT), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            if cell["cell_type"] == "code":
                yield f"{path.name}, cell {number + 1}", "".join(cell["source"])


def evaluating(source):
    found = []
    for node in ast.walk(ast.parse(source, mode="exec", type_comments=False)):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            owner = getattr(getattr(function, "value", None), "id", "")
            if isinstance(function, ast.Name) and name in EVALUATING:
                found.append(name)
            if name in (
                "literal_eval",
                "eval",
                "system",
                "popen",
                "read_pickle",
                "to_pickle",
                "unsafe_load",
                "full_load",
            ):
                found.append(name)
            loaders = [ast.unparse(a) for a in (*node.args[1:], *(k.value for k in node.keywords if k.arg == "Loader"))]
            if owner == "yaml" and name == "load" and not re.search("safe|strict", " ".join(loaders), re.IGNORECASE):
                found.append("yaml.load")
            if name == "query" and not (node.args and isinstance(node.args[0], ast.Constant)):
                found.append("query of a text that is put together")
            if any(k.arg in ("shell", "allow_pickle") and getattr(k.value, "value", None) for k in node.keywords):
                found.append(name)
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        found += [name for name in names if name.split(".")[0] in MODULES]
    return found


def test_nothing_evaluates_text():
    found = {str(where): some for where, source in sources() if (some := evaluating(source))}
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "eval(reply)",
        "exec(text)",
        "ast.literal_eval(x)",
        "import pickle",
        "yaml.load(x)",
        "frame.query(f'a == {x}')",
        "subprocess.run(x, shell=True)",
        "frame.eval(text)",
    ],
)
def test_the_scan_sees_evaluation(source):
    assert evaluating(source)
