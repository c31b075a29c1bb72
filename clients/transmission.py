"""Speaks to transmission-daemon's RPC for btspec.

    transmission.py load CTL TORRENT DATA ROLE        adds the torrent; a seed is checked, then started
    transmission.py verb CTL WORD [ARG]               0 done, 64 unknown verb, 1 failed
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.request

UNKNOWN = 64
# `status` of torrent-get: 0 stopped, 1 and 2 waiting for or in a check, 4 downloading, 6 seeding.
STOPPED = 0


class Daemon:
    def __init__(self, ctl):
        self.url = f"http://127.0.0.1:{ctl}/transmission/rpc"
        self.session_id = ""
        # No proxy from the environment: this is loopback.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method, **arguments):
        body = json.dumps({"method": method, "arguments": arguments}).encode()
        for _ in range(2):
            request = urllib.request.Request(self.url, body, {"X-Transmission-Session-Id": self.session_id})
            try:
                with self.opener.open(request, timeout=5) as response:
                    answer = json.load(response)
                break
            except urllib.error.HTTPError as error:
                # The first call of a session is answered with 409 and the id to use.
                if error.code != 409:
                    raise
                self.session_id = error.headers["X-Transmission-Session-Id"]
        if answer["result"] != "success":
            raise RuntimeError(f"{method}: {answer['result']}")
        return answer["arguments"]

    def torrent(self, *fields):
        return self.call("torrent-get", ids=[1], fields=list(fields))["torrents"][0]


def wait_for(probe, seconds):
    end = time.monotonic() + seconds
    while True:
        try:
            if probe():
                return
        except (OSError, KeyError, IndexError):
            pass
        if time.monotonic() > end:
            raise RuntimeError("gave up waiting for transmission-daemon")
        time.sleep(0.05)


def load(ctl, torrent, data, role):
    daemon = Daemon(ctl)
    wait_for(lambda: daemon.call("session-get"), 20)
    with open(torrent, "rb") as file:
        metainfo = base64.b64encode(file.read()).decode()
    seed = role == "seed"
    daemon.call("torrent-add", metainfo=metainfo, **{"download-dir": data, "paused": seed})
    if seed:
        daemon.call("torrent-verify", ids=[1])

        def checked():
            state = daemon.torrent("status", "percentDone")
            return state["status"] == STOPPED and state["percentDone"] == 1

        wait_for(checked, 60)
        daemon.call("torrent-start-now", ids=[1])


def verb(ctl, word, arg=""):
    daemon = Daemon(ctl)

    def complete():
        done = daemon.torrent("percentDone")["percentDone"]
        if done < 1:
            raise RuntimeError(f"not complete: {done:.3f}")

    def slots():
        daemon.call("session-set", **{"upload-slots-per-torrent": int(arg)})

    def select():
        key = {"all": "files-wanted", "none": "files-unwanted"}[arg]
        # An empty list stands for every file.
        daemon.call("torrent-set", ids=[1], **{key: []})

    verbs = {
        "slots": slots,
        "pause": lambda: daemon.call("torrent-stop", ids=[1]) and None,
        "resume": lambda: daemon.call("torrent-start-now", ids=[1]) and None,
        "recheck": lambda: daemon.call("torrent-verify", ids=[1]) and None,
        "announce": lambda: daemon.call("torrent-reannounce", ids=[1]) and None,
        "complete": complete,
        "connections": lambda: daemon.call("torrent-set", ids=[1], **{"peer-limit": int(arg)}) and None,
        "content-dir": lambda: daemon.torrent("downloadDir")["downloadDir"],
        "select": select,
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
            case ["load", ctl, torrent, data, role]:
                load(ctl, torrent, data, role)
                return 0
            case ["verb", ctl, word, *rest]:
                return verb(ctl, word, *rest[:1])
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
