#!/bin/sh
# A client for tests of `btspec doctor`: the reference peer, in a shell that breaks one thing.
#   peer.sh start WRONG BIND PORT ROLE TORRENT DATA DIR
#   peer.sh verb WRONG VERB ARG DATA DIR
# WRONG is what is wrong with it, `nothing` if it is sound.
what=$1 wrong=$2
shift 2
case $what in
start)
    bind=$1 port=$2 role=$3 torrent=$4 data=$5 dir=$6
    case $wrong in
    ends) echo "no luck today"; exit 3 ;;
    daemon) exit 0 ;;
    deaf) port=1; exec sleep 1000 ;;
    other_torrent) exec btspec serve --listen "$bind:$port" --role "$role" --torrent "$OTHER" ;;
    empty_seed) role=leech ;;
    full_leech) exec btspec serve --listen "$bind:$port" --role seed ;;
    esac
    # A peer for each call of `add-peer`, beside the one that listens.
    if [ "$role" = seed ]; then set -- --data "$data"; else set --; fi
    btspec serve --listen "$bind:$port" --role "$role" --torrent "$torrent" "$@" &
    touch "$dir/peers"
    while :; do
        if read -r peer <"$dir/peers"; then
            : >"$dir/peers"
            btspec serve --listen "$bind:0" --role leech --torrent "$torrent" --peer "$peer" &
        fi
        sleep 0.1
    done
    ;;
verb)
    verb=$1 arg=$2 data=$3 dir=$4
    [ "$wrong" != yes_man ] || exit 0
    case $verb in
    complete)
        [ "$wrong" != always_complete ] || exit 0
        [ -n "$(ls -A "$data")" ]
        ;;
    content-dir) if [ "$wrong" = no_folder ]; then echo /nowhere; else echo "$data"; fi ;;
    add-peer) [ "$wrong" = no_dial ] || echo "$arg" >"$dir/peers" ;;
    pause | resume) [ "$wrong" != no_pause ] || { echo "no such call" >&2; exit 1; } ;;
    *) exit 64 ;;
    esac
    ;;
esac
