"""Structured replies: the form that is asked for, and strict reading of what came back.

In: a pydantic class, or the text of a reply. Out: a JSON schema for the endpoint (or the instruction to reply in JSON,
for one that takes no schemas), or an object of the class. The whole reply has to be one JSON object; nothing is fished
out of a sentence or mended.
"""

import json
import re
from functools import cache

from pydantic import BaseModel, ValidationError

from conflictscope.prompts import render

_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
_PROBLEMS_SHOWN = 5


@cache
def response_format(schema: type[BaseModel]) -> dict:
    """Return the ``response_format`` that asks for a class, with its fields in the order in which they are declared.

    Raises
    ------
    ValueError
        Where the class allows extra fields or has optional ones, which strict schemas do not permit.
    """
    found = _without_docstrings(schema.model_json_schema())
    for part in (found, *found.get("$defs", {}).values()):
        if part.get("type") != "object":
            continue
        fields = list(part.get("properties", ()))
        if part.get("additionalProperties") is not False or part.get("required", []) != fields:
            raise ValueError(
                f"{schema.__name__} cannot be asked for strictly: every class in it needs extra='forbid', and "
                f"every field has to be required; found fields {fields}, required {part.get('required', [])}."
            )
    return {"type": "json_schema", "json_schema": {"name": schema.__name__, "strict": True, "schema": found}}


@cache
def json_instruction(schema: type[BaseModel]) -> str:
    """Return the instruction to reply with one JSON object of the class."""
    text = json.dumps(response_format(schema)["json_schema"]["schema"], ensure_ascii=False)
    return render("json_only", schema=text).messages[0]["content"]


def read_object(text: str, schema: type[BaseModel]) -> BaseModel:
    """Read a reply that is one JSON object, bare or in one fenced block, and nothing else.

    Raises
    ------
    ValueError
        Saying what is wrong with it, in words that the model can be shown.
    """
    stripped = text.strip()
    fenced = _FENCED.fullmatch(stripped)
    content = fenced[1] if fenced else stripped
    try:
        found = json.loads(content, object_pairs_hook=_unrepeated, parse_constant=_no_number)
    except json.JSONDecodeError as problem:
        raise ValueError(f"not one JSON object and nothing else ({problem})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"not one JSON object but a {type(found).__name__}")
    try:
        return schema.model_validate_json(content, strict=True)
    except ValidationError as problem:
        raise ValueError("; ".join(_in_words(problem))) from None


def _in_words(problem: ValidationError) -> list[str]:
    """Return a phrase for each of the first problems: where, and what was expected."""
    errors = problem.errors(include_url=False, include_context=False, include_input=False)
    words = [f"{'.'.join(map(str, error['loc'])) or 'the object'}: {error['msg']}" for error in errors]
    return words[:_PROBLEMS_SHOWN] + (
        [f"and {len(words) - _PROBLEMS_SHOWN} more"] if len(words) > _PROBLEMS_SHOWN else []
    )


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object, unless it gives one key twice and so says two things."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"gives {sorted({key for key in keys if keys.count(key) > 1})} more than once")
    return found


def _no_number(name: str) -> float:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{name} is not JSON")


def _without_docstrings(schema: dict) -> dict:
    """Return a JSON schema without titles and docstrings: they are ours, and a change in them is no new request."""
    return {key: _untitled(value) for key, value in schema.items() if key not in ("title", "description", "$defs")} | (
        {"$defs": {name: _without_docstrings(part) for name, part in schema["$defs"].items()}}
        if "$defs" in schema
        else {}
    )


def _untitled(value):
    """Return part of a schema without the titles that pydantic makes of field names."""
    if isinstance(value, list):
        return [_untitled(item) for item in value]
    if not isinstance(value, dict):
        return value
    # a title is text; a field that is called `title` has a schema
    return {key: _untitled(item) for key, item in value.items() if key != "title" or not isinstance(item, str)}
