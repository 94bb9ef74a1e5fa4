#!/bin/sh
# Prints the interpreter to install with: the first of these that is new enough and has pip.
for python in /usr/bin/python3 python3; do
  if "$python" -c 'import sys, pip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "$python"
    exit
  fi
done
echo python3 # says itself what it lacks
