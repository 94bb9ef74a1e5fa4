"""`dataclass`: the standard one, at a third of its price.

The standard one compiles six functions for each frozen class, and a server has five hundred: that
was a quarter of its start. Here the constructor alone is compiled; comparing, hashing and showing
are shared. Objects are cheaper too: a frozen dataclass writes each field through
`object.__setattr__`, which costs three times as much as the field itself, and some are made several
times for every call of a function. So only the type checker freezes these.
"""

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, eq=True, slots=False, kw_only=False):
        def made(cls):
            cls.__doc__ = cls.__doc__ or cls.__name__  # else it is made of the whole signature
            made = dataclasses.dataclass(cls, repr=False, eq=False, slots=slots, kw_only=kw_only)
            fields = dataclasses.fields(made)
            methods = {"__repr__": _shown([field.name for field in fields if field.repr])}
            if eq:
                names = [field.name for field in fields if field.compare]
                fields_of = attrgetter(*names) if names else _nothing
                methods["__eq__"] = _same(fields_of)
                methods["__hash__"] = _hashed(fields_of) if frozen else None
            own = set(cls.__dict__)
            if "__eq__" in own and cls.__hash__ is None:
                own.discard("__hash__")  # Python wrote that, not the author
            for name, method in methods.items():
                if name not in own:
                    setattr(made, name, method)
            return made

        return made if cls is None else made(cls)

    def _nothing(value):
        return ()

    def _same(fields_of):
        def __eq__(self, other):
            if other.__class__ is self.__class__:
                return fields_of(self) == fields_of(other)
            return NotImplemented

        return __eq__

    def _hashed(fields_of):
        def __hash__(self):
            return hash(fields_of(self))

        return __hash__

    def _shown(names):
        def __repr__(self):
            values = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{self.__class__.__qualname__}({values})"

        return __repr__
