#!/usr/bin/env bash
# `npm run test:long [-- MINUTES]`: every property test with many runs, then fresh seeds of the simulation for as long as asked
# (an hour by default).
set -euo pipefail
minutes="${1:-60}"
NUM_RUNS="${NUM_RUNS:-1000}" npx vitest run --project node property
npm run simulate -- --seconds "$((minutes * 60))"
