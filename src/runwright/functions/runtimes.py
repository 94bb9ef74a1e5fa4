"""The catalogue of runtimes. Which of them are ready here is the executor's to say."""

from collections.abc import Collection, Mapping
from typing import Final

from runwright.values import dataclass

_ALL: Final = ("x86", "arm64", "armv7", "armv8")
_SERVERS: Final = ("x86", "arm64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    id: str
    key: str
    name: str
    version: str
    base: str  # image that the public runtime image is made from
    supports: tuple[str, ...]  # processor families
    is_deprecated: bool = False

    @property
    def image(self) -> str:
        return f"openruntimes/{self.key}:v5-{self.version}"

    @property
    def logo(self) -> str:
        return f"{self.key}.png"


def _family(
    key: str,
    name: str,
    versions: str,
    base: str,
    *,
    supports: tuple[str, ...] = _ALL,
    bases: Mapping[str, str] | None = None,
    only: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Runtime, ...]:
    """`versions` ascend; a trailing `d` marks a deprecated one. `{}` in `base` is the version."""
    found = []
    for word in versions.split():
        version = word.removesuffix("d")
        found.append(
            Runtime(
                id=f"{key}-{version}",
                key=key,
                name=name,
                version=version,
                base=base.format((bases or {}).get(version, version)),
                supports=(only or {}).get(version, supports),
                is_deprecated=word != version,
            )
        )
    return tuple(found)


_PYTHON_BASES: Final = {
    "3.8": "3.8.20-alpine3.20",
    "3.9": "3.9.20-alpine3.20",
    "3.10": "3.10.15-alpine3.20",
    "3.11": "3.11.10-alpine3.20",
    "3.12": "3.12.6-alpine3.20",
    "3.13": "3.13.11-alpine3.23",
    "3.14": "3.14.2-alpine3.23",
}
_PYTHON_ML_BASES: Final = {
    version: base.partition("-")[0] + "-bookworm" for version, base in _PYTHON_BASES.items()
}
_OLD_NODE: Final = dict.fromkeys(("14.5", "16.0", "18.0"), _ALL)

RUNTIMES: Final[tuple[Runtime, ...]] = (
    *_family(
        "node",
        "Node.js",
        "14.5d 16.0d 18.0 19.0 20.0 21.0 22 23 24 25 26",
        "node:{}-alpine",
        supports=_SERVERS,
        only=_OLD_NODE,
    ),
    *_family("php", "PHP", "8.0d 8.1 8.2 8.3 8.4", "php:{}-cli-alpine"),
    *_family("ruby", "Ruby", "3.0d 3.1 3.2 3.3 3.4 4.0", "ruby:{}-alpine"),
    *_family(
        "python",
        "Python",
        "3.8d 3.9 3.10 3.11 3.12 3.13 3.14",
        "python:{}",
        bases=_PYTHON_BASES,
    ),
    *_family(
        "python-ml",
        "Python (ML)",
        "3.11 3.12 3.13",
        "python:{}",
        supports=_SERVERS,
        bases=_PYTHON_ML_BASES,
    ),
    *_family(
        "deno",
        "Deno",
        "1.21d 1.24d 1.35d 1.40 1.46 2.0 2.5 2.6",
        "denoland/deno:alpine-{}",
        supports=_SERVERS,
        only={"1.35": ("x86",)},
    ),
    *_family(
        "dart",
        "Dart",
        "2.15d 2.16d 2.17d 2.18 2.19 3.0 3.1 3.3 3.5 3.8 3.9 3.10 3.11 3.12 3.13",
        "dart:{}",
    ),
    *_family("dotnet", ".NET", "6.0d 7.0d 8.0 10", "mcr.microsoft.com/dotnet/sdk:{}-alpine"),
    *_family("java", "Java", "8.0 11.0 17.0 18.0d 21.0 22 25", "eclipse-temurin:{}-jdk"),
    *_family("swift", "Swift", "5.5d 5.8 5.9 5.10 6.2", "swift:{}"),
    *_family("kotlin", "Kotlin", "1.6d 1.8 1.9 2.0 2.3", "eclipse-temurin:21-jdk"),
    *_family("cpp", "C++", "17 20", "alpine:3.20"),
    *_family("bun", "Bun", "1.0 1.1 1.2 1.3 1.4", "oven/bun:{}-alpine", supports=_SERVERS),
    *_family("go", "Go", "1.23 1.24 1.25 1.26", "golang:{}-alpine", supports=_SERVERS),
    *_family("rust", "Rust", "1.83", "rust:{}-alpine", supports=_SERVERS),
    *_family("static", "Static", "1", "nginx:alpine", supports=_SERVERS),
    *_family(
        "flutter",
        "Flutter",
        "3.24 3.27 3.29 3.32 3.35 3.38 3.41 3.44 3.47",
        "ghcr.io/cirruslabs/flutter:{}",
        supports=_SERVERS,
    ),
)
RUNTIME_IDS: Final = tuple(item.id for item in RUNTIMES)
_BY_ID: Final = {item.id: item for item in RUNTIMES}


def runtime(runtime_id: str) -> Runtime | None:
    return _BY_ID.get(runtime_id)


def ready(installed: Collection[str]) -> tuple[Runtime, ...]:
    """The runtimes that can run here, in catalogue order."""
    return tuple(item for item in RUNTIMES if item.id in installed)
