"""Strings that know where they come from, and hand that on to what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, SupportsIndex, TypeVar

from lol_lightning.inspection.tracing._queries import BETWEEN_COLUMNS, HOOK_FILES, Form, Origin, active_trace

__all__ = ["CarriedStr"]

HOOK_FILES.add(__file__)

_Carried = TypeVar("_Carried", bound="CarriedStr")


class CarriedStr(str):
    """A string with its origin, which slices, copies in another case and concatenations keep."""

    __slots__ = ("origin",)

    origin: Origin

    def __new__(cls: type[_Carried], value: str, origin: Origin) -> _Carried:
        self = super().__new__(cls, value)
        self.origin = origin
        trace = active_trace()
        if trace is not None:
            trace.last_text = self
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return type(self), (str.__str__(self), self.origin)

    def like(self: _Carried, value: str, form: Form | None = None) -> _Carried:
        """Return ``value`` as a string that comes from the same column."""
        return type(self)(value, self.origin if form is None else self.origin._replace(form=form))

    def __iter__(self) -> Iterator[str]:
        return (self.like(character, "piece") for character in str.__iter__(self))

    def __getitem__(self, key: Any) -> str:
        return self.like(str.__getitem__(self, key), self._form_of(key))

    def _form_of(self, key: Any) -> Form:
        if not isinstance(key, slice):
            return "start" if key == 0 else "end" if key == -1 else "piece"
        if key.step not in (None, 1):
            return "piece"
        if key.start in (None, 0):
            return self.origin.form if key.stop is None else "start"
        return "end" if key.stop is None else "piece"

    def __add__(self, other: str) -> str:
        joined = str.__add__(self, other)
        if joined is NotImplemented:
            return joined
        if not isinstance(other, CarriedStr):
            return self.like(joined)
        columns = [*self.origin.column.split(BETWEEN_COLUMNS), *other.origin.column.split(BETWEEN_COLUMNS)]
        return type(self)(joined, self.origin._replace(column=BETWEEN_COLUMNS.join(dict.fromkeys(columns))))

    def __radd__(self, other: str) -> str:
        return self.like(str.__add__(other, self)) if isinstance(other, str) else NotImplemented

    def __rmod__(self, template: str) -> str:
        return self.like(str.__mod__(template, str.__str__(self))) if isinstance(template, str) else NotImplemented

    def __str__(self) -> str:
        return self

    def __format__(self, spec: str) -> str:
        return self.like(str.__format__(self, spec))


def _carried(name: str, capitals: bool | None = None) -> Callable[..., CarriedStr]:
    method = getattr(str, name)

    def carried(self: CarriedStr, *args: Any, **kwargs: Any) -> CarriedStr:
        origin = self.origin if capitals is None else self.origin._replace(capitals=capitals)
        return type(self)(method(self, *args, **kwargs), origin)

    return carried


for _name in (
    *("capitalize", "center", "expandtabs", "ljust", "lstrip", "removeprefix", "removesuffix", "replace", "rjust"),
    *("rstrip", "strip", "swapcase", "title", "translate", "zfill", "__mul__", "__rmul__"),
):
    setattr(CarriedStr, _name, _carried(_name))
for _name, _capitals in (("lower", False), ("casefold", False), ("upper", True)):
    setattr(CarriedStr, _name, _carried(_name, _capitals))
