"""Whether a model's server read whole prompts: one that is too long for its context window loses its beginning.

In: the characters of each prompt, and the tokens that the endpoint counted in it (``usage.prompt_tokens``). Out: the
calls whose prompts were cut. Nothing else says so: the server answers as if half a question were the question.
"""

MOST_CHARACTERS_ON_AVERAGE = 7
"""Longer tokens no prompt of ours has on average; English has 4 to 5, other languages less."""
FEWEST_TOKENS = 256
"""No window is smaller. A count below it says nothing: some servers count only what they had not cached."""
_EQUAL, _LONGER = 5, 1.1


class PromptCounts:
    """What one endpoint has counted in a model's prompts, in one process."""

    def __init__(self) -> None:
        self._most = 0
        self._at_most: dict[int, list[str]] = {}
        """Characters → keys of the calls with the highest count so far."""

    def find_cut(self, key: str, characters: int, counted: int | None) -> list[str]:
        """Add a call and return the keys of those whose prompts are now known to have been cut; [] if none is.

        They are known by either of two signs, each with a margin:

        - a prompt has more than ``MOST_CHARACTERS_ON_AVERAGE`` characters for every token counted;
        - five prompts or more, the longest at least a tenth longer than the shortest, have one and the same count, and
          none has a higher one: that is the size of the window.

        Parameters
        ----------
        key : str
            The call's.
        characters : int
            In all messages of the prompt.
        counted : int or None
            Tokens that the endpoint counted in it; None: it said nothing.
        """
        if counted is None or counted < FEWEST_TOKENS:
            return []
        if counted > self._most:
            self._most, self._at_most = counted, {}
        if counted == self._most:
            self._at_most.setdefault(characters, []).append(key)
        too_few = characters > MOST_CHARACTERS_ON_AVERAGE * counted
        lengths = self._at_most
        at_the_limit = len(lengths) >= _EQUAL and max(lengths) >= _LONGER * min(lengths)
        if not (too_few or at_the_limit):
            return []
        keys = [key] + [other for others in self._at_most.values() for other in others if at_the_limit]
        # so that the same process goes on once the window was made larger
        self._most, self._at_most = 0, {}
        return list(dict.fromkeys(keys))
