#!/bin/sh
# Compiles the function at the root of the deployment, together with the runner, into `server`.
set -eu
sources=$1
warm=$2

if [ ! -f go.mod ]; then
  echo "There is no go.mod at the root. A function in Go is the module openruntimes/handler." >&2
  exit 1
fi
if ! grep -Eq '^module[[:space:]]+"?openruntimes/handler"?' go.mod; then
  echo "The module of go.mod has to be openruntimes/handler." >&2
  exit 1
fi
# The standard library comes compiled; what is compiled here is kept for the function's next build.
if [ -n "$warm" ] && [ ! -e "$GOCACHE/is-warm" ]; then
  mkdir -p "$GOCACHE"
  cp -r "$warm/." "$GOCACHE"
  chmod -R u+w "$GOCACHE"
  touch "$GOCACHE/is-warm"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$sources/types" "$sources/server" "$work"
version=$(go env GOVERSION)
cat > "$work/go.work" <<END
go ${version#go}

use (
	./types
	./server
	$PWD
)
END
GOWORK=$work/go.work go build -trimpath -buildvcs=false -ldflags='-s -w' -o server openruntimes/server
