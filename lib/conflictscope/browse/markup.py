"""HTML that is safe to show: escaped text, Markdown without raw HTML, folds, and pages that stand alone.

In: text that a model wrote. Out: HTML in which that text can open no tag, run no script and fetch nothing. Markdown is
rendered by markdown-it-py with HTML and images switched off: its output holds only tags that its own rules write, so
there is nothing left for a sanitiser to remove. A link is one only if it leads to http, https or mailto.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from markdown_it import MarkdownIt

from conflictscope.files import write_text
from conflictscope.shown import NOT_TYPESET

ASSETS = Path(__file__).with_name("assets")
_LINKS = ("http", "https", "mailto")
_FOLD_WORDS = 120
_PREVIEW_WORDS = 40
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True)
class View:
    """HTML under a title, as Jupyter shows it and `export_html` writes it.

    ``title`` is plain text, ``body`` HTML whose model text is escaped already (what a ``render_*`` function returned),
    ``source`` what it rests on, such as ``simulated models``.
    """

    title: str
    body: str
    source: str = ""

    @property
    def html(self) -> str:
        """The view as one element, with its style."""
        return f"<style>{stylesheet('view')}</style>{self.element}"

    @property
    def element(self) -> str:
        """The view as one element, without its style."""
        source = f'<p class="cs-source">{escape(self.source)}</p>' if self.source else ""
        return f'<section class="cs-view {NOT_TYPESET}"><h2>{escape(self.title)}</h2>{source}{self.body}</section>'

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": f"{self.title} · {self.source}" if self.source else self.title}


def escape(text: object) -> str:
    """Return text with everything that HTML would read as markup escaped; an en dash if there is none."""
    return "–" if text is None or text != text else html.escape(str(text))


def plain(text: str | None) -> str:
    """Return text as an escaped block that keeps its line breaks, folded if it is long."""
    if not text:
        return '<p class="cs-faint">(nothing)</p>'
    return fold(text, f'<div class="cs-text">{escape(text)}</div>')


def markdown(text: str | None, *, folds: bool = True) -> str:
    """Return Markdown as safe HTML, folded if it is long and `folds`.

    HTML in it, images, and links to anything but http, https and mailto show as the text that was written.
    """
    if not text:
        return '<p class="cs-faint">(nothing)</p>'
    body = f'<div class="cs-markdown">{_markdown_parser().render(text)}</div>'
    return fold(text, body) if folds else body


def fold(text: str, body: str) -> str:
    """Return `body` under its first words and a count of the rest, if `text` is long; else `body` as it is."""
    words = text.split()
    if len(words) <= _FOLD_WORDS and len(text) <= 8 * _FOLD_WORDS:
        return body
    preview = " ".join(words[:_PREVIEW_WORDS])[: 8 * _PREVIEW_WORDS]
    count = f'<span class="cs-more">all {len(words):,} words</span>'
    return f'<details><summary><span class="cs-preview">{escape(preview)} … </span>{count}</summary>{body}</details>'


def thoughts(text: str | None) -> str:
    """Return a model's thoughts, which nobody whom it spoke to has read, folded however short they are."""
    if not text:
        return ""
    count = f'<span class="cs-more">thoughts, {len(text.split()):,} words</span>'
    return f'<details><summary>{count}</summary><div class="cs-text">{escape(text)}</div></details>'


def badge(text: object, kind: str = "plain") -> str:
    """Return a short word in a pill; `kind` is ``one``, ``two``, ``good``, ``bad`` or ``plain``."""
    return f'<span class="cs-badge cs-{kind}">{escape(text)}</span>'


def fields(entries: Sequence[tuple[str, str]]) -> str:
    """Return a list of terms with their contents, which are HTML already."""
    return "<dl>" + "".join(f"<dt>{escape(term)}</dt><dd>{body}</dd>" for term, body in entries) + "</dl>"


@cache
def stylesheet(name: str) -> str:
    """Return one of the style sheets: ``view``, or ``page`` for pages that stand alone."""
    return (ASSETS / f"{name}.css").read_text(encoding="utf-8")


def export_html(views: View | Sequence[View], path: Path | str, *, title: str = "ConflictScope") -> Path:
    """Write views as one page that opens without Jupyter and without a network.

    The page runs no script and fetches nothing: its content security policy forbids both. The file is written whole or
    not at all.

    Parameters
    ----------
    views : View or sequence of View
        What `show` or a browser's ``view`` gives.

    Raises
    ------
    ValueError
        If there is no view to write.
    """
    chosen = [views] if isinstance(views, View) else list(views)
    if not chosen:
        raise ValueError("views: found none; expected at least one. Pick a scenario first.")
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{stylesheet('view')}{stylesheet('page')}</style></head>"
        f"<body><main>{''.join(view.element for view in chosen)}</main></body></html>\n"
    )
    target = Path(path)
    write_text(target, page)
    return target


@cache
def _markdown_parser() -> MarkdownIt:
    """Return the parser: CommonMark, tables and strikethrough, without HTML and images."""
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20})
    parser.enable(["table", "strikethrough"]).disable(["image", "html_block", "html_inline"])
    parser.validateLink = _may_link  # type: ignore[method-assign, assignment]
    parser.add_render_rule("link_open", _open_link)
    parser.add_render_rule("fence", _code_block)
    return parser


def _may_link(address: str) -> bool:
    """Return whether a link may lead there."""
    try:
        return urlsplit(address.strip()).scheme.lower() in _LINKS
    except ValueError:
        return False


def _open_link(renderer, tokens, index, options, env) -> str:
    """Return a link's opening tag: a new tab that learns nothing of the page it was opened from."""
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer")
    return renderer.renderToken(tokens, index, options, env)


def _code_block(renderer, tokens, index, options, env) -> str:
    """Return a fenced code block with all that its first line says, of which the usual rule keeps one word."""
    note = f'<p class="cs-faint">{escape(tokens[index].info.strip())}</p>' if tokens[index].info.strip() else ""
    return f"{note}<pre><code>{escape(tokens[index].content)}</code></pre>\n"
