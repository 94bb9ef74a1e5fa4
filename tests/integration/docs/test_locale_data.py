from runwright.api import locales
from tools.locales import TARGET, text


def test_the_file_of_countries_and_languages_is_what_its_maker_makes() -> None:
    assert TARGET.read_bytes() == text(), "run `python -m tools.locales`"


def test_every_language_names_every_country_and_continent() -> None:
    size = len(locales.countries("en"))
    assert size == 250
    for language in locales.codes():
        assert len(locales.countries(language.code)) == size
        assert len(locales.continents(language.code)) == 7
        assert all(item.name for item in locales.countries(language.code))
