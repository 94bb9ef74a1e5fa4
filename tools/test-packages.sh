#!/bin/sh
# Debian packages that the tests use and a bare machine may lack.
set -eu

missing=
# need PACKAGE PROGRAM...: one of the programs is enough.
need() {
  package=$1
  shift
  for program in "$@"; do
    if command -v "$program" >/dev/null; then return; fi
  done
  missing="$missing $package"
}

need php-cli php
need ruby ruby
need iproute2 ip
need curl curl
need chromium chromium chromium-browser google-chrome

if [ -n "$missing" ]; then
  echo "==> Installing for the tests:$missing"
  apt-get update -qq
  # shellcheck disable=SC2086  # one word per package
  apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
