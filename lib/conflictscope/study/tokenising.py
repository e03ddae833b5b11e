"""How a plan counts tokens: with the model's own tokeniser, or by a stated rule.

In: models, whose entries may name an encoding of ``tiktoken``. Out: a counter for each, and a sentence for each
encoding that could not be had, so that nobody takes the rule for the tokeniser.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from conflictscope.models import Model
from conflictscope.models.usage import CHARACTERS_PER_TOKEN, estimate_tokens
from conflictscope.prompts import prompt_texts

RULE = f"{CHARACTERS_PER_TOKEN} characters a token"


@dataclass(frozen=True)
class Tokeniser:
    """Counts tokens: of a text that is known, and of so many characters of one that is not."""

    name: str
    count: Callable[[str], int]
    characters_per_token: float


BY_RULE = Tokeniser(RULE, lambda text: estimate_tokens(len(text)), CHARACTERS_PER_TOKEN)


def load_encoding(name: str) -> Any:
    """Return an encoding of ``tiktoken``, which fetches its files when it is first used.

    Raises
    ------
    ModuleNotFoundError
        Where the extra ``tokens`` is not installed.
    OSError
        Where the files cannot be fetched.
    ValueError
        Where ``tiktoken`` knows no such encoding.
    """
    import tiktoken

    return tiktoken.get_encoding(name)


def open_tokenisers(
    models: Iterable[Model], load: Callable[[str], Any] = load_encoding
) -> tuple[dict[str, Tokeniser], list[str]]:
    """Open the models' tokenisers.

    Parameters
    ----------
    load : callable
        ``load(name)`` returns an encoding with ``encode_ordinary(text)``, or raises as ``load_encoding`` does.

    Returns
    -------
    tokenisers : dict
        Model → its tokeniser; the stated rule for a model that names none, or one that cannot be had.
    notes : list of str
        A sentence for each tokeniser that was asked for and cannot be had: which, for which models, why.

    Raises
    ------
    ValueError
        Where a model names an encoding that ``tiktoken`` does not know.
    """
    named: dict[str, list[str]] = {}
    tokenisers = {}
    for model in models:
        tokenisers[model.name] = BY_RULE
        if model.tokeniser is not None and model.name not in named.setdefault(model.tokeniser, []):
            named[model.tokeniser].append(model.name)
    notes = []
    for name, asking in named.items():
        try:
            encoding = load(name)
        except ModuleNotFoundError as problem:
            notes.append(_note(name, asking, f"{problem.name} is not installed; install the extra 'tokens'"))
        except OSError as problem:
            notes.append(_note(name, asking, f"its files cannot be fetched: {type(problem).__name__}"))
        except ValueError as problem:
            first = str(problem).splitlines()[0]
            raise ValueError(f"model {asking[0]!r}: tokeniser: found {name!r}; tiktoken says: {first}") from None
        else:
            tokenisers |= dict.fromkeys(asking, _tokeniser(name, encoding))
    return tokenisers, notes


def _tokeniser(name: str, encoding: Any) -> Tokeniser:
    """Return the tokeniser of an encoding; what a token is worth in characters is measured on the project's prompts."""
    known = "\n".join(prompt_texts().values())
    return Tokeniser(
        name, lambda text: len(encoding.encode_ordinary(text)), len(known) / len(encoding.encode_ordinary(known))
    )


def _note(name: str, models: list[str], why: str) -> str:
    """Return the sentence that says where the rule stands in for a tokeniser."""
    return f"Tokeniser {name} could not be used ({why}): tokens of {', '.join(models)} are counted at {RULE} instead."
