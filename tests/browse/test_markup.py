from html.parser import HTMLParser

import pytest

from conflictscope.browse.markup import View, badge, escape, export_html, fold, markdown, plain

TAGS = """
a blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i li ol p pre section span strong
summary table tbody td th thead tr ul
"""
HARMLESS = set(TAGS.split())
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</div></section></main>",
    "</textarea><svg onload=alert(1)>",
    "[go](javascript:alert(1))",
    "[go](JaVaScRiPt&colon;alert(1))",
    "[go](data:text/html,<script>alert(1)</script>)",
    "[go](//evil.example)",
    "[go]: javascript:alert(1)\n\n[go]",
    "<javascript:alert(1)>",
    "![track](https://evil.example/pixel.png)",
    "```html onmouseover=alert(1)\n<b>\n```",
    "[x](https://a.example \"' onmouseover='alert(1)\")",
    "<!-- --><style>*{display:none}</style>",
    "| <b>a</b> | b |\n|---|---|\n| <i onclick=x>c</i> | d |",
    "a\u2028<b>\x00</b>",
]


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.depth, self.text = [], [], 0, ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.depth += tag not in ("br", "hr")

    def handle_endtag(self, tag):
        self.depth -= 1
        assert self.depth >= 0

    def handle_data(self, data):
        self.text += data


def seen(html):
    parser = Seen()
    parser.feed(html)
    parser.close()
    return parser


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("shown_by", [markdown, plain, badge, lambda text: f"<p>{escape(text)}</p>"])
def test_hostile_text_shows_as_text(text, shown_by):
    found = seen(shown_by(text))
    assert set(found.tags) <= HARMLESS
    assert found.depth == 0
    assert {name for name, _ in found.attributes} <= {"class", "href", "title", "target", "rel", "start", "style"}
    assert all(value.startswith("text-align") for name, value in found.attributes if name == "style")
    for name, value in found.attributes:
        assert name != "href" or value.startswith(("http://", "https://", "mailto:"))


def test_hostile_text_is_all_there():
    assert seen(markdown("</div><script>alert(1)</script>")).text.strip() == "</div><script>alert(1)</script>"
    assert "onmouseover=alert(1)" in seen(markdown("```html onmouseover=alert(1)\n<b>\n```")).text


def test_markdown_is_rendered():
    found = seen(markdown("# Title\n\n- **one**\n- [two](https://a.example)\n\n| a | b |\n|---|---|\n| c | d |"))
    assert {"h1", "ul", "li", "strong", "a", "table"} <= set(found.tags)
    assert ("rel", "noopener noreferrer") in found.attributes


def test_no_image_is_fetched():
    assert "<img" not in markdown("![a](https://a.example/b.png)")


def test_long_text_folds_and_keeps_every_word():
    words = [f"word{n}" for n in range(300)]
    found = seen(markdown(" ".join(words)))
    assert found.tags[0] == "details"
    assert all(word in found.text for word in words)
    assert "300 words" in found.text
    assert fold("short", "<p>short</p>") == "<p>short</p>"


def test_one_long_word_folds_too():
    assert markdown("x" * 5000).startswith("<details>")


@pytest.mark.parametrize("empty", [None, ""])
def test_nothing_is_said_to_be_nothing(empty):
    assert "(nothing)" in markdown(empty) and "(nothing)" in plain(empty)


def test_exported_page_stands_alone(tmp_path):
    page = export_html(
        [View("<b>T</b>", "<p>one</p>", "simulated models"), View("U", "<p>two</p>")], tmp_path / "a.html"
    )
    text = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;T&lt;/b&gt;" in text and "simulated models" in text and "<p>two</p>" in text
    assert "default-src 'none'" in text
    assert (
        "<script" not in text
        and "src=" not in text.replace("-src ", "")
        and "@import" not in text
        and "url(" not in text
    )


def test_exporting_nothing_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="found none"):
        export_html([], tmp_path / "a.html")
