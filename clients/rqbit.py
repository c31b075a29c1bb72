"""Speaks to rqbit's HTTP API for btspec.

    rqbit.py load CTL TORRENT DATA        adds the torrent once the server is there
    rqbit.py verb CTL WORD [ARG]          0 done, 64 unknown verb, 1 failed
"""

import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

UNKNOWN = 64


class Daemon:
    def __init__(self, ctl):
        self.url = f"http://127.0.0.1:{ctl}"
        # No proxy from the environment: this is loopback.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path):
        return self.ask(path, None)

    def ask(self, path, body):
        with self.opener.open(urllib.request.Request(self.url + path, body), timeout=10) as response:
            text = response.read()
        return json.loads(text) if text else None


def load(ctl, torrent, data):
    daemon = Daemon(ctl)
    end = time.monotonic() + 20
    while True:
        try:
            daemon.get("/torrents")
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
    with open(torrent, "rb") as file:
        metainfo = file.read()
    # Several files it puts straight into the folder that it is told, without the torrent's name.
    folder = data
    if b"5:filesl" in metainfo:
        name = re.search(rb"4:name([0-9]+):", metainfo)
        folder = os.path.join(data, metainfo[name.end() : name.end() + int(name[1])].decode())
    daemon.ask(f"/torrents?overwrite=true&output_folder={urllib.parse.quote(folder, safe='')}", metainfo)


def verb(ctl, word, arg=""):
    daemon = Daemon(ctl)

    def complete():
        stats = daemon.get("/torrents/0/stats/v1")
        if not stats["finished"]:
            raise RuntimeError(f"not complete: {stats['progress_bytes']} of {stats['total_bytes']} bytes")

    verbs = {
        "add-peer": lambda: daemon.ask("/torrents/0/add_peers", arg.encode()) and None,
        "pause": lambda: daemon.ask("/torrents/0/pause", b"") and None,
        "resume": lambda: daemon.ask("/torrents/0/start", b"") and None,
        "complete": complete,
        "content-dir": lambda: arg,
    }
    if word not in verbs:
        return UNKNOWN
    text = verbs[word]()
    if text:
        print(text)
    return 0


def main(argv):
    try:
        match argv:
            case ["load", ctl, torrent, data]:
                load(ctl, torrent, data)
                return 0
            case ["verb", ctl, word, *rest]:
                return verb(ctl, word, *rest[:1])
    except urllib.error.HTTPError as error:
        print(error, error.read(300).decode(errors="replace"), file=sys.stderr)
        return 1
    except (OSError, RuntimeError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
