"""Names and texts of hostile kinds at every way out: figures, tables, pages, prose, exports, cards, the terminal."""

import json
import re
import sys
from functools import partial
from threading import Event

import matplotlib.pyplot as plt
import pandas as pd
import pyarrow.csv as pcsv
import pytest
from matplotlib.text import Text
from tqdm import tqdm

from conflictscope import exchange
from conflictscope.browse.markup import View, badge, export_html, fields, markdown, plain, thoughts
from conflictscope.figures import save_figure
from conflictscope.figures.panels import legend_mark, plot_panels, set_rows
from conflictscope.files import means_more
from conflictscope.study import command_line, runner
from conflictscope.study.comparing import read_points
from conflictscope.study.notebook import show_table
from conflictscope.table_files import check_table, read_table, write_table
from conflictscope.tables import TABLES

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": "x<img src=x onerror=alert(1)>",
    "end of a page": "</td></table></div></section></main></style>",
    "entity": "&lt;b&gt; &#x3c;script>",
    "formula of a spreadsheet": '=cmd|" /C calc"!A0',
    "another": "@SUM(1)",
    "link": "[go](javascript:alert(1))",
    "image by Markdown": "![x](https://evil.invalid/pixel.png)",
    "heading": "# a\n\n| b |\n|---|\n",
    "fence": "```html\n<b>\n```",
    "money": "He owes $5 to Ann and $10 to Bo",
    "formula": r"$\href{javascript:alert(1)}{x}$ \(a\) $$b$$ \[c\]",
    "half a formula": r"$\frac{",
    "window title": "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x9b2J",
    "link in a terminal": "\x1b]8;;https://evil.invalid\x1b\\click\x1b]8;;\x1b\\",
    "direction": "abc\u202edcba\u2066x\u2069",
    "line ends": "a\rb\nc\u2028d\x0be",
    "NUL": "a\x00b",
    "half a character": "a\ud800b",
    "template": "{{ 7 * 7 }} {0} %s",
    "long": "long " * 5_000,
}
# tables and files hold no half characters
STORABLE = {kind: text for kind, text in HOSTILE.items() if kind != "half a character"}
CHOICE = [column.name for column in TABLES["choices"].columns]
storable = pytest.mark.parametrize("text", STORABLE.values(), ids=STORABLE.keys())
_TAG = re.compile(r"</?([a-z][a-z0-9]*)[^>]*>")


def tags(page):
    return sorted(_TAG.findall(re.sub("(?s)<style.*?</style>", "", page)))


@pytest.mark.filterwarnings("ignore:fonts", "ignore:Glyph")
def test_figures(tmp_path):
    names = [text[:60] for text in STORABLE.values()]
    panels = {name: lambda ax: set_rows(ax, names) for name in names}
    handles = [legend_mark(name) for name in names]
    figure = plot_panels(panels, height=1.0, title=" ".join(names), source=names[11], handles=handles)
    figure.draw_without_rendering()
    drawn = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert len(drawn) > 10 and not any(text.get_parse_math() for text in drawn)
    files = save_figure(figure, tmp_path, "hostile", table=pd.DataFrame({"target": [*STORABLE.values()]}))
    plt.close(figure)
    # as PDF, PNG, CSV and caption
    assert len(files) == 4 and all(file.stat().st_size for file in files)


@storable
def test_tables(text):
    def page(word):
        frame = pd.DataFrame({word: [word], "b": [1.0]}, index=pd.Index([word], name=word))
        return show_table(frame, word, word)._repr_mimebundle_()["text/html"]

    # an order of values, a>b, may be broken at its marks
    assert [tag for tag in tags(page(text)) if tag != "wbr"] == tags(page("harmless"))
    assert "mathjax_ignore" in page(text)


@storable
def test_pages(text, tmp_path):
    def page(word):
        body = plain(word) + thoughts(word) + badge(word) + fields([(word, plain(word))])
        export_html(View(word, body, word), tmp_path / "page.html", title=word)
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    assert tags(page(text)) == tags(page("harmless " * 5_000 if len(text) > 900 else "harmless"))


