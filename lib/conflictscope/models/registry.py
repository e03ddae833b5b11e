"""The models that a study may ask, read from ``params/models.yaml``, and what they cost.

In: a YAML file with ``models`` (name → endpoint, limits, prices, abilities) and ``casts`` (name → which model plays
which role). Out: a ``Registry``. Keys are never in the file: it names the environment variable that holds one. Prices
that an entry does not give are those of the list that the package ``genai-prices`` ships: nothing is fetched, nothing
guessed.
"""

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from conflictscope.files import did_you_mean, name_problem, places_in, read_mapping

PACKAGE = "genai-prices"
_LOCAL = re.compile(r"simulated:|https?://(?:localhost|127\.[0-9.]+|\[::1\])(?:[:/]|$)")


@dataclass(frozen=True)
class Prices:
    """Dollars per million tokens; None: unknown.

    ``cached`` is for the part of the input that the endpoint had cached, at most ``input``. ``listed`` is the list's
    name for the model, ``provider/id``; None if the list has no part in them.
    """

    input: float | None = None
    output: float | None = None
    cached: float | None = None
    listed: str | None = None

    def cost(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float | None:
        """Return dollars for so many tokens, of whose input some were cached; None if a price needed is unknown."""
        if self.input is None or (self.output is None and output_tokens):
            return None
        cached = self.input if self.cached is None else self.cached
        dollars = (input_tokens - cached_tokens) * self.input + cached_tokens * cached
        return (dollars + output_tokens * (self.output or 0)) / 1e6


UNKNOWN = Prices()


@cache
def find_prices(base_url: str, id: str, reference: str | None = None) -> Prices:
    """Look a model up in the price list.

    Prices are those of today, for prompts below the lengths from which some models cost more (128,000 tokens or above).

    Parameters
    ----------
    base_url, id : str
        The endpoint tells the provider; one on this machine has none.
    reference : str, optional
        ``provider/model`` of the list, in place of both.

    Returns
    -------
    Prices
        ``UNKNOWN`` if the list has no such model.

    Raises
    ------
    ValueError
        If a reference is given that the list does not have.
    """
    if reference is None and _LOCAL.match(base_url):
        return UNKNOWN
    from genai_prices.data_snapshot import get_snapshot

    provider, _, model_id = (reference or "").partition("/")
    try:
        if reference is None:
            provider_found, model = get_snapshot().find_provider_model(id, None, None, base_url)
        else:
            provider_found, model = get_snapshot().find_provider_model(model_id, None, provider, None)
    except LookupError:
        if reference is None:
            return UNKNOWN
        raise ValueError(
            f"found {reference!r}; expected provider/model of {name_snapshot()}, such as openai/gpt-4.1 or "
            "openrouter/openai/gpt-oss-20b."
        ) from None
    listed = model.get_prices(datetime.now(UTC))
    per_token = {kind: _dollars(getattr(listed, f"{kind}_mtok")) for kind in ("input", "output", "cache_read")}
    return Prices(per_token["input"], per_token["output"], per_token["cache_read"], f"{provider_found.id}/{model.id}")


def override(prices: Prices, stated: Mapping[str, float | None]) -> Prices:
    """Return prices with those that an entry gives itself, by name, in their place.

    An own input price holds for cached tokens too, unless the entry gives a price of its own for these.
    """
    given = {name: price for name, price in stated.items() if price is not None}
    if not given:
        return prices
    cached = given.get("cached", given.get("input", prices.cached))
    return Prices(given.get("input", prices.input), given.get("output", prices.output), cached, prices.listed)


def name_snapshot() -> str:
    """Return the price list's version."""
    return f"{PACKAGE} {version(PACKAGE)}"


def date_snapshot() -> str:
    """Return the day of the list's last change of a price that is in force, ISO 8601: it has no date of its own."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import StartDateConstraint

    conditions = (
        price.constraint
        for provider in get_snapshot().providers
        for model in provider.models
        if isinstance(model.prices, list)
        for price in model.prices
    )
    days = (condition.start_date for condition in conditions if isinstance(condition, StartDateConstraint))
    return str(max(day for day in days if day <= datetime.now(UTC).date()))


def _dollars(price: Any) -> float | None:
    """Return a price of the list as a number; of one that rises with the prompt's length, its base."""
    if price is None:
        return None
    return float(price if isinstance(price, Decimal) else price.base)


SIMULATED = "simulated:"
BATCHED = "CONFLICTSCOPE_BATCHED"
"""Environment variable that is set if a run asks all models in batches whose entries do not say ``batch: false``."""
BATCH_PRICE = 0.5
"""What a token costs in a batch, as a share of its price."""
PROBES_FILE = "probes.json"
"""Beside the file of models: what endpoints were found to take."""
ROLES = ("author", "filter_judge", "simulated_user", "judge", "targets", "embedder")
# embedders that are no models: they run on this machine
LOCAL_EMBEDDERS = ("tfidf", "minilm")


def _check_address(url: str) -> str:
    """Return an endpoint's address unless it is none, or may hold a secret."""
    try:
        parts = urlsplit(url)
        # raises if it is none
        _ = parts.port
        # which urlsplit leaves out, or takes for parts of names
        if not url.isprintable() or " " in url:
            raise ValueError
    except ValueError:
        raise ValueError("an address such as https://api.openai.com/v1") from None
    if url != SIMULATED and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ValueError(f"http://…, https://… or {SIMULATED}")
    if parts.password or parts.username or parts.query or parts.fragment:
        raise ValueError(
            "an address without user name and password, and without a query; keys come from the environment "
            "(key_variable)"
        )
    try:
        # as names are looked up: parts of 63 letters at most, none of them empty
        (parts.hostname or "").encode("idna")
    except UnicodeError:
        raise ValueError("an address whose host can be looked up") from None
    return url


# what is said by other means, or must not be said in a file that is packed and shown
_OURS = ("model", "messages", "stream", "n", "response_format", "logprobs", "top_logprobs")
_SECRET = re.compile(
    r"(?:.*[-_])?(?:api|access|auth|secret)[-_]?(?:key|token)|authorization|(?:.*[-_])?headers|extra_query|key"
)


def _check_options(options: object) -> dict[str, Any]:
    """Return options as they are sent, those under ``extra_body`` among the others, unless they cannot be sent."""
    if options is None:
        return {}
    if not isinstance(options, Mapping) or not all(isinstance(name, str) and name for name in options):
        raise ValueError("a mapping of names to what JSON can hold, such as {reasoning_effort: low}")
    more = options.get("extra_body", {})
    if not isinstance(more, Mapping) or set(more) & set(options):
        raise ValueError("under extra_body a mapping of names that do not stand beside it as well")
    sent = {**{name: value for name, value in options.items() if name != "extra_body"}, **more}
    if ours := sorted(name for name in sent if name in _OURS or _SECRET.fullmatch(name.lower())):
        raise ValueError(
            f"options without {ours}: what is asked is said elsewhere, and keys come from the environment "
            "(key_variable)"
        )
    if not _is_json(sent):
        raise ValueError(
            "options of text, numbers, true, false, null, lists and mappings (quote a date to make it text)"
        )
    # in whatever order they are written, they are the same call
    return {name: sent[name] for name in sorted(sent)}


def _is_json(value: object) -> bool:
    """Return whether JSON can hold a value."""
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _is_json(item) for name, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


# what a field's description says is what a message says was expected
_TEXT = Field(strict=True, min_length=1, description="text")
_ABILITY = Field(strict=True, description="true or false")
_COUNT = Field(strict=True, gt=0, description="a whole number above 0")
_SECONDS = Field(strict=True, gt=0, allow_inf_nan=False, description="a number above 0")
_MINUTES = Field(strict=True, ge=0, allow_inf_nan=False, description="a number of 0 or above")
_SIZE = Field(strict=True, gt=0, le=1000, description="a number above 0, 1000 at most")
_PRICE = Field(strict=True, ge=0, allow_inf_nan=False, description="a number of 0 or above")
# no key of a provider looks like this: hf_… and gsk_… have small letters, and others many signs without an underscore
_VARIABLE = Field(
    strict=True,
    pattern=r"^[A-Z][A-Z0-9]{0,15}(?:_[A-Z0-9]{1,16}){0,9}$",
    description="the name of an environment variable in capital letters, such as OPENAI_API_KEY; the key itself "
    "belongs into that variable",
)
_REFUSED = Field(description="a list of some of ['temperature', 'max_tokens']")
_LIKE_A_KEY = re.compile(r"(?=[-_A-Za-z]*[0-9])(?=[-_0-9]*[A-Za-z])[-_A-Za-z0-9]{20}")
_OPTIONS = Field(description="a mapping of names to what JSON can hold")
_LIMIT_NAME = Field(strict=True, pattern=r"^[a-z][a-zA-Z_]{0,39}$", description="a name such as max_completion_tokens")
_TOKENS = Field(strict=True, ge=0, description="a whole number of 0 or above")
_REFERENCE = Field(
    strict=True,
    pattern=r"^[^/\s]+/\S+$",
    description="provider/model of the price list, such as openai/gpt-4.1 or openrouter/openai/gpt-oss-20b",
)
_FORM = Field(description="one of ['openai', 'anthropic']")
_DATE = Field(strict=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="a date such as 2026-10-23")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Model:
    """One model behind an OpenAI-compatible endpoint; the fields after ``name`` are its keys in the YAML file."""

    name: Annotated[str, _TEXT]
    base_url: Annotated[str, _TEXT, AfterValidator(_check_address)]
    """Address of the endpoint, or ``simulated:`` for the embedded default."""
    id: Annotated[str, _TEXT]
    """What the endpoint calls the model."""
    key_variable: Annotated[str | None, _VARIABLE] = None
    """Environment variable that holds the key; None: the endpoint asks for none."""
    family: Annotated[str | None, _TEXT] = None
    """Whose model it is, as judges and targets are compared by family; None: unknown."""
    kind: Annotated[Literal["chat", "embeddings"], Field(description="one of ['chat', 'embeddings']")] = "chat"
    concurrency: Annotated[int, _COUNT] = 16
    """Calls in flight at most."""
    requests_per_minute: Annotated[int | None, _COUNT] = None
    tokens_per_minute: Annotated[int | None, _COUNT] = None
    timeout_s: Annotated[float, _SECONDS] = 120
    """Seconds after which one attempt is given up; a silent endpoint is after 300 s, or twice as long if longer."""
    max_attempts: Annotated[int, _COUNT] = 8
    """Attempts for one call, the first one included; those answered with 429 do not count."""
    max_reply_mb: Annotated[float, _SIZE] = 8
    """Millions of bytes that an answer may have, once unpacked; a longer one is an error and is not read to its end."""
    input_price: Annotated[float | None, _PRICE] = None
    output_price: Annotated[float | None, _PRICE] = None
    cached_price: Annotated[float | None, _PRICE] = None
    """Dollars per million tokens; None: as in the price list (``prices``). Of input that was cached: as other input."""
    prices: Annotated[str | None, _REFERENCE] = None
    """The model in the price list, ``provider/model``; None: found by ``base_url`` and ``id``, if it is there."""
    retired: Annotated[str | None, _DATE] = None
    """Day from which its provider answers no more, as announced; None: none is known."""
    tokeniser: Annotated[str | None, _TEXT] = None
    """Name of the model's encoding in ``tiktoken``, to estimate tokens with; None: by a stated rule."""
    token_limit_name: Annotated[str, _LIMIT_NAME] = "max_tokens"
    """What it calls the longest length of a reply."""
    reasoning_room: Annotated[int, _TOKENS] = 0
    """Tokens that are added to every limit of length, as room for thoughts."""
    system_role: Annotated[bool, _ABILITY] = True
    """Whether it takes messages of the role ``system``; else they are put before the user's first message."""
    options: Annotated[dict[str, Any], BeforeValidator(_check_options), _OPTIONS] = field(default_factory=dict)
    """What is sent with every chat call besides, as it is: ``reasoning_effort``, ``top_p``, ``seed``, ``stop`` …; what
    stands under ``extra_body`` is put among the others. Goes before what the study says under the same name."""
    refused_options: Annotated[tuple[Literal["temperature", "max_tokens"], ...], _REFUSED] = ()
    """Which of the study's options the model refuses; they are not sent. ``max_tokens`` under any name."""
    json_schema: Annotated[bool, _ABILITY] = False
    """Whether it takes ``response_format`` with a JSON schema; else it is asked in words to reply in JSON."""
    logprobs: Annotated[bool, _ABILITY] = False
    """Whether it gives the log-probabilities of its tokens."""
    batch: Annotated[bool | None, _ABILITY] = None
    """Whether it is asked in batches, at half the price, where replies may take a day; None: if the run is to be."""
    batch_form: Annotated[Literal["openai", "anthropic"] | None, _FORM] = None
    """Whose batch interface its endpoint has; None: ``anthropic`` at api.anthropic.com, else ``openai``."""
    batch_folder: Annotated[str | None, _TEXT] = None
    """Folder for files of requests and results, for an engine that is run by hand; takes the place of the endpoint."""
    batch_size: Annotated[int, _COUNT] = 50_000
    """Calls a batch at most."""
    batch_hours: Annotated[float | None, _SECONDS] = None
    """Hours after which a batch is cancelled and what it left is asked live; None: never."""
    batch_wait_minutes: Annotated[float | None, _MINUTES] = None
    """Minutes that a stage waits for its batches before it is left, to be gone on with later; None: 10, or 0 with
    ``batch_folder``, whose engine somebody has to start."""
    counts_prompts: Annotated[bool, _ABILITY] = True
    """Whether its ``usage.prompt_tokens`` counts whole prompts, so that it shows if one was cut."""

    @property
    def in_batches(self) -> bool:
        """Whether it is asked in batches, at its endpoint or by files in a folder."""
        return bool(self.batch) or self.batch_folder is not None

    @property
    def minutes_to_wait(self) -> float:
        """Minutes that a stage waits for its batches."""
        if self.batch_wait_minutes is None:
            return 10 if self.batch_folder is None else 0
        return self.batch_wait_minutes

    @property
    def batches_as_anthropic(self) -> bool:
        """Whether its batch interface is Anthropic's."""
        host = urlsplit(self.base_url).hostname
        return self.batch_form == "anthropic" or (self.batch_form is None and host == "api.anthropic.com")

    @property
    def simulated(self) -> bool:
        """Whether this is one of the embedded simulated models."""
        return self.base_url == SIMULATED

    @cached_property
    def prices_now(self) -> Prices:
        """Dollars per million tokens: those of the entry, else those of the price list.

        Raises
        ------
        ValueError
            If ``prices`` names what the list does not have.
        """
        stated = {"input": self.input_price, "output": self.output_price, "cached": self.cached_price}
        if self.input_price is not None and self.output_price is not None:
            return override(Prices(), stated)
        try:
            return override(find_prices(self.base_url, self.id, self.prices), stated)
        except ValueError as problem:
            raise ValueError(f"model {self.name!r}: prices: {problem}") from None

    def cost(self, input_tokens: float, output_tokens: float, cached_tokens: float = 0) -> float | None:
        """Return dollars for so many tokens; None if a price that is needed is unknown.

        Parameters
        ----------
        input_tokens, output_tokens : float
            Sent and received; thoughts are part of what is received.
        cached_tokens : float
            Those of the input that the endpoint had cached.
        """
        return self.prices_now.cost(input_tokens, output_tokens, cached_tokens)


def entry_of(model: Model) -> dict[str, Any]:
    """Return a model's entry for the file of models: key → value, without what is as by default."""
    defaults = {
        one.name: one.default if one.default_factory is MISSING else one.default_factory() for one in fields(Model)
    }
    entry = {key: value for key, value in asdict(model).items() if key != "name" and value != defaults[key]}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in entry.items()}


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
            near = did_you_mean(name, self.models) or "."
            raise ValueError(
                f"unknown model {name!r}; expected one of {sorted(self.models)}{near} "
                f"Describe new ones in {self._source}."
            ) from None

    def describe(self, name: str, **given: Any) -> Model:
        """Return a model whose entry is as in the file but for what is given, or one that is given alone.

        Raises
        ------
        ValueError
            If it is not in the file and ``base_url`` is not given, or something given does not fit.
        """
        entry = {key: value for key, value in given.items() if value is not None}
        if name in self.models:
            entry = entry_of(self.models[name]) | entry
        elif "base_url" not in entry:
            return self[name]
        problems: list[str] = []
        models = _read_models({name: {"id": name} | entry}, problems)
        if problems:
            raise ValueError("\n".join(problems))
        return models[name]

    def __contains__(self, name: object) -> bool:
        return name in self.models

    def cast(self, name: str) -> dict[str, str | list[str]]:
        """Return role → model, and ``targets`` → list of models, of a cast.

        Raises
        ------
        ValueError
            If there is no such cast, with the names of those there are.
        """
        if not isinstance(name, str) or name not in self._casts:
            known = sorted(self._casts)
            near = did_you_mean(name, known) or "."
            raise ValueError(f"{self._source}: unknown cast {name!r}; expected one of {known}{near}")
        return {role: list(held) if isinstance(held, list) else held for role, held in self._casts[name].items()}


