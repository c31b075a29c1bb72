"""The yardstick for `btspec fuzz`: boofuzz 0.4.2 on the same wire, with one read for each case and its process check.

    cases.py HOST PORT INFO_HASH SECONDS PID

Sends a handshake and eight messages whose fields boofuzz mutates, reads once, and prints cases a second. The process check is
boofuzz's own: a monitor asked after each case whether PID is alive.
"""

import os
import sys
import time

from boofuzz import (
    BaseMonitor,
    Block,
    Byte,
    Bytes,
    DWord,
    Request,
    Session,
    Size,
    Static,
    Target,
    TCPSocketConnection,
)


class Alive(BaseMonitor):
    """Asks the system whether the client still runs."""

    def __init__(self, pid):
        super().__init__()
        self.pid = pid

    def alive(self):
        return True

    def pre_send(self, target=None, fuzz_data_logger=None, session=None):
        return True

    def post_send(self, target=None, fuzz_data_logger=None, session=None):
        os.kill(self.pid, 0)
        return True


def framed(name, ident, fields):
    body = Block(f"{name}-body", children=(Byte(f"{name}-id", ident), *fields))
    return Block(
        name,
        children=(Size(f"{name}-len", block_name=f"{name}-body", length=4, endian=">", fuzzable=True), body),
    )


def number(name, value=0):
    return DWord(name, value, endian=">")


def model(info_hash):
    block = lambda n: [number(f"{n}-index"), number(f"{n}-begin"), number(f"{n}-length", 16384)]
    return Request(
        "case",
        children=(
            Static("protocol", b"\x13BitTorrent protocol"),
            Bytes("reserved", b"\0\0\0\0\0\x10\0\x04", size=8),
            Static("hash", info_hash),
            Static("peer-id", b"-BF0042-000000000000"),
            framed("have-none", 15, []),
            framed("interested", 2, []),
            framed("have", 4, [number("have-index", 1)]),
            framed("request", 6, block("request")),
            framed("cancel", 8, block("cancel")),
            framed("reject", 16, block("reject")),
            framed("allowed", 17, [number("allowed-index", 1)]),
            framed("extended", 20, [Byte("ext-id", 0), Bytes("payload", b"d1:md11:ut_metadatai3eee")]),
        ),
    )


class Over(Exception):
    pass


class Clock(Alive):
    """Counts, and ends the session when its time is over."""

    def __init__(self, pid, seconds):
        super().__init__(pid)
        self.began = time.monotonic()
        self.seconds = seconds
        self.count = 0

    def post_send(self, target=None, fuzz_data_logger=None, session=None):
        super().post_send(target, fuzz_data_logger, session)
        self.count += 1
        if time.monotonic() - self.began > self.seconds:
            raise Over
        return True


def main(host, port, info_hash, seconds, pid):
    clock = Clock(int(pid), float(seconds))
    connection = TCPSocketConnection(host, int(port), recv_timeout=1.0)
    session = Session(
        target=Target(connection=connection, monitors=[clock]),
        fuzz_loggers=[],
        receive_data_after_fuzz=True,
        web_port=None,
        keep_web_open=False,
        sleep_time=0,
        restart_sleep_time=0,
        ignore_connection_reset=True,
        ignore_connection_aborted=True,
        ignore_connection_issues_when_sending_fuzz_data=True,
        check_data_received_each_request=False,
        db_filename="/dev/null" if not os.path.isdir("/tmp") else f"/tmp/boofuzz-{os.getpid()}.db",
        crash_threshold_request=1 << 30,
        crash_threshold_element=1 << 30,
    )
    session.connect(model(bytes.fromhex(info_hash)))
    try:
        session.fuzz(max_depth=1)
    except Over:
        pass
    spent = time.monotonic() - clock.began
    print(f"{clock.count} cases in {spent:.1f} s: {clock.count / spent:.0f} a second")


if __name__ == "__main__":
    main(*sys.argv[1:])
