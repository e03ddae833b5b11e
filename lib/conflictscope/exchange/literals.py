"""Python literals in somebody else's file: read as data, never evaluated.

In: the text of a cell, such as ``{'persona': 'a nurse'}`` or ``['honesty', nan]``. Out: the same as lists, mappings,
texts and numbers. The text is parsed, and of what the parser finds only literals are turned into values; a bare
``nan``, which pandas writes for a missing entry, is one of them. This is the only module that reads Python literals.
"""

import ast
from collections.abc import Mapping

MAX_CHARACTERS = 200_000
MAX_DEPTH = 10
_NUMBERS: Mapping[str, float] = {"nan": float("nan")}


def read_literal(text: str) -> object:
    """Read one Python literal.

    Parameters
    ----------
    text : str
        A text, number, ``True``, ``False``, ``None``, bare ``nan``, or a list, tuple or mapping of these; up to
        200,000 characters and 10 levels. Tuples become lists.

    Raises
    ------
    ValueError
        Where it is longer or deeper, or anything else than a literal: a name, a call, an operation, an f-string.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"a literal of {len(text):,} characters; expected up to {MAX_CHARACTERS:,}.")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
        # deep nesting ends in one of the last two, depending on the version of Python
        reason = getattr(problem, "msg", None) or str(problem) or "nested too deeply"
        raise ValueError(f"no Python literal ({reason}): {text[:60]!r}.") from None
    return _value(tree.body, 1)


def _value(node: ast.expr, depth: int) -> object:
    """Return the value of a node, or raise where it is no literal."""
    if depth > MAX_DEPTH:
        raise ValueError(f"a literal nested deeper than {MAX_DEPTH} levels.")
    if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float | bool | None):
        return node.value
    if isinstance(node, ast.Name) and node.id in _NUMBERS:
        return _NUMBERS[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _value(node.operand, depth + 1)
        if isinstance(number, int | float) and not isinstance(number, bool):
            return -number
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(element, depth + 1) for element in node.elts]
    if isinstance(node, ast.Dict):
        keys = [_value(key, depth + 1) if key is not None else None for key in node.keys]
        if all(isinstance(key, str) for key in keys):
            return dict(zip(keys, (_value(value, depth + 1) for value in node.values), strict=True))
    raise ValueError(f"found {type(node).__name__}; expected texts, numbers, lists and mappings with text keys only.")
