#!/bin/bash
exec /usr/local/bin/python3 -E -s /usr/local/server/src/server.py
