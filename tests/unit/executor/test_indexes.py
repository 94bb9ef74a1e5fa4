from runwright.executor.egress import Opening
from runwright.executor.indexes import indexes


def test_hosts_of_indexes_and_proxies_are_found_in_every_clients_form() -> None:
    found = indexes(
        {
            "PIP_INDEX_URL": "https://user:pw@Pip.corp.example/pip/",
            "PIP_EXTRA_INDEX_URL": "http://10.1.2.3:3141/pip/ https://two.example:8443/",
            "UV_INDEX": "own=https://uv.example/pip/",
            "NPM_CONFIG_REGISTRY": "https://[fd00::5]:4873/",
            "GOPROXY": "https://go.example,direct|off",
            "HTTPS_PROXY": "cache.example:3128",
            "http_proxy": "http://10.1.2.4:3128",
        }
    )
    assert found.names == {
        "pip.corp.example": (443,),
        "two.example": (8443,),
        "uv.example": (443,),
        "go.example": (443,),
        "cache.example": (3128,),
    }
    assert found.openings == ("[10.1.2.3]:3141", "[10.1.2.4]:3128", "[fd00::5]:4873")
    assert [Opening.parse(text).low for text in found.openings] == [3141, 3128, 4873]


def test_what_is_no_address_opens_nothing() -> None:
    found = indexes(
        {"NO_PROXY": "10.0.0.0/8,db.example:5432", "PIP_PREFER_BINARY": "1", "GOPROXY": "direct",
         "PIP_TRUSTED_HOST": "db.example:5432", "UV_INDEX_URL": "https://[broken"}
    )  # fmt: skip
    assert (found.names, found.openings) == ({}, ())
