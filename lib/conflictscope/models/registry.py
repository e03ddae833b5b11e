"""The models that a study may ask, read from ``params/models.yaml``.

In: a YAML file with two sections: ``models`` (name → endpoint, limits, prices, abilities) and ``casts`` (name → which
model plays which of the roles of the paper's section 3). Out: a ``Registry``. Keys themselves are never in the file:
it names the environment variable that holds one.
"""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args, get_origin
from urllib.parse import urlsplit

from conflictscope.files import name_problem, read_mapping

SIMULATED = "simulated:"
ROLES = ("author", "filter_judge", "simulated_user", "judge", "targets", "embedder")
# embedders that are no models: they run on this machine
LOCAL_EMBEDDERS = ("tfidf", "minilm")


@dataclass(frozen=True)
class Model:
    """One model behind an OpenAI-compatible endpoint; the fields after ``name`` are its keys in the YAML file."""

    name: str
    base_url: str
    """Address of the endpoint, or ``simulated:`` for the embedded default."""
    id: str
    """What the endpoint calls the model."""
    key_variable: str | None = None
    """Environment variable that holds the key; None where the endpoint asks for none."""
    family: str | None = None
    """Whose model it is, as judges and targets are compared by family; None: not told."""
    kind: Literal["chat", "embeddings"] = "chat"
    concurrency: int = 16
    """Calls in flight at most."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout_s: float = 120
    """Seconds after which one attempt is given up; a silent endpoint is after 300 s, or twice as long if longer."""
    max_attempts: int = 8
    """Attempts for one call, the first one included; those answered with 429 do not count."""
    input_price: float | None = None
    output_price: float | None = None
    """Dollars per million tokens; None: unknown."""
    tokeniser: str | None = None
    """Name of the model's encoding in ``tiktoken``, to estimate tokens with; None: by a stated rule."""
    refused_options: tuple[str, ...] = ()
    """Which of ``temperature`` and ``max_tokens`` the model refuses; they are not sent."""
    json_schema: bool = False
    """Whether it takes ``response_format`` with a JSON schema; else it is told to reply in JSON."""
    logprobs: bool = False
    """Whether it gives the log-probabilities of its tokens."""

    @property
    def simulated(self) -> bool:
        """Whether this is one of the embedded simulated models."""
        return self.base_url == SIMULATED

    def cost(self, input_tokens: float, output_tokens: float) -> float | None:
        """Return dollars for so many tokens; None where a price that is needed is unknown."""
        if self.input_price is None or (self.output_price is None and output_tokens):
            return None
        return (input_tokens * self.input_price + output_tokens * (self.output_price or 0)) / 1e6


