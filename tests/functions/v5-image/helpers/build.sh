#!/bin/bash
# Source in, archive out: the build of a v5 image with the hooks left out.
set -e
say() { printf '[%(%H:%M:%S)T] [open-runtimes] %s\n' -1 "$1"; }
input=${OPEN_RUNTIMES_BUILD_INPUT_DIR:-/mnt/code}
output=${OPEN_RUNTIMES_BUILD_OUTPUT_DIR:-/mnt/code}
say "Environment preparation started."
if [ -z "$(ls -A "$input")" ]; then
  echo "Error: No source code found. Ensure your source isn't empty."
  exit 1
fi
mkdir -p /usr/local/build
cp -R "$input/." /usr/local/build
cd /usr/local/build
say "Environment preparation finished."
say "Build command execution started."
bash -c "$1"
say "Build command execution finished."
say "Build packaging started."
cd "/usr/local/build/${OPEN_RUNTIMES_OUTPUT_DIRECTORY:-}"
{
  echo "OPEN_RUNTIMES_ENTRYPOINT=${OPEN_RUNTIMES_ENTRYPOINT:-}"
  echo "OPEN_RUNTIMES_CLEANUP=none"
  echo "OPEN_RUNTIMES_COMPRESSION=${OPEN_RUNTIMES_BUILD_COMPRESSION:-gzip}"
} > .open-runtimes
case ${OPEN_RUNTIMES_BUILD_COMPRESSION:-gzip} in
  none) tar --exclude code.tar.gz -cf "$output/code.tar.gz" . ;;
  *) tar --exclude code.tar.gz -czf "$output/code.tar.gz" . ;;
esac
say "Build packaging finished."
say "Build finished."
