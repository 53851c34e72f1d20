#!/usr/bin/env bash
# `npm run test:long [-- MINUTES]`: every property test with many runs, then fresh seeds of the simulation for as long as asked
# (an hour by default), two thirds of it on convex-test and one on the local engine.
set -euo pipefail
minutes="${1:-60}"
[[ "$minutes" =~ ^[1-9][0-9]*$ ]] || { echo "test:long: \"$minutes\" is no whole number of minutes." >&2; exit 2; }
NUM_RUNS="${NUM_RUNS:-1000}" npx vitest run --project node property
status=0
npm run simulate -- --engine convex-test --seconds "$((minutes * 40))" || status=$?
npm run simulate -- --engine local --seconds "$((minutes * 20))" || status=$?
exit "$status"
