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

# The Docker daemon is unpacked, not installed: a machine that has none shall not run one afterwards.
target=$(pwd)/.venv/test-docker
if ! command -v dockerd >/dev/null && ! [ -x "$target/usr/sbin/dockerd" ]; then
  echo "==> Unpacking the Docker daemon for the tests"
  [ -n "$missing" ] || apt-get update -qq
  apt-get install -y -qq --no-install-recommends libdevmapper1.02.1 libseccomp2 >/dev/null
  folder=$(mktemp -d)
  chmod 777 "$folder"
  (cd "$folder" && apt-get download -qq docker.io containerd runc)
  mkdir -p "$target"
  for package in "$folder"/*.deb; do dpkg-deb --extract "$package" "$target"; done
  rm -rf "$folder"
fi
