#!/bin/sh
# What the image is built by; also a way to install on a Debian machine without Docker.
#
#   docker/install.sh build PREFIX      installs what building needs, builds this source tree, installs into PREFIX
#   docker/install.sh runtime PREFIX    installs the shared libraries that the command in PREFIX links to
set -eu
cd "$(dirname "$0")/.."
what="${1:?build or runtime}"
prefix="${2:?where to install}"
case "$what" in
build)
    sh scripts/deps.sh
    cmake -S . -B build-image -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$prefix" -DPU_TESTS=OFF
    cmake --build build-image -j"$(nproc)" --target plusultra_cli
    cmake --install build-image
    rm -rf build-image
    ;;
runtime)
    apt-get update -qq
    # The packages that own the libraries ldd cannot find are those of the -dev packages in scripts/deps.sh.
    apt-get install -y -qq --no-install-recommends libsqlite3-0 libyaml-0-2 libjansson4 libsodium23 zlib1g
    if ldd "$prefix/bin/plusultra" | grep 'not found'; then
        echo "docker/install.sh: the command links to libraries that are not installed: add their packages above" >&2
        exit 1
    fi
    ;;
*)
    echo "usage: docker/install.sh build|runtime PREFIX" >&2
    exit 2
    ;;
esac
