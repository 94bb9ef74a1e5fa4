"""Lists of the world."""

from tests.acceptance.sdk.world import World


def lists_of_the_world(world: World) -> None:
    assert world.guest("locale.get")["countryCode"] == "--"
    lists = {
        "locale.listCodes": "localeCodes",
        "locale.listContinents": "continents",
        "locale.listCountries": "countries",
        "locale.listCountriesEU": "countries",
        "locale.listCountriesPhones": "phones",
        "locale.listCurrencies": "currencies",
        "locale.listLanguages": "languages",
    }
    for method, name in lists.items():
        answer = world.guest(method)
        assert answer["total"] == len(answer[name]) >= 7, method
