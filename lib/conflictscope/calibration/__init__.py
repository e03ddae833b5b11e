"""Calibration: the instrument, tried on respondents whose preferences are known.

- ``truths``: utilities that are put in, and what they imply
- ``studies``: choices and verdicts drawn from them, nuisances and all
- ``replications``: many studies of one kind
- ``recovery``: how often intervals and tests are right about them
"""
