"""``python -m conflictscope``: the same as the command ``conflictscope``."""

from conflictscope.study.command_line import main

main()