def load_registry(path: Path | str) -> Registry:
    """Read the file of models.

    Raises
    ------
    FileNotFoundError
        If the file is not there.
    ValueError
        Listing everything in it that does not fit: file, model, key, what was found, what was expected.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there; expected the file that describes the models (params/models.yaml)."
        )
    content, place = read_mapping(path), places_in(path)
    if unknown := sorted(set(content) - {"models", "casts"}):
        raise ValueError(
            f"{path}: {place(unknown[0])}found {sorted(content)}; expected the sections ['casts', 'models']"
            f"{did_you_mean(unknown[0], ('models', 'casts')) or '.'}"
        )
    problems: list[str] = []
    models = _read_models(content.get("models"), problems, place)
    casts = content.get("casts") or {}
    if isinstance(casts, dict):
        for name, cast in casts.items():
            problems += [f"{place('casts', name)}casts: {name}: {problem}" for problem in _cast_problems(cast, models)]
    else:
        problems.append(f"casts: found {type(casts).__name__}; expected a mapping of names to casts.")
    if problems:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    if os.environ.get(BATCHED):
        models = {
            name: replace(model, batch=True)
            if model.batch is None and model.kind == "chat" and not model.simulated
            else model
            for name, model in models.items()
        }
    return Registry(models, casts, str(path))


def _read_models(
    entries: object, problems: list[str], place: Callable[..., str] = lambda *keys: ""
) -> dict[str, Model]:
    """Return the models that fit; what does not goes to `problems`, with its place in a file."""
    if not isinstance(entries, dict) or not entries:
        problems.append(f"models: found {entries!r}; expected a mapping of names to models.")
        return {}
    models = {}
    for name, entry in entries.items():
        if expected := name_problem(name, marks="/:@+"):
            problems.append(f"{place('models', name)}models: found {str(name)[:80]!r}; expected a name of {expected}.")
        elif not isinstance(entry, dict):
            problems.append(
                f"{place('models', name)}models: {name}: found {entry!r}; expected a mapping with base_url and id."
            )
        else:
            try:
                # a key `name` would be a second name
                models[name] = Model(name, **{_as_key(key): value for key, value in entry.items()})
            except ValidationError as invalid:
                for error in invalid.errors(include_url=False):
                    where = place("models", name, str(error["loc"][0]).strip("'"))
                    problems.append(f"{where}models: {name}: {_in_words(error)}")
    return models


def _as_key(key: object) -> str:
    """Return a key of an entry as a keyword of ``Model`` that it can only be if it is one in the file as well."""
    return key if isinstance(key, str) and key != "name" else f"{key!r}"


def _in_words(error: Any) -> str:
    """Return what pydantic finds wrong with an entry: the key, what was found and what was expected."""
    key, given = str(error["loc"][0]), error["input"]
    known_fields = Model.__pydantic_fields__  # type: ignore[attr-defined]
    if key not in known_fields:
        known = sorted(set(known_fields) - {"name"})
        shown = "unknown key" if _LIKE_A_KEY.search(key) else f"unknown key {key.strip(chr(39))!r}"
        return f"{shown}; expected one of {known}{did_you_mean(key, known) or '.'}"
    if error["type"] == "missing":
        return f"{key} is missing."
    expected = str(error["ctx"]["error"]) if error["type"] == "value_error" else known_fields[key].description
    if key == "refused_options" and len(error["loc"]) > 1:
        given = [given]
    alternatives = re.findall(r"'(\w+)'", error["ctx"]["expected"]) if error["type"] == "literal_error" else ()
    near = did_you_mean(error["input"], alternatives) or "."
    # what was found may be a key: where its variable belongs, within an address, among the options, or by its look
    secret = key in ("key_variable", "options") or (key == "base_url" and any(mark in str(given) for mark in "@?#"))
    secret |= bool(_LIKE_A_KEY.search(str(given)))
    return f"{key}: {'' if secret else f'found {given!r}; '}expected {expected}{near}"


def _cast_problems(cast: object, models: Mapping[str, Model]) -> list[str]:
    """Return what is wrong with a cast."""
    if not isinstance(cast, dict):
        return [f"found {cast!r}; expected the roles {list(ROLES)}."]
    if set(cast) != set(ROLES):
        unknown = sorted(set(cast) - set(ROLES))
        near = did_you_mean(unknown[0], ROLES) if unknown else ""
        return [f"found {sorted(cast)}; expected the roles {list(ROLES)}{near or '.'}"]
    if not isinstance(cast["targets"], list) or not cast["targets"]:
        return [f"targets: found {cast['targets']!r}; expected a list of at least one model."]
    problems = []
    for role in ROLES:
        kind = "embeddings" if role == "embedder" else "chat"
        expected = sorted(name for name, model in models.items() if model.kind == kind)
        expected += LOCAL_EMBEDDERS if role == "embedder" else ()
        for name in cast[role] if role == "targets" else [cast[role]]:
            if name not in expected:
                near = did_you_mean(name, expected) or "."
                problems.append(f"{role}: found {name!r}; expected one of {expected}{near}")
    return problems
