"""What a message between our own processes is made of: a frozen record with a form and a tag. Anywhere."""

from __future__ import annotations

import struct
from typing import Any, ClassVar, NoReturn, dataclass_transform


@dataclass_transform(frozen_default=True)
class Sent:
    """A frozen record, its fields as annotated. `dataclass` would write code for each of the classes below and compile
    it, at every start and in each process."""

    FORM: ClassVar[struct.Struct]
    TAG: ClassVar[int]
    _names: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls) -> None:
        cls._names = tuple(cls.__annotations__)

    def __init__(self, *given: Any, **named: Any) -> None:
        fields = dict(zip(self._names, given, strict=False)) | named
        self.__dict__.update(fields)  # what is not given has its default, of the class
        if len(fields) < len(given) + len(named) or any(not hasattr(self, name) for name in self._names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._names) or 'nothing'}")

    @property
    def fields(self) -> tuple[Any, ...]:
        """Their values, in order."""
        return tuple(getattr(self, name) for name in self._names)

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sent) and (other.TAG, other.fields) == (self.TAG, self.fields)

    def __hash__(self) -> int:
        return hash((self.TAG, self.fields))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.fields}"
