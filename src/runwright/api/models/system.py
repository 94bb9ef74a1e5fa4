"""The server itself: health, the console's questions, places and languages."""

from typing import Final

from runwright.api.models.kinds import ID, Model, flag, listing, many, number, text, texts, whole

VERSION: Final = Model(
    name="healthVersion",
    about="The version of the API.",
    fields=(text("version", "The version."),),
)
STATUS: Final = Model(
    name="healthStatus",
    about="How a part of the server is.",
    fields=(
        text("name", "The part."),
        whole("ping", "Milliseconds that it took to answer."),
        text("status", "Whether it works.", words=("pass", "fail")),
    ),
)
STATUSES: Final = Model(
    name="healthStatusList",
    about="How parts of the server are.",
    fields=(whole("total", "How many."), many("statuses", STATUS, "The parts.")),
)
TIME: Final = Model(
    name="healthTime",
    about="Whether the server's clock is right.",
    fields=(
        whole("remoteTime", "What it should show, in seconds since 1970."),
        whole("localTime", "What it shows."),
        whole("diff", "The difference, in seconds."),
    ),
)
CERTIFICATE: Final = Model(
    name="healthCertificate",
    about="A certificate that https is served with.",
    fields=(
        text("name", "Whom it is for, in full."),
        text("subjectSN", "Whom it is for."),
        text("issuerOrganisation", "Who signed it, or empty."),
        text("validFrom", "Its first moment, in seconds since 1970."),
        text("validTo", "Its last moment, in seconds since 1970."),
        text("signatureTypeSN", "How it is signed."),
    ),
)
ANTIVIRUS: Final = Model(
    name="healthAntivirus",
    about="Whether uploads are searched for viruses.",
    fields=(
        text("version", "Always empty."),
        text("status", "Always disabled: this server has no such search.", words=("disabled",)),
    ),
)
QUEUE: Final = Model(
    name="healthQueue",
    about="How much a queue holds.",
    fields=(whole("size", "Failed jobs."),),
)
LOCALE: Final = Model(
    name="locale",
    about="Where the caller is.",
    fields=(
        text("ip", "The caller's address."),
        text("countryCode", "Country of two letters, or --."),
        text("country", "Country, or Unknown."),
        text("continentCode", "Continent of two letters, or --."),
        text("continent", "Continent, or Unknown."),
        flag("eu", "Whether the country is in the European Union."),
        text("currency", "Currency of three letters, or empty."),
    ),
)
LOCALE_CODE: Final = Model(
    name="localeCode",
    about="A locale.",
    fields=(text("code", "Its code."), text("name", "Its name.")),
)
COUNTRY: Final = Model(
    name="country",
    about="A country.",
    fields=(text("name", "Its name."), text("code", "Two letters.")),
)
PHONE: Final = Model(
    name="phone",
    about="A country's calling code.",
    fields=(
        text("code", "The code."),
        text("countryCode", "Country of two letters."),
        text("countryName", "Country."),
    ),
)
CONTINENT: Final = Model(
    name="continent",
    about="A continent.",
    fields=(text("name", "Its name."), text("code", "Two letters.")),
)
CURRENCY: Final = Model(
    name="currency",
    about="A currency.",
    fields=(
        text("symbol", "Its symbol."),
        text("name", "Its name."),
        text("symbolNative", "Its symbol where it is used."),
        whole("decimalDigits", "Digits behind the point."),
        number("rounding", "Least step that is paid."),
        text("code", "Three letters."),
        text("namePlural", "Its name for several."),
    ),
)
LANGUAGE: Final = Model(
    name="language",
    about="A language.",
    fields=(
        text("name", "Its name."),
        text("code", "Two letters."),
        text("nativeName", "Its name in itself."),
    ),
)
SCOPE: Final = Model(
    name="consoleScope",
    about="A right that keys can have.",
    fields=(
        ID,
        text("description", "What it allows."),
        text("category", "Where consoles list it."),
        flag("deprecated", "Whether another one has taken its place."),
    ),
)
_DNS: Final = "Where custom domains have to lead: "
CONSOLE_VARIABLES: Final = Model(
    name="consoleVariables",
    about="Settings of the server that consoles adapt to.",
    fields=(
        text("_APP_DOMAIN_TARGET_CNAME", f"{_DNS}name."),
        text("_APP_DOMAIN_TARGET_A", f"{_DNS}IPv4 address."),
        whole("_APP_COMPUTE_BUILD_TIMEOUT", "Most seconds of a build."),
        text("_APP_DOMAIN_TARGET_AAAA", f"{_DNS}IPv6 address."),
        text("_APP_DOMAIN_TARGET_CAA", f"{_DNS}certificate authority."),
        whole("_APP_STORAGE_LIMIT", "Most bytes of a file."),
        whole("_APP_COMPUTE_SIZE_LIMIT", "Most bytes of a source."),
        text("_APP_USAGE_STATS", "Whether usage is counted.", words=("enabled", "disabled")),
        flag("_APP_VCS_ENABLED", "Whether version control systems can be connected."),
        texts("_APP_VCS_PROVIDERS", "Such systems."),
        texts("_APP_VCS_PROVIDERS_WITH_REPOSITORY_CREATION", "Those that create repositories."),
        texts("_APP_VCS_PROVIDERS_WITH_PUBLIC_REPOSITORIES", "Those with public repositories."),
        flag("_APP_DOMAIN_ENABLED", "Whether custom domains can be verified."),
        flag("_APP_ASSISTANT_ENABLED", "Whether there is an assistant."),
        text("_APP_DOMAIN_SITES", "Domain of sites."),
        text("_APP_DOMAIN_FUNCTIONS", "Domain of functions."),
        text("_APP_OPTIONS_FORCE_HTTPS", "Whether https is forced.", words=("enabled", "disabled")),
        text("_APP_DOMAINS_NAMESERVERS", "Name servers of custom domains."),
        text("_APP_DB_ADAPTER", "Kind of database."),
        flag("supportForRelationships", "Whether the database has relationships."),
        flag("supportForOperators", "Whether the database has operators."),
        flag("supportForSpatials", "Whether the database has places."),
        flag("supportForSpatialIndexNull", "Whether places may be null."),
        flag("supportForFulltextWildcard", "Whether text is searched with wildcards."),
        flag("supportForMultipleFulltextIndexes", "Whether there may be several such indexes."),
        flag("supportForAttributeResizing", "Whether attributes can be resized."),
        flag("supportForSchemas", "Whether the database has schemas."),
        whole("maxIndexLength", "Most characters of an index."),
        flag("supportForIntegerIds", "Whether ids may be numbers."),
    ),
)
DESCRIPTION: Final = Model(
    name="openapi", about="A description of an API in OpenAPI 3.1.", is_free=True
)

GRAPHQL: Final = Model(
    name="graphql", about="The answer to a query of GraphQL: data, errors, or both.", is_free=True
)

GRAPHQL_LIST: Final = Model(
    name="graphqlList", about="The answers to several queries, in their order.", each=GRAPHQL
)

MODELS: Final = (
    DESCRIPTION,
    GRAPHQL,
    GRAPHQL_LIST,
    VERSION,
    STATUS,
    STATUSES,
    TIME,
    CERTIFICATE,
    ANTIVIRUS,
    QUEUE,
    LOCALE,
    LOCALE_CODE,
    listing("localeCodes", LOCALE_CODE),
    COUNTRY,
    listing("countries", COUNTRY),
    PHONE,
    listing("phones", PHONE),
    CONTINENT,
    listing("continents", CONTINENT),
    CURRENCY,
    listing("currencies", CURRENCY),
    LANGUAGE,
    listing("languages", LANGUAGE),
    SCOPE,
    listing("scopes", SCOPE),
    CONSOLE_VARIABLES,
)
