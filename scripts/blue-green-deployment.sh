#!/usr/bin/env bash
# Moves traffic to a new release: full | canary PERCENT. A shim over `crossfade deploy`.
PATH="$(dirname "$0")/../node_modules/.bin:$PATH" exec crossfade deploy "$@"