@storable
def test_markdown(text):
    known = "a blockquote br code details div em h1 h2 hr li ol p pre span strong summary table tbody td th thead tr ul"
    assert set(tags(markdown(text))) <= set(known.split())
    # a link to http is one, and is followed if somebody clicks
    assert not re.search('(?:href|src)="(?!https://evil)', markdown(text))


@storable
@pytest.mark.parametrize("column", ["target", "value_1", "acting_value", "winner"])
def test_a_name_that_reaches_prose_is_a_name(text, column):
    """Notebooks and the card put names of tables into Markdown, whoever wrote these."""
    row = dict.fromkeys(CHOICE, "x") | {
        **{"structure": "none", "severity": "none", "condition": "open_ended", "outcome": "choice", "repetition": 0},
        **{"action": 1, "action_shown_first": 1, "leaning": 1, "problem": None, "by_refusing": False},
        column: text,
    }
    frame = pd.DataFrame([{name: row.get(name) for name in CHOICE}])
    try:
        check_table(frame, "choices")
    except ValueError as problem:
        assert "expected a name without" in str(problem) and means_more(text)
    else:
        assert not set("<>$\\`[]*|\r\n\x00\x1b\u202e") & set(text)


@storable
def test_a_name_that_is_compared_is_a_name(text, tmp_path):
    pd.DataFrame({"variant": [text], "study": ["s"]}).to_csv(tmp_path / "agreement.csv", index=False)
    try:
        (points,) = read_points([tmp_path])
    except ValueError as problem:
        assert "agreement.csv" in str(problem)
    else:
        assert not means_more(points["variant"][0])


@storable
def test_a_study_s_name_of_a_stranger(text, tmp_path, scenarios):
    write_table(scenarios, "scenarios", tmp_path, study=text)
    try:
        assert exchange.name_of_study(tmp_path) == text and not means_more(text)
    except ValueError as problem:
        assert "its study is called" in str(problem)


def test_exports_and_their_card(tmp_path, scenarios):
    texts = [*STORABLE.values()]
    frame = pd.concat([scenarios.head(1)] * len(texts), ignore_index=True)
    frame = frame.assign(scenario_id=[f"s{n}" for n in range(len(texts))], description=texts, action_1=texts)
    run, out = tmp_path / "run", tmp_path / "out"
    write_table(frame, "scenarios", run, study="theirs")
    tables = exchange.export_tables(run, out, names=["scenarios"], format="csv")
    lines = pcsv.ParseOptions(newlines_in_values=True)
    back = pcsv.read_csv(out / "scenarios.csv", read_options=pcsv.ReadOptions(block_size=2**22), parse_options=lines)
    assert (
        back["description"].to_pylist() == texts == read_table("scenarios", run, study="theirs")["description"].tolist()
    )
    card = exchange.dataset_card("theirs", tables, {}, format="csv")
    # two texts of this kind in two columns
    assert re.search(r"\| `scenarios` \|[^|]*\|[^|]*\| 4 \|", card)
    assert not any(text in card for text in texts)


@storable
def test_the_bars_of_a_run(text, tmp_path, monkeypatch, capsys):
    # drawn at every report
    monkeypatch.setattr(runner, "tqdm", partial(tqdm, mininterval=0, miniters=0))
    report = json.dumps({"label": text[:60], "done": 1, "total": 4, "note": f"note {text[:60]}"})
    (tmp_path / "progress").write_text(f'{{"notebook": "01"}}\n{report}\n', encoding="utf-8")
    done = Event()
    done.set()
    runner._follow(tmp_path / "progress", done)
    drawn = capsys.readouterr().err
    assert "1/4" in drawn and "note " in drawn
    # tqdm's own marks begin each bar and take the cursor up a line
    assert all(mark in "\t\r\n" or mark.isprintable() for mark in drawn.replace("\x1b[A", ""))


@storable
def test_the_terminal(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command_line._say(text + HOSTILE["half a character"])
    said = capsys.readouterr().out
    if "\x00" not in text:
        for arguments in (["validate", text], ["status", text], ["replay", text], ["rescue", text]):
            monkeypatch.setattr(sys, "argv", ["conflictscope", *arguments])
            with pytest.raises(SystemExit) as ended:
                command_line.main()
            streams = capsys.readouterr()
            assert ended.value.code and streams.err
            said += streams.out + streams.err
    assert all(mark in "\t\n" or mark.isprintable() for mark in said)
