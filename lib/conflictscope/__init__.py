"""ConflictScope: which value does a language model act on when two of them collide? (arXiv 2509.25369).

In the order in which data flows; a folder imports only from those above it:

- ``files``: read and write files safely
- ``columns``, ``tables``, ``table_files``: columns, types and meaning of every table; tables on disk
- ``prompts``: one text file per prompt
- ``simulated``: the embedded models, so that everything runs without a key or a network
- ``models``: talk to models; every reply is stored the moment it arrives
- ``scenarios``: value sets, outlines, duplicates, full scenarios, the six checks
- ``elicit``: multiple choice, open-ended conversations, the judge
- ``measure``: choices, rankings, intervals
- ``figures``: tidy table in, axes out
- ``exchange``: others' files in, results that others can use out
- ``browse``: scenarios, responses and verdicts as HTML and widgets; blind labels
- ``study``: parameter files, the notebooks in order, the command line
"""
