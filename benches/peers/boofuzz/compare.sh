#!/bin/sh
# Cases a second of `btspec fuzz`, all oracles on, beside boofuzz 0.4.2 with one read for each case and its process check,
# against libtorrent, in turns. Prints each round and the ratio of the medians.
#
#   compare.sh [ROUNDS] [SECONDS]
#
# Needs: target/release/btspec; a Python with libtorrent (BTSPEC_LIBTORRENT_PYTHON); a Python with boofuzz
# (BTSPEC_BOOFUZZ_PYTHON: python3 -m venv V && V/bin/pip install boofuzz==0.4.2).
set -eu
rounds=${1:-3}
seconds=${2:-20}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
btspec=${BTSPEC:-$root/target/release/btspec}
lt=${BTSPEC_LIBTORRENT_PYTHON:-python3}
boo=${BTSPEC_BOOFUZZ_PYTHON:-python3}
work=$(mktemp -d)
pid=
trap 'if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; fi; rm -rf "$work"' EXIT INT TERM

# Under another name: Python would import it in place of the module.
cp "$root/clients/libtorrent.py" "$work/client.py"
"$btspec" fixture --out "$work/fixture" >/dev/null
torrent=$(ls "$work"/fixture/main*.torrent)
hash=$("$lt" -c 'import libtorrent, sys; print(libtorrent.torrent_info(sys.argv[1]).info_hash())' "$torrent")

for round in $(seq "$rounds"); do
    "$btspec" fuzz --client libtorrent --duration "${seconds}s" --seed "$round" --out "$work/out$round" \
        --report "json=$work/report.json" >"$work/summary" 2>&1 || true
    ours=$("$lt" -c 'import json, sys; print(json.load(open(sys.argv[1]))["roles"][0]["rate"])' "$work/report.json")

    port=$("$lt" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    ctl=$("$lt" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$lt" "$work/client.py" run 127.0.0.1 "$port" "$ctl" "$torrent" "$work/fixture/data" >/dev/null 2>&1 &
    pid=$!
    # Until it listens and has checked its data.
    "$lt" - "$port" <<'PY'
import socket
import sys
import time

for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close()
        break
    except OSError:
        time.sleep(0.1)
time.sleep(3)
PY
    theirs=$("$boo" "$here/cases.py" 127.0.0.1 "$port" "$hash" "$seconds" "$pid" 2>"$work/errors" | tail -1) || tail -3 "$work/errors" >&2
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    pid=
    rate=$(echo "$theirs" | sed 's/.*: \([0-9]*\) a second/\1/')
    echo "round $round: btspec fuzz $ours cases/s, boofuzz $rate cases/s"
    echo "$ours $rate" >>"$work/rates"
done
"$lt" - "$work/rates" <<'PY'
import statistics
import sys

rows = [tuple(map(float, line.split())) for line in open(sys.argv[1])]
ours, theirs = (statistics.median(column) for column in zip(*rows))
print(f"median: {ours:.0f} against {theirs:.0f}: {ours / theirs:.1f} times")
PY
