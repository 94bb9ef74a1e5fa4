#!/bin/sh
# Debian packages that the tests use and a bare machine may lack.
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

need curl curl
need chromium chromium chromium-browser google-chrome
