"""Speaks to aria2's RPC for btspec.

    aria2.py verb CTL WORD [ARG]        0 done, 64 unknown verb, 1 failed
"""

import json
import sys
import urllib.request

UNKNOWN = 64


class Daemon:
    def __init__(self, ctl):
        self.url = f"http://127.0.0.1:{ctl}/jsonrpc"
        # No proxy from the environment: this is loopback.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": "btspec", "method": f"aria2.{method}", "params": params}).encode()
        with self.opener.open(urllib.request.Request(self.url, body), timeout=5) as response:
            return json.load(response)["result"]

    def torrent(self):
        # The one download; a paused one stands among those that wait.
        return (self.call("tellActive") + self.call("tellWaiting", 0, 1))[0]


def verb(ctl, word, arg=""):
    daemon = Daemon(ctl)

    def complete():
        torrent = daemon.torrent()
        done, total = int(torrent["completedLength"]), int(torrent["totalLength"])
        if done < total:
            raise RuntimeError(f"not complete: {done} of {total} bytes")

    verbs = {
        "pause": lambda: daemon.call("forcePauseAll") and None,
        "resume": lambda: daemon.call("unpauseAll") and None,
        "complete": complete,
        "content-dir": lambda: daemon.torrent()["dir"],
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
            case ["verb", ctl, word, *rest]:
                return verb(ctl, word, *rest[:1])
    except (OSError, RuntimeError, KeyError, IndexError) as error:
        print(error, file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
