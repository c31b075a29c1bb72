#!/usr/bin/env bash
# Shows that every fuzz target finds its planted bug: fuzz/selftest.sh [TARGET…]
#
# Builds with `--cfg fuzz_selftest` into a folder of its own, replays the seeds, none of which may
# trip over the bug, and gives libFuzzer SECONDS_EACH (60) to find it from there. The last column
# is how long it took.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-60}
seed=${SEED:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export RUSTFLAGS="${RUSTFLAGS:-} --cfg fuzz_selftest"
export CARGO_TARGET_DIR=${SELFTEST_TARGET_DIR:-$PWD/fuzz/target/selftest}

fuzz=(cargo fuzz)
if rustup run nightly rustc --version >/dev/null 2>&1; then
    fuzz=(cargo +nightly fuzz)
else
    export RUSTC_BOOTSTRAP=1
fi

targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    mapfile -t targets < <("${fuzz[@]}" list)
fi
if [ "${SKIP_BUILD:-}" = "" ]; then
    "${fuzz[@]}" build
fi

bin=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/release
missed=()
for target in "${targets[@]}"; do
    mkdir -p "$work/$target"
    # The named seeds alone: what earlier runs have added is no start for everybody.
    find "corpus/$target" -type f ! -regex '.*/[0-9a-f]*' -exec cp {} "$work/$target" \;
    dictionary=()
    if [ -e "fuzz/dictionaries/$target.dict" ]; then
        dictionary=("-dict=fuzz/dictionaries/$target.dict")
    fi
    log=$work/$target.log
    if ! "$bin/$target" "$work/$target" -runs=0 >"$log" 2>&1; then
        tail -n 20 "$log"
        echo "$target: a seed trips over the planted bug, or over a real one" >&2
        missed+=("$target")
        continue
    fi
    from=$(date +%s.%N)
    if "$bin/$target" "$work/$target" "${dictionary[@]}" -seed="$seed" -artifact_prefix="$work/" \
        -max_total_time="$seconds" >"$log" 2>&1; then
        echo "$target: not found in $seconds s" >&2
        missed+=("$target")
        continue
    fi
    took=$(awk -v from="$from" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f", to - from }')
    where=$(sed -n "s/^thread .* panicked at \(.*\):$/\1/p" "$log" | head -n 1)
    printf '%-14s found at %-32s after %6s s\n' "$target" "${where:-?}" "$took"
done
if [ ${#missed[@]} -gt 0 ]; then
    echo "missed: ${missed[*]}" >&2
    exit 1
fi
