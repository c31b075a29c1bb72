#!/usr/bin/env bash
# Builds every fuzz target into $OUT, each with its seeds and its dictionary.
set -euo pipefail
cd "$SRC/btspec"

cargo fuzz build -O --debug-assertions
release=fuzz/target/x86_64-unknown-linux-gnu/release
for file in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    cp "$release/$target" "$OUT/"
    zip -q -j "$OUT/${target}_seed_corpus.zip" "corpus/$target"/*
    if [ -e "fuzz/dictionaries/$target.dict" ]; then
        cp "fuzz/dictionaries/$target.dict" "$OUT/"
    fi
done
