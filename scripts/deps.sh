#!/bin/sh
# Installs the Debian packages that building and testing need, and only those that are missing.
set -eu
packages="build-essential cmake pkg-config libsqlite3-dev libyaml-dev libjansson-dev libsodium-dev zlib1g-dev libcmocka-dev libjs-chart.js"
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
echo "installing:$missing"
sudo=""
[ "$(id -u)" -eq 0 ] || sudo="sudo"
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo apt-get install -y -qq --no-install-recommends $missing
