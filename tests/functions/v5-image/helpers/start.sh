#!/bin/bash
# Archive in, server up: the start of a v5 image with the hooks left out.
set -e
say() { printf '[%(%H:%M:%S)T] [open-runtimes] %s\n' -1 "$1"; }
if [ ! -f /mnt/code/code.tar.gz ]; then
  echo "Code archive not found."
  exit 1
fi
say "Code extraction started."
tar -xf /mnt/code/code.tar.gz -C /usr/local/server/src/function
say "Code extraction finished."
while IFS='=' read -r name value; do
  export "$name=$value"
done < /usr/local/server/src/function/.open-runtimes
echo "extract=0.001" >> /mnt/telemetry/timings.txt
say "Runtime started."
exec bash -c "$1" 2>&1
