"""Prompts: one text file each, filled in and turned into messages.

In: named fields. Out: the messages that go to a model, with the prompt's name and hash, which every table and
stored reply keeps. ``README.md`` beside this file says which stage and paper section each prompt serves.

- ``rendering``: fill in a prompt; fence text that a model wrote; read fenced text back
"""

from conflictscope.prompts.rendering import Prompt, fence, prompt_hashes, prompt_texts, read_fences, render

__all__ = ["Prompt", "fence", "prompt_hashes", "prompt_texts", "read_fences", "render"]
