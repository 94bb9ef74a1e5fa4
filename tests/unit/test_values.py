import dataclasses

import pytest

from runwright.values import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0


@dataclass(frozen=True, kw_only=True)
class Named:
    """A name."""

    name: str
    labels: tuple[str, ...] = ()
    secret: str = dataclasses.field(default="", repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Placed(Named):
    at: Point


@dataclass(slots=True)
class Counter:
    count: int = 0


@dataclass(slots=True, eq=False)
class Owner:
    name: str


@dataclass(frozen=True)
class Nothing:
    def __repr__(self) -> str:
        return "nothing"


@dataclass(frozen=True, slots=True)
class Word:
    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Word) and self.text == other.text


@dataclass(frozen=True)
class Folded:
    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Folded) and self.text.lower() == other.text.lower()

    def __hash__(self) -> int:
        return hash(self.text.lower())


@dataclass(frozen=True)
class Unhashable:
    text: str
    __hash__ = None  # type: ignore[assignment]  # as Python does it


def test_values_are_equal_when_their_fields_are() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(2, 1)
    other: object = Counter(1)
    assert Point(1) != other
    assert Placed(name="a", at=Point(1)) != Named(name="a")
    assert Named(name="a", secret="x") == Named(name="a", secret="y")
    assert Counter(1) == Counter(1)
    assert Owner("a") != Owner("a")
    assert Nothing() == Nothing()


def test_frozen_values_are_keys_and_others_are_not() -> None:
    assert {Point(1, 2): "here"}[Point(1, 2)] == "here"
    assert hash(Placed(name="a", at=Point(1))) == hash(Placed(name="a", at=Point(1)))
    assert len({Nothing(), Nothing()}) == 1
    assert len({Owner("a"), Owner("a")}) == 2
    with pytest.raises(TypeError):
        hash(Counter())


def test_frozen_values_with_an_equality_of_their_own_are_keys_as_in_the_standard_library() -> None:
    assert {Word("a"): "here"}[Word("a")] == "here"
    assert hash(Folded("a")) == hash(Folded("A"))
    with pytest.raises(TypeError):
        hash(Unhashable("a"))


def test_values_show_their_fields_unless_they_say_it_better() -> None:
    assert repr(Placed(name="a", at=Point(1), secret="s")) == (
        "Placed(name='a', labels=(), at=Point(x=1, y=0))"
    )
    assert repr(Nothing()) == "nothing"


def test_values_are_dataclasses_to_the_standard_library() -> None:
    assert dataclasses.replace(Point(1, 2), y=3) == Point(1, 3)
    assert dataclasses.asdict(Placed(name="a", at=Point(1)))["at"] == {"x": 1, "y": 0}
    assert [item.name for item in dataclasses.fields(Placed)] == ["name", "labels", "secret", "at"]
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_a_value_with_slots_takes_no_other_attribute() -> None:
    with pytest.raises(AttributeError):
        setattr(Point(1), "z", 3)  # noqa: B010
    assert not hasattr(Point(1), "__dict__")
