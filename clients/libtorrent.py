"""Runs libtorrent for btspec: one session, one torrent, a control port for the driver's verbs.

    libtorrent.py run BIND PORT CTL TORRENT DATA      keeps running until it is killed
    libtorrent.py verb CTL WORD [ARG]                 0 done, 64 unknown verb, 1 failed
    libtorrent.py version
"""

import socket
import sys
import time

UNKNOWN = 64


def settings(bind, port):
    # Only the peer wire over TCP: nothing that speaks to other hosts, plaintext accepted.
    return {
        "listen_interfaces": f"{bind}:{port}",
        "enable_dht": False,
        "enable_lsd": False,
        "enable_upnp": False,
        "enable_natpmp": False,
        "enable_incoming_utp": False,
        "enable_outgoing_utp": False,
        "in_enc_policy": 1,
        "out_enc_policy": 1,
        "allowed_enc_level": 3,
        # With more than one, a piece that fails its hash may stay locked: docs/findings.md, LT-T3.
        "aio_threads": 1,
        # Announces whenever it is told to.
        "min_announce_interval": 1,
    }


def run(bind, port, ctl, torrent, data):
    import libtorrent as lt

    # First, so that whoever finds the session listening can speak to it.
    server = socket.create_server(("127.0.0.1", int(ctl)))
    server.settimeout(1.0)
    session = lt.session(settings(bind, port))
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = data
    # Without auto-management: no queueing, and `pause` stays paused.
    params.flags = lt.torrent_flags.update_subscribe
    handle = session.add_torrent(params)

    def add_peer(arg):
        host, _, peer_port = arg.rpartition(":")
        handle.connect_peer((host, int(peer_port)))

    def slots(arg):
        session.apply_settings({"unchoke_slots_limit": int(arg)})
        handle.set_max_uploads(int(arg))

    def complete(_):
        if not handle.status().is_seeding:
            raise RuntimeError(f"not complete: {handle.status().progress:.3f}")

    def select(arg):
        wanted = [{"all": 4, "none": 0}[arg]] * params.ti.files().num_files()
        handle.prioritize_files(wanted)
        # The disk threads are asked before it takes effect.
        end = time.monotonic() + 5
        while handle.get_file_priorities() != wanted or arg == "none" and not handle.status().is_finished:
            if time.monotonic() > end:
                raise RuntimeError("the priorities do not change")
            time.sleep(0.01)

    def super_seed(arg):
        change = handle.unset_flags if arg == "off" else handle.set_flags
        change(lt.torrent_flags.super_seeding)

    verbs = {
        "add-peer": add_peer,
        "slots": slots,
        "pause": lambda _: handle.pause(),
        "resume": lambda _: handle.resume(),
        "recheck": lambda _: handle.force_recheck(),
        "announce": lambda _: handle.force_reannounce(),
        "complete": complete,
        "content-dir": lambda _: data,
        "select": select,
        "super-seed": super_seed,
        "connections": lambda arg: handle.set_max_connections(int(arg)),
    }

    while True:
        for alert in session.pop_alerts():
            print(alert.message(), flush=True)
        try:
            connection, _ = server.accept()
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(5.0)
            word, _, arg = connection.makefile("r").readline().strip().partition(" ")
            if word not in verbs:
                answer = "unknown"
            else:
                try:
                    answer = f"ok {verbs[word](arg) or ''}"
                except Exception as error:  # the driver reports it
                    answer = f"error {error}"
            connection.sendall(answer.encode() + b"\n")


def verb(ctl, word, arg=""):
    with socket.create_connection(("127.0.0.1", int(ctl)), timeout=10) as connection:
        connection.sendall(f"{word} {arg}\n".encode())
        answer = connection.makefile("r").readline().strip()
    state, _, text = answer.partition(" ")
    if text:
        print(text)
    return {"ok": 0, "unknown": UNKNOWN}.get(state, 1)


def main(argv):
    match argv:
        case ["version"]:
            import libtorrent

            print(libtorrent.version)
            return 0
        case ["run", bind, port, ctl, torrent, data]:
            run(bind, port, ctl, torrent, data)
        case ["verb", ctl, word, *rest]:
            return verb(ctl, word, *rest[:1])
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
