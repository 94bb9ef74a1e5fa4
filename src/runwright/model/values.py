"""`value`: a frozen dataclass that is cheap to make.

A frozen dataclass writes each of its fields through `object.__setattr__`, which costs three times
as much as the field itself. What is made several times for every call of a function cannot pay
that, so only the type checker freezes these. They hash and compare as frozen ones do.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen, **options):
        assert frozen
        return dataclass(unsafe_hash=True, **options)


__all__ = ["value"]
