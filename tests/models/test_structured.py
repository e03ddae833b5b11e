from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from conflictscope.models import NonBlank
from conflictscope.models.requests import json_instruction, read_object, response_format


class Part(BaseModel):
    """A docstring."""

    model_config = ConfigDict(extra="forbid")
    title: str


class Answer(BaseModel):
    """A docstring that no model is shown."""

    model_config = ConfigDict(extra="forbid")
    reason: NonBlank
    answer: Literal["A", "B"]
    rating: int = Field(ge=1, le=7, description="from 1 to 7")
    parts: list[Part] = Field(max_length=2)


GOOD = '{"reason": "x", "answer": "A", "rating": 3, "parts": []}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"  {GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n",
        GOOD.replace(", ", ",\n  "),
        GOOD.replace('"x"', '"in ```json blocks, {braces} and \\"quotes\\""'),
    ],
)
def test_reads_one_object(text):
    assert read_object(text, Answer).answer == "A"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"Here it is: {GOOD}", "not one JSON object and nothing else"),
        (f"{GOOD} I hope that helps.", "not one JSON object and nothing else"),
        (f"Sure!\n```json\n{GOOD}\n```", "not one JSON object and nothing else"),
        (f"```json\n{GOOD}\n```\n```json\n{GOOD}\n```", "not one JSON object and nothing else"),
        (f"{GOOD}\n{GOOD}", "not one JSON object and nothing else"),
        (f"[{GOOD}]", "not one JSON object but a list"),
        ('"A"', "not one JSON object but a str"),
        (GOOD[:-5], "not one JSON object and nothing else"),
        (GOOD.replace('"', "'"), "not one JSON object and nothing else"),
        (GOOD.replace('"A"', '"True North"'), "answer: Input should be 'A' or 'B'"),
        (GOOD.replace('"A"', '"a"'), "answer: Input should be 'A' or 'B'"),
        (GOOD.replace('"A"', '"A", "answer": "B"'), r"gives \['answer'\] more than once"),
        (GOOD.replace("3", '"3"'), "rating: Input should be a valid integer"),
        (GOOD.replace("3", "3.0"), "rating: Input should be a valid integer"),
        (GOOD.replace("3", "true"), "rating: Input should be a valid integer"),
        (GOOD.replace("3", "8"), "rating: Input should be less than or equal to 7"),
        (GOOD.replace("3", "NaN"), "NaN is not JSON"),
        (GOOD.replace('"x"', '"  "'), "reason: .*must not be blank"),
        (GOOD.replace('"x"', '"x", "mood": "fine"'), "mood: Extra inputs are not permitted"),
        (GOOD.replace('"reason": "x", ', ""), "reason: Field required"),
        (GOOD.replace("[]", '[{"title": 1}]'), r"parts\.0\.title"),
        ("[" * 100_000, "nested too deeply|not one JSON object"),
    ],
)
def test_does_not_fish(text, said):
    with pytest.raises(ValueError, match=said):
        read_object(text, Answer)


def test_asks_for_the_fields_in_their_order_and_without_our_words():
    schema = response_format(Answer)["json_schema"]
    assert schema["strict"] is True and schema["name"] == "Answer"
    assert list(schema["schema"]["properties"]) == ["reason", "answer", "rating", "parts"]
    assert "docstring" not in json_instruction(Answer)
    assert schema["schema"]["properties"]["rating"]["description"] == "from 1 to 7"
    assert schema["schema"]["$defs"]["Part"]["properties"] == {"title": {"type": "string"}}


def test_refuses_what_strict_schemas_do_not_permit():
    class Loose(BaseModel):
        answer: str

    class Optional(BaseModel):
        model_config = ConfigDict(extra="forbid")
        answer: str = "A"

    for schema in (Loose, Optional):
        with pytest.raises(ValueError, match=f"{schema.__name__} cannot be asked for strictly"):
            response_format(schema)
