"""Where the caller is, and lists for forms: countries, currencies, languages."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import anyio.to_thread

from runwright.api import locales
from runwright.api.lists import listed_all
from runwright.api.routing import Answer, Call, Route

T = TypeVar("T")
Json = dict[str, Any]


def _language(call: Call) -> str:
    wanted = call.headers.get("x-appwrite-locale") or call.raw.get("locale") or ""
    return locales.known(wanted) if isinstance(wanted, str) else locales.DEFAULT


async def get(call: Call, params: Any) -> Answer:
    """Without a database of addresses a country is unknown, and says so."""
    content = {
        "ip": call.client_ip,
        "countryCode": "--",
        "country": "Unknown",
        "continentCode": "--",
        "continent": "Unknown",
        "eu": False,
        "currency": "",
    }
    return Answer(content=content, model="locale")


def _named(item: locales.Named) -> Json:
    return {"name": item.name, "code": item.code}


def _code(item: locales.Named) -> Json:
    return {"code": item.code, "name": item.name}


def _calling_code(item: locales.CallingCode) -> Json:
    return {"code": item.code, "countryCode": item.country.code, "countryName": item.country.name}


def _as_it_is(item: Json) -> Json:
    return item


def _list(
    method: str,
    path: str,
    model: str,
    plural: str,
    find: Callable[[str], Sequence[T]],
    shape: Callable[[T], Json],
) -> Route:
    async def handler(call: Call, params: Any) -> Answer:
        # The first call per language reads files and builds the table.
        items = await anyio.to_thread.run_sync(find, _language(call))
        return listed_all(model, plural, tuple(items), shape)

    return _route(method, path, handler, model)


def _route(method: str, path: str, handler: Any, model: str) -> Route:
    return Route(
        name=f"locale.{method}",
        method="GET",
        paths=(f"/v1/locale{path}",),
        scopes=("locale.read",),
        handler=handler,
        model=model,
        service="locale",
    )


def locale_routes() -> list[Route]:
    return [
        _route("get", "", get, "locale"),
        _list(
            "listCodes", "/codes", "localeCodeList", "localeCodes", lambda _: locales.codes(), _code
        ),
        _list("listCountries", "/countries", "countryList", "countries", locales.countries, _named),
        _list(
            "listCountriesEU",
            "/countries/eu",
            "countryList",
            "countries",
            locales.eu_countries,
            _named,
        ),
        _list(
            "listCountriesPhones",
            "/countries/phones",
            "phoneList",
            "phones",
            locales.calling_codes,
            _calling_code,
        ),
        _list(
            "listContinents",
            "/continents",
            "continentList",
            "continents",
            locales.continents,
            _named,
        ),
        _list(
            "listCurrencies",
            "/currencies",
            "currencyList",
            "currencies",
            lambda _: locales.currencies(),
            _as_it_is,
        ),
        _list(
            "listLanguages",
            "/languages",
            "languageList",
            "languages",
            lambda _: locales.languages(),
            _as_it_is,
        ),
    ]
