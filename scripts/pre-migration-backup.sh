#!/usr/bin/env bash
# Makes a backup and proves it by restoring it elsewhere. A shim over `crossfade backup`; options go to `create`.
set -euo pipefail
PATH="$(dirname "$0")/../node_modules/.bin:$PATH"
crossfade backup verify "$(crossfade backup create "$@")"
