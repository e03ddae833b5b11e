"""Prompts: one text file each, filled in and turned into messages.

In: named fields. Out: the messages that go to a model, with the prompt's name and hash, which every table and
stored reply keeps. ``README.md`` beside this file says which stage and paper section each prompt serves.

- ``rendering``: fill in a prompt; fence text that a model wrote; read fenced text, or the rest; a study's own prompts
"""

from conflictscope.prompts.rendering import (
    Prompt,
    fence,
    prompt_files,
    prompt_hash,
    prompt_hashes,
    prompt_texts,
    prompts_in_use,
    read_fences,
    render,
    use_prompts,
    without_fences,
)

__all__ = [
    "Prompt",
    "fence",
    "prompt_files",
    "prompt_hash",
    "prompt_hashes",
    "prompt_texts",
    "prompts_in_use",
    "read_fences",
    "render",
    "use_prompts",
    "without_fences",
]
