"""Countries, currencies, languages and calling codes.

They stand in a file beside this module, made by `tools/locales.py`: a line of what is the same
in every language, then a line per language. A line is read when it is first asked for.
"""

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from runwright.api.routing import Call
from runwright.values import dataclass

DEFAULT: Final = "en"
# Those that clients know for the words of letters.
_TEMPLATE_LOCALES: Final = """
af ar-ae ar-bh ar-dz ar-eg ar-iq ar-jo ar-kw ar-lb ar-ly ar-ma ar-om ar-qa ar-sa ar-sy ar-tn
ar-ye as az be bg bh bn bs ca cs cy da de de-at de-ch de-li de-lu el en en-au en-bz en-ca en-gb
en-ie en-jm en-nz en-tt en-us en-za eo es es-ar es-bo es-cl es-co es-cr es-do es-ec es-gt es-hn
es-mx es-ni es-pa es-pe es-pr es-py es-sv es-uy es-ve et eu fa fi fo fr fr-be fr-ca fr-ch fr-lu
ga gd he hi hr hu id is it it-ch ja ji ko ku lt lv mk ml ms mt nb ne nl nl-be nn no pa pl pt
pt-br rm ro ro-md ru ru-md sb sk sl sq sr sv sv-fi th tn tr ts ua ur ve vi xh zh-cn zh-hk zh-sg
zh-tw zu
"""
TEMPLATE_LOCALES: Final = tuple(_TEMPLATE_LOCALES.split())
_LOCALE: Final = re.compile(r"[a-z]{2}(-[a-z]{2})?")
_LANGUAGES_KEPT: Final = 16

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class CallingCode:
    code: str
    country: Named


class _World(msgspec.Struct, frozen=True, rename="camel"):
    countries: tuple[str, ...]
    eu: tuple[str, ...]
    calling_codes: dict[str, str]
    continents: tuple[str, ...]
    currencies: tuple[Json, ...]
    languages: tuple[Json, ...]


class _Names(msgspec.Struct, frozen=True):
    """Names in one language, in the order of the codes of `_World`."""

    code: str
    name: str
    countries: tuple[str, ...]
    continents: tuple[str, ...]


def codes() -> tuple[Named, ...]:
    """The languages in which countries and continents have names."""
    return tuple(name for name, _ in _index().values())


def known(code: str) -> str:
    """`code` when there are names in that language, else the default."""
    base = code.replace("_", "-").partition("-")[0].lower()
    return base if base in _index() else DEFAULT


def letter_locale(call: Call) -> str:
    """In which language to write to somebody, as their client asks: `de`, `pt-br`."""
    wanted = call.headers.get("x-appwrite-locale", "").replace("_", "-").lower()
    return wanted if _LOCALE.fullmatch(wanted) else DEFAULT


def countries(language: str) -> tuple[Named, ...]:
    return _by_name(_world().countries, _names(language).countries)


def eu_countries(language: str) -> tuple[Named, ...]:
    members = _world().eu
    return tuple(item for item in countries(language) if item.code in members)


def continents(language: str) -> tuple[Named, ...]:
    return _by_name(_world().continents, _names(language).continents)


def calling_codes(language: str) -> tuple[CallingCode, ...]:
    found = _world().calling_codes
    return tuple(
        CallingCode(found[item.code], item) for item in countries(language) if item.code in found
    )


def currencies() -> tuple[Json, ...]:
    """As the API shows them, in English."""
    return _world().currencies


def languages() -> tuple[Json, ...]:
    """As the API shows them, in English and in themselves."""
    return _world().languages


def _by_name(codes: tuple[str, ...], names: tuple[str, ...]) -> tuple[Named, ...]:
    found = [Named(code, name) for code, name in zip(codes, names, strict=True)]
    return tuple(sorted(found, key=lambda item: item.name))


def _read() -> bytes:
    return files("runwright.api").joinpath("locales.jsonl").read_bytes()


@lru_cache(maxsize=1)
def _world() -> _World:
    first, _, _ = _read().partition(b"\n")
    return msgspec.json.decode(first, type=_World)


@lru_cache(maxsize=1)
def _index() -> dict[str, tuple[Named, int]]:
    """Which line holds which language."""
    found = {}
    for number, line in enumerate(_read().splitlines()):
        if number:
            names = msgspec.json.decode(line, type=_Names)
            found[names.code] = (Named(names.code, names.name), number)
    return found


@lru_cache(_LANGUAGES_KEPT)
def _names(language: str) -> _Names:
    _, number = _index()[language]
    return msgspec.json.decode(_read().splitlines()[number], type=_Names)
