"""Makes `src/runwright/api/locales.jsonl`: countries, currencies and languages of the world.

The names come from CLDR (babel), the calling codes from phonenumberslite. They are needed
here only: the server reads the file, so it carries neither package nor their memory.

    python -m tools.locales
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from babel.core import Locale, UnknownLocaleError, get_global
from babel.languages import get_official_languages
from babel.localedata import locale_identifiers
from babel.numbers import get_currency_name, get_currency_symbol, get_territory_currencies
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

TARGET: Final = Path(__file__).parents[1] / "src" / "runwright" / "api" / "locales.jsonl"
ENGLISH: Final = "en"

# Codes that CLDR names and ISO 3166 does not give to a country.
NO_COUNTRY: Final = {
    *("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ")
}
EU_MEMBERS: Final = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
)
CONTINENTS: Final = {
    "AF": "002",
    "AN": "AQ",
    "AS": "142",
    "EU": "150",
    "NA": "003",
    "OC": "009",
    "SA": "005",
}
# A language that lacks more country names than this is left out.
MOST_UNNAMED: Final = 5

Json = dict[str, Any]


def lines() -> Iterator[Json]:
    """First what does not depend on a language, then one line per language."""
    countries = sorted(code for code in _names(ENGLISH) if _is_country(code))
    yield {
        "countries": countries,
        "eu": EU_MEMBERS.split(),
        "callingCodes": _calling_codes(countries),
        "continents": list(CONTINENTS),
        "currencies": _currencies(countries),
        "languages": _languages(),
    }
    english = _names(ENGLISH)
    for code, name in _two_letter_languages():
        names = _names(code)
        if sum(country not in names for country in countries) <= MOST_UNNAMED:
            yield {
                "code": code,
                "name": name,
                "countries": [names.get(country, english[country]) for country in countries],
                "continents": [
                    names.get(region, english[region]) for region in CONTINENTS.values()
                ],
            }


def _two_letter_languages() -> list[tuple[str, str]]:
    known = set(locale_identifiers())
    english: Any = Locale(ENGLISH).languages
    found = [(code, str(name)) for code, name in english.items() if len(code) == 2]
    return sorted((code, name) for code, name in found if code in known)


def _names(code: str) -> Any:  # the library's mappings have no item types
    return Locale.parse(code).territories


def _is_country(code: str) -> bool:
    return len(code) == 2 and code.isalpha() and code not in NO_COUNTRY


def _calling_codes(countries: list[str]) -> Json:
    found = {
        region: f"+{code}"
        for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()
        for region in regions
    }
    return {country: found[country] for country in countries if country in found}


def _currencies(countries: list[str]) -> list[Json]:
    """Those that are legal tender somewhere today."""
    at_home: dict[str, str] = {}
    for country in countries:
        for code in get_territory_currencies(country):
            at_home.setdefault(code, country)
    return [_currency(code, at_home[code]) for code in sorted(at_home)]


def _currency(code: str, country: str) -> Json:
    fractions = get_global("currency_fractions")
    digits, rounding, *_ = fractions.get(code, fractions["DEFAULT"])
    spoken = get_official_languages(country)
    native = spoken[0] if spoken and spoken[0] in locale_identifiers() else ENGLISH
    return {
        "symbol": get_currency_symbol(code, locale=ENGLISH),
        "name": get_currency_name(code, locale=ENGLISH),
        "symbolNative": get_currency_symbol(code, locale=native),
        "decimalDigits": digits,
        "rounding": rounding / 10**digits,
        "code": code,
        "namePlural": get_currency_name(code, count=2, locale=ENGLISH),
    }


def _languages() -> list[Json]:
    english: Any = Locale(ENGLISH).languages
    return [
        {"name": name, "code": code, "nativeName": _native_name(code, name)}
        for code, name in sorted(english.items())
        if len(code) == 2
    ]


def _native_name(code: str, name: str) -> str:
    try:
        names: Any = Locale.parse(code, resolve_likely_subtags=False).languages
    except UnknownLocaleError:
        return name
    return str(names.get(code, name))


def text() -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines())


if __name__ == "__main__":
    TARGET.write_bytes(text())