class Registry:
    """The models and casts of one file.

    ``registry[name]`` is a ``Model``; a name that is not there raises ``ValueError`` with the names that are.
    """

    def __init__(self, models: Mapping[str, Model], casts: Mapping[str, Mapping] | None = None, source: str = ""):
        self.models = MappingProxyType(dict(models))
        self._casts = dict(casts or {})
        self._source = source or "the registry"

    def __getitem__(self, name: str) -> Model:
        try:
            return self.models[name]
        except KeyError:
            raise ValueError(
                f"unknown model {name!r}; expected one of {sorted(self.models)}. Describe new ones in {self._source}."
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self.models

    def cast(self, name: str) -> dict[str, str | list[str]]:
        """Return role → model, and ``targets`` → list of models, of a cast.

        Raises
        ------
        ValueError
            Where there is no such cast, with the names of those there are.
        """
        if not isinstance(name, str) or name not in self._casts:
            raise ValueError(f"{self._source}: unknown cast {name!r}; expected one of {sorted(self._casts)}.")
        return {role: list(held) if isinstance(held, list) else held for role, held in self._casts[name].items()}


def load_registry(path: Path | str) -> Registry:
    """Read the file of models.

    Returns
    -------
    Registry

    Raises
    ------
    FileNotFoundError
        Where the file is not there.
    ValueError
        Listing everything in it that does not fit: what was found, what was expected.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there; expected the file that describes the models (params/models.yaml)."
        )
    content = read_mapping(path)
    if set(content) - {"models", "casts"}:
        raise ValueError(f"{path}: found {sorted(map(str, content))}; expected the sections ['casts', 'models'].")
    problems: list[str] = []
    models = _read_models(content.get("models"), problems)
    casts = content.get("casts") or {}
    if isinstance(casts, dict):
        for name, cast in casts.items():
            _check_cast(str(name), cast, models, problems)
    else:
        problems.append(f"casts: found {type(casts).__name__}; expected a mapping of names to casts.")
    if problems:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return Registry(models, casts, str(path))


def _read_models(found: object, problems: list[str]) -> dict[str, Model]:
    """Return the models that fit; what does not goes to `problems`."""
    if not isinstance(found, dict) or not found:
        problems.append(f"models: found {found!r}; expected a mapping of names to models.")
        return {}
    known = {field.name: field for field in fields(Model) if field.name != "name"}
    required = [name for name, field in known.items() if field.default is MISSING]
    models = {}
    for name, entry in found.items():
        if expected := name_problem(name, marks="/:@+"):
            problems.append(f"models: found {str(name)[:80]!r}; expected a name of {expected}.")
            continue
        where = f"models: {name}"
        if not isinstance(entry, dict):
            problems.append(f"{where}: found {entry!r}; expected a name and a mapping with {required}.")
            continue
        wrong = [f"unknown key {key!r}; expected one of {sorted(known)}." for key in entry if key not in known]
        wrong += [f"{key} is missing." for key in required if key not in entry]
        wrong += [
            f"{key}: {_found(key, value)}expected {expected}."
            for key, value in entry.items()
            if key in known and (expected := _misfit(key, known[key].type, value))
        ]
        problems += [f"{where}: {problem}" for problem in wrong]
        if not wrong:
            models[name] = Model(name, **entry | {"refused_options": tuple(entry.get("refused_options", ()))})
    return models


def _found(key: str, value: object) -> str:
    """Return what was found, unless it may be a key: where a variable's name was expected, or within an address."""
    secret = key == "key_variable" or (key == "base_url" and any(mark in str(value) for mark in "@?#"))
    return "" if secret else f"found {value!r}; "


def _misfit(key: str, annotation, value: object) -> str | None:
    """Return what was expected of a model's key where the value does not fit, else None."""
    alternatives = get_args(annotation) if type(None) in get_args(annotation) else (annotation,)
    if value is None and type(None) in alternatives:
        return None
    if get_origin(annotation) is Literal:
        return None if value in get_args(annotation) else f"one of {list(get_args(annotation))}"
    if key == "refused_options":
        options = ("temperature", "max_tokens")
        fits = isinstance(value, list) and all(option in options for option in value)
        return None if fits else f"a list of some of {list(options)}"
    if bool in alternatives:
        return None if isinstance(value, bool) else "true or false"
    if int in alternatives or float in alternatives:
        wanted = (int,) if int in alternatives else (int, float)
        fits = isinstance(value, wanted) and not isinstance(value, bool)
        if fits and (value > 0 or (key.endswith("_price") and value == 0)):  # type: ignore[operator]
            return None
        return f"{'a whole number' if int in alternatives else 'a number'} above 0"
    if not isinstance(value, str) or not value:
        return "text"
    if key == "key_variable" and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):
        return "the name of an environment variable, such as OPENAI_API_KEY; the key itself belongs into that variable"
    if key == "base_url" and value != SIMULATED:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return f"http://…, https://… or {SIMULATED}"
        if parts.password or parts.username or parts.query or parts.fragment:
            return (
                "an address without user name and password, and without a query; keys come from the environment "
                "(key_variable)"
            )
    return None


def _check_cast(name: str, cast: object, models: Mapping[str, Model], problems: list[str]) -> None:
    """Add what is wrong with a cast to `problems`."""
    where = f"casts: {name}"
    if not isinstance(cast, dict) or set(cast) != set(ROLES):
        found = sorted(map(str, cast)) if isinstance(cast, dict) else cast
        problems.append(f"{where}: found {found!r}; expected the roles {list(ROLES)}.")
        return
    if not isinstance(cast["targets"], list) or not cast["targets"]:
        problems.append(f"{where}: targets: found {cast['targets']!r}; expected a list of at least one model.")
        return
    for role in ROLES:
        kind = "embeddings" if role == "embedder" else "chat"
        for model in cast[role] if role == "targets" else [cast[role]]:
            if role == "embedder" and model in LOCAL_EMBEDDERS:
                continue
            expected = sorted(known for known, described in models.items() if described.kind == kind)
            expected += LOCAL_EMBEDDERS if role == "embedder" else ()
            if model not in expected:
                problems.append(f"{where}: {role}: found {model!r}; expected one of {expected}.")
