"""How notebooks show tables: with a title that says what they rest on, and with model text as text.

In: a frame and a title. Out: an object that Jupyter shows as a captioned HTML table, and as plain text elsewhere.
"""

from html import escape

import pandas as pd

_STYLES = [
    {"selector": "caption", "props": "caption-side: top; text-align: left; font-weight: 600; padding: 0.4em 0;"},
    {"selector": "td, th", "props": "text-align: left; vertical-align: top; max-width: 44em; white-space: pre-line;"},
]


class TitledTable:
    """A table under its title; what it says and holds is escaped, never rendered."""

    def __init__(self, frame: pd.DataFrame, title: str, digits: int):
        self.frame, self.title, self.digits = frame, title, digits

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        styled = (
            # a fixed id, so that the same table is the same output
            self.frame.style.set_uuid("table")
            .set_caption(escape(self.title))
            .format(precision=self.digits, na_rep="–", escape="html")
            .format_index(escape="html")
            .format_index(escape="html", axis="columns")
            .set_table_styles(_STYLES)
        )
        if isinstance(self.frame.index, pd.RangeIndex):
            styled = styled.hide()
        plain = self.frame.round(self.digits).to_string(index=not isinstance(self.frame.index, pd.RangeIndex))
        return {"text/html": styled.to_html(), "text/plain": f"{self.title}\n{plain}"}


def titled(frame: pd.DataFrame, title: str, source: str, *, digits: int = 2) -> TitledTable:
    """Show a table under a title.

    Parameters
    ----------
    title : str
        What the table shows.
    source : str
        What it rests on, as ``Run.source`` says it; put behind the title where there is something to say.
    digits : int
        Digits after the decimal point.
    """
    return TitledTable(frame, f"{title} · {source}" if source else title, digits)
