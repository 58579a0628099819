#!/usr/bin/env bash
# Goes back at once: ["reason"] [release | previous | route] [--dry-run]. A shim over `crossfade rollback`.
PATH="$(dirname "$0")/../node_modules/.bin:$PATH" exec crossfade rollback "$@"
