#!/bin/sh
# Checks this machine's GPU and measures it: `make gpu-check`. Needs CMake, a C and C++ compiler and the CUDA Toolkit.
#
# Builds kernels, graph and device alone, runs every op case on the GPU against the reference and the CPU kernels (under
# compute-sanitizer too where it is installed), times every op (attention in f32, tf32 and bf16) and the training step, with
# one step and with eight in a launch, and the same work in PyTorch, flash-attn, accelerated-scan and mamba-ssm, as far as they are found. Writes
# bench/results/<date>-<device>-<commit>.md, whatever came out; a failure stands there too, and makes the status 1. Without a GPU it writes
# nothing and ends with status 1.
#
# Usage: sh scripts/gpu_check.sh [BUILD_FOLDER]
# PU_PEER_PYTHON names the Python that has PyTorch (default python3).
set -eu
cd "$(dirname "$0")/.."
build=${1:-build-gpu}
python=${PU_PEER_PYTHON:-python3}

if ! command -v nvcc > /dev/null && [ -x /usr/local/cuda/bin/nvcc ]; then
    PATH=$PATH:/usr/local/cuda/bin
    export PATH
fi
if ! command -v nvcc > /dev/null; then
    echo "gpu-check: nvcc was not found: install the CUDA Toolkit, or put its bin folder on PATH" >&2
    exit 1
fi

cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DPU_KERNEL_ONLY=ON -DPU_CUDA=ON
cmake --build "$build" --target gpu_check -j "${JOBS:-$(nproc)}"
check=$build/tests/gpu/gpu_check

if ! device=$("$check" device); then
    echo "gpu-check: everything was built, nothing was run: no results are written" >&2
    exit 1
fi
echo "gpu-check: $device"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
"$check" test > "$work/test" 2>&1 || { failed=1; echo "FAILED: the tests above ended with an error" >> "$work/test"; }
cat "$work/test"

sanitizer="compute-sanitizer is not installed: not run"
findings=""
if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck synccheck; do
        echo "gpu-check: compute-sanitizer $tool"
        compute-sanitizer --tool "$tool" --error-exitcode 9 "$check" test > "$work/$tool" 2>&1 || {
            tail -n 60 "$work/$tool"
            failed=1
            findings="$findings $tool"
        }
    done
    sanitizer="compute-sanitizer memcheck, racecheck, synccheck: no findings"
    [ -z "$findings" ] || sanitizer="FAILED: compute-sanitizer has findings in$findings"
fi

"$check" bench "$work/lines" > "$work/bench" || { failed=1; echo "FAILED: the benchmark ended with an error" >> "$work/bench"; }
cat "$work/bench"

peer="PyTorch with CUDA is not installed: not compared"
if "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
    peer="The comparison with PyTorch failed; its messages were on the terminal"
    if "$python" bench/peers/gpu_torch.py "$work/lines" > "$work/peer"; then peer=; fi
    cat "$work/peer"
fi

commit=$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)
[ "$commit" = unknown ] || git diff --quiet HEAD || commit=$commit-modified
toolkit=$(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
day=$(date -u +%Y-%m-%d)
slug=$(echo "${device%%,*}" | tr 'A-Z' 'a-z' | tr -cs 'a-z0-9\n' '-' | sed 's/^-*//; s/-*$//')
result=bench/results/$day-$slug-$commit.md
mkdir -p bench/results
{
    echo "# $device"
    echo
    echo "$day, commit $commit, CUDA Toolkit $toolkit. Written by scripts/gpu_check.sh."
    echo
    sed 's/^/- /' "$work/test"
    echo "- $sanitizer"
    echo
    cat "$work/bench"
    echo
    if [ -n "$peer" ]; then echo "$peer"; else cat "$work/peer"; fi
} > "$work/result"
mv "$work/result" "$result"
echo "gpu-check: wrote $result"
[ "$failed" -eq 0 ] || echo "gpu-check: FAILED, as the results say" >&2
exit "$failed"
