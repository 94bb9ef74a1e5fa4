"""Countries, currencies, languages and calling codes, from CLDR and the phone number library.

Tables are made when first asked for, once per language they are shown in.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from babel.core import Locale, UnknownLocaleError, get_global
from babel.languages import get_official_languages
from babel.localedata import locale_identifiers
from babel.numbers import get_currency_name, get_currency_symbol, get_territory_currencies
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

DEFAULT: Final = "en"
_LANGUAGES_KEPT: Final = 16  # of the languages in which tables are shown

# Codes that CLDR names and ISO 3166 does not give to a country.
_NO_COUNTRY: Final = frozenset(
    {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
)
_EU_MEMBERS: Final = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
)
_EU: Final = frozenset(_EU_MEMBERS.split())
_CONTINENTS: Final = {
    "AF": "002",
    "AN": "AQ",
    "AS": "142",
    "EU": "150",
    "NA": "003",
    "OC": "009",
    "SA": "005",
}


@dataclass(frozen=True, slots=True)
class Named:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class CallingCode:
    code: str
    country: Named


@dataclass(frozen=True, slots=True)
class Currency:
    code: str
    name: str
    plural: str
    symbol: str
    native_symbol: str
    digits: int
    rounding: float


@dataclass(frozen=True, slots=True)
class Language:
    code: str
    name: str
    native_name: str


@lru_cache
def codes() -> tuple[Named, ...]:
    """The languages this module can show its tables in."""
    english = _locale(DEFAULT)
    known = (identifier for identifier in locale_identifiers() if "_" not in identifier)
    return _sorted(
        Named(code, english.languages[code]) for code in known if code in english.languages
    )


def known(code: str) -> str:
    """`code` when there are tables in that language, else the default."""
    base = code.replace("_", "-").partition("-")[0].lower()
    return base if base in {item.code for item in codes()} else DEFAULT


@lru_cache(_LANGUAGES_KEPT)
def countries(language: str) -> tuple[Named, ...]:
    names = _locale(language).territories
    english = _locale(DEFAULT).territories
    return _sorted(
        Named(code, names.get(code, english[code])) for code in english if _is_country(code)
    )


def eu_countries(language: str) -> tuple[Named, ...]:
    return tuple(item for item in countries(language) if item.code in _EU)


@lru_cache(_LANGUAGES_KEPT)
def continents(language: str) -> tuple[Named, ...]:
    names = _locale(language).territories
    english = _locale(DEFAULT).territories
    return _sorted(
        Named(code, names.get(region, english[region])) for code, region in _CONTINENTS.items()
    )


@lru_cache(_LANGUAGES_KEPT)
def calling_codes(language: str) -> tuple[CallingCode, ...]:
    by_region = {
        region: f"+{code}"
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
        for region in regions
    }
    return tuple(
        CallingCode(by_region[item.code], item)
        for item in countries(language)
        if item.code in by_region
    )


@lru_cache(_LANGUAGES_KEPT)
def currencies(language: str) -> tuple[Currency, ...]:
    """Those that are legal tender somewhere today."""
    natives: dict[str, str] = {}
    for country in countries(DEFAULT):
        for code in get_territory_currencies(country.code):
            natives.setdefault(code, country.code)
    return tuple(_currency(code, natives[code], language) for code in sorted(natives))


def _currency(code: str, country: str, language: str) -> Currency:
    fractions = get_global("currency_fractions")
    digits, rounding, *_ = fractions.get(code, fractions["DEFAULT"])
    spoken = get_official_languages(country)
    native = known(spoken[0]) if spoken else DEFAULT
    return Currency(
        code=code,
        name=get_currency_name(code, locale=language),
        plural=get_currency_name(code, count=2, locale=language),
        symbol=get_currency_symbol(code, locale=language),
        native_symbol=get_currency_symbol(code, locale=native),
        digits=digits,
        rounding=rounding / 10**digits,
    )


@lru_cache
def languages() -> tuple[Language, ...]:
    """Those with a two-letter code; shown in English and in themselves."""
    english = _locale(DEFAULT)
    return tuple(
        Language(code, name, _native_name(code, name))
        for code, name in sorted(english.languages.items())
        if len(code) == 2
    )


def _native_name(code: str, name: str) -> str:
    try:
        return str(_locale(code).languages.get(code, name))
    except UnknownLocaleError:
        return name


def _locale(code: str) -> Any:  # the library's mappings have no item types
    return Locale.parse(code, resolve_likely_subtags=False)


def _is_country(code: str) -> bool:
    return len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY


def _sorted(items: Any) -> tuple[Named, ...]:
    return tuple(sorted(items, key=lambda item: item.name))
