"""One colour a value, the same in every figure and every view of a study.

In: the study's values, in their order. Out: RGB colours (0–1) that the colour-blind can tell apart, none of them a
condition's.
"""

from collections.abc import Sequence

# the last two stand for the pink and the yellow of seaborn's colour-blind palette, which are weak on white
_COLORS = ("029e73", "d55e00", "cc78bc", "56b4e9", "ca9161", "949494", "882255", "222255")


def value_colors(values: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """Return value → RGB colour (0–1): the same wherever it is given the study's values in their order."""
    if len(values) > len(_COLORS):
        # slow to import, and few studies have so many
        from seaborn import husl_palette

        return dict(zip(values, husl_palette(len(values), l=0.6), strict=True))
    colors = [(int(rgb[:2], 16) / 255, int(rgb[2:4], 16) / 255, int(rgb[4:], 16) / 255) for rgb in _COLORS]
    return dict(zip(values, colors, strict=False))
