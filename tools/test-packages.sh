#!/bin/sh
# Debian packages that the tests use and a bare machine may lack.
set -eu
for program in curl chromium; do
  if ! command -v "$program" >/dev/null; then
    echo "==> Installing $program for the tests"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$program" >/dev/null
  fi
done
