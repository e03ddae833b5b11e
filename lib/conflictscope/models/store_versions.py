"""The version of a call store's tables: make them, or bring an older store up to date.

In: a connection to a database. Out: the tables of this version in it. Version 1 had no table of what was used; what it
says of its replies is counted once, by the same rule, and its keys and replies stay as they are.
"""

import sqlalchemy as sa

from conflictscope.models.store_rows import FAILURES, META, METADATA, REPLIES, USAGE
from conflictscope.models.usage import CHARACTERS_PER_TOKEN, EMBEDDING

SCHEMA_VERSION = 2
_VERSION = META.c.name == "schema_version"


def bring_up_to_date(connection: sa.Connection) -> str:
    """Make the tables where there are none, or migrate those of an older version, in one transaction.

    Returns
    -------
    str
        The version that is there then: ``SCHEMA_VERSION``, or another that this module knows nothing of.
    """
    with connection.begin():
        for table in METADATA.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        version = connection.scalar(sa.select(META.c.value).where(_VERSION))
        if version is None:
            connection.execute(META.insert().values(name="schema_version", value=str(SCHEMA_VERSION)))
        elif version == "1":
            # where another process does the same at this moment, one of the two finds rows there and looks again
            connection.execute(USAGE.insert().from_select([column.name for column in USAGE.c], _used_in_version_1()))
            connection.execute(META.update().where(_VERSION).values(value=str(SCHEMA_VERSION)))
        return str(SCHEMA_VERSION) if version in (None, "1") else version


def _used_in_version_1() -> sa.Select:
    """Return the query that counts what the replies and failures of version 1 used."""
    reply, zero = REPLIES.c, sa.literal(0)
    is_text = reply.prompt != EMBEDDING
    counts = [
        sa.literal(1).label("calls"),
        zero.label("failed"),
        # how often a call was tried was not kept; once at least
        sa.literal(1).label("attempts"),
        sa.case((reply.prompt_tokens.is_(None) | (reply.completion_tokens.is_(None) & is_text), 1), else_=0).label(
            "estimated"
        ),
        sa.func.coalesce(reply.prompt_tokens, _tokens(reply.request)).label("input_tokens"),
        sa.func.coalesce(
            reply.completion_tokens,
            sa.case((is_text, _tokens(sa.func.coalesce(reply.text, reply.refusal, ""))), else_=0),
        ).label("output_tokens"),
    ]
    failure = FAILURES.c
    answered = sa.select(failure.model, failure.prompt, zero, sa.literal(1), sa.literal(1), zero, zero, zero)
    both = sa.union_all(sa.select(reply.model, reply.prompt, *counts), answered).subquery()
    sums = [sa.func.sum(both.c[column.name]) for column in USAGE.c if column.name not in ("model", "prompt")]
    return sa.select(both.c.model, both.c.prompt, *sums).group_by(both.c.model, both.c.prompt)


def _tokens(text: sa.ColumnElement) -> sa.ColumnElement:
    """Return the tokens of a text by the rule of ``usage``, rounded up."""
    return (sa.func.length(text) + CHARACTERS_PER_TOKEN - 1) // CHARACTERS_PER_TOKEN
