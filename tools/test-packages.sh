#!/bin/sh
# Debian packages that the tests use and a bare machine may lack; with the word `runtimes` those of
# the languages that come from the host, with `network` those that make networks to attack.
set -eu

# need PACKAGE PROGRAM...: one of the programs is enough.
need() {
  package=$1
  shift
  for program in "$@"; do
    if command -v "$program" >/dev/null; then return; fi
  done
  echo "==> Installing $package for the tests"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

if [ "${1:-}" = runtimes ]; then
  need php-cli php
  need ruby ruby
  exit
fi
need iproute2 ip
if [ "${1:-}" = network ]; then exit; fi
need curl curl
need chromium chromium chromium-browser google-chrome
