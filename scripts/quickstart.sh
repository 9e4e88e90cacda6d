#!/bin/sh
# The whole path on a synthetic market with a planted edge: seconds to a minute on two cores once it is built.
# Usage: scripts/quickstart.sh BUILD_FOLDER
set -eu
plusultra="${1:-build}/plusultra"
config=configs/quickstart.yaml
mkdir -p quickstart
rm -f quickstart/market.db
"$plusultra" synth --store quickstart/market.db --assets 12 --bars 4000 --edge 0.08 --seed 7
"$plusultra" validate --store quickstart/market.db
"$plusultra" train --config "$config" --overwrite
"$plusultra" predict --config "$config"
"$plusultra" backtest --config "$config"
"$plusultra" report --config "$config"
echo
echo "The report is runs/quickstart/report.html (and report.md beside it)."
echo "With your own data: plusultra import --store market.db FILES, then plusultra init, and the same four verbs. See README.md."
