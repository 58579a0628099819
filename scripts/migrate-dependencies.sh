#!/usr/bin/env bash
# From Modal to Speechmatics: plan (the default), apply, undo, status or cleanup. A shim over `crossfade migrate`.
PATH="$(dirname "$0")/../node_modules/.bin:$PATH" exec crossfade migrate "${@:-plan}"
