"""Packages whose modules are imported when one of their names is first used: the command line answers sooner so."""

import importlib
from collections.abc import Callable, Mapping, Sequence


def open_rooms(package: str, rooms: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Return a package's ``__getattr__``.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    rooms : mapping
        Module → names of the package that are its.
    """

    def get(name: str) -> object:
        room = next((room for room, names in rooms.items() if name in names), None)
        if room is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{room}"), name)

    return get
