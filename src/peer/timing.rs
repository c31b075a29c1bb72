//! What is due when: timers, deadlines of connections, and what happens then.

use std::time::Duration;

use super::connection::{Connection, Phase};
use super::event::CloseReason;
use super::fault::Wire;
use super::host::{DEFECT_EXIT, Peer, Timer};
use super::process::Output;
use crate::wire::{ExtensionMessage, Kind};

impl Peer {
    pub(super) fn timer(&mut self, at: Duration, timer: Timer) {
        self.timers.insert((at, self.next_timer), timer);
        self.next_timer += 1;
    }

    /// Runs what is due.
    pub(super) fn run_due(&mut self) {
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= self.now
        {
            let timer = entry.remove();
            self.fire(timer);
        }
        for conn in self.ids() {
            self.check_deadlines(conn);
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Write(conn, bytes) => self.output(Output::Bytes { conn, bytes }),
            Timer::Fin(conn) => self.output(Output::Fin { conn }),
            Timer::Greet(conn) => self.greet_now(conn),
            Timer::Extended(conn) => self.send_extended_handshake(conn),
            Timer::FirstMessages(conn) => self.send_first_messages(conn),
            Timer::Flush(conn) => self.write(conn),
            Timer::Unchoke(conn) => self.unchoke_if_wanted(conn),
            Timer::Interest(conn) => self.set_interest(conn),
            Timer::Reject(conn, block) => self.reject(conn, block),
            Timer::Rotate => self.rotate(),
            Timer::Say(conn, wires) => self.say(conn, wires),
            Timer::FirstMessage(conn) => {
                let hello = |c: &Connection| {
                    let kinds = c.stats.received.kinds();
                    let kinds: Vec<_> = kinds.map(|(kind, n)| (kind, n.messages)).collect();
                    kinds.is_empty() || kinds == [(Kind::Extended, 1)]
                };
                if self.connections.get(&conn).is_some_and(hello) {
                    self.close(conn, CloseReason::Fault);
                }
            }
            Timer::HalfClosed(conn) => {
                if self.connections.contains_key(&conn) && self.connections.len() == 1 {
                    self.exit(DEFECT_EXIT);
                }
            }
            Timer::SpeakEarly(conn) => {
                let unknown = |c: &Connection| {
                    let came = c.stats.received.of(Kind::Extended).messages;
                    c.agreed.extended && came == 0
                };
                if self.connections.get(&conn).is_some_and(unknown) {
                    let request = ExtensionMessage::MetadataRequest { piece: 0 };
                    self.say(conn, vec![Wire::Message(request.into_message(1))]);
                }
            }
            Timer::Pex(conn) => self.exchange(conn),
            Timer::Hesitate(conn) => self.greet(conn),
            Timer::Turn => {}
        }
    }

    /// When this connection needs a turn by itself.
    pub(super) fn deadline_of(&self, c: &Connection) -> Option<Duration> {
        let s = &self.settings;
        match c.phase {
            Phase::Dialling => later(c.opened, s.connect_timeout),
            Phase::Handshaking => later(c.opened, s.handshake_timeout),
            Phase::Open => {
                let request = c.request_deadline(s.request_timeout);
                let next = c.uploads.front().filter(|_| !c.full && !self.paused);
                let served = next.map(|upload| upload.ready);
                let ticks = c
                    .extensions
                    .iter()
                    .filter_map(|slot| slot.extension.as_ref());
                ticks
                    .filter_map(|extension| extension.deadline())
                    .chain(later(c.last_sent, s.keep_alive))
                    .chain(later(self.heard(c), s.idle_timeout))
                    .chain(request)
                    .chain(served)
                    .min()
            }
        }
    }

    /// When the other end last said something that counts.
    fn heard(&self, c: &Connection) -> Duration {
        if self.settings.idle_counts_keep_alives {
            c.last_received
        } else {
            c.last_message.max(c.open_since)
        }
    }

    fn check_deadlines(&mut self, conn: u32) {
        let now = self.now;
        let Some(c) = self.connections.get(&conn) else {
            return;
        };
        let due = |from: Duration, after: Duration| later(from, after).is_some_and(|at| at <= now);
        match c.phase {
            Phase::Dialling if due(c.opened, self.settings.connect_timeout) => {
                self.output(Output::Rst { conn });
                self.drop_connection(conn, CloseReason::ConnectFailed);
            }
            Phase::Handshaking if due(c.opened, self.settings.handshake_timeout) => {
                self.close(conn, CloseReason::HandshakeTimeout);
            }
            Phase::Open if due(self.heard(c), self.settings.idle_timeout) => {
                self.close(conn, CloseReason::IdleTimeout);
            }
            Phase::Open => {
                let silent = due(c.last_sent, self.settings.keep_alive);
                let request = c.request_deadline(self.settings.request_timeout);
                if silent {
                    self.keep_alive(conn);
                }
                if request.is_some_and(|at| at <= now) {
                    self.give_up_requests(conn);
                }
                self.tick_extensions(conn);
            }
            _ => {}
        }
    }

    fn tick_extensions(&mut self, conn: u32) {
        let now = self.now;
        let Some(c) = self.connections.get(&conn) else {
            return;
        };
        let due: Vec<u8> = c
            .extensions
            .iter()
            .filter(|slot| {
                let deadline = slot.extension.as_ref().and_then(|e| e.deadline());
                deadline.is_some_and(|at| at <= now)
            })
            .map(|slot| slot.id)
            .collect();
        for id in due {
            self.with_extension(conn, id, |extension, link| extension.on_tick(link));
        }
    }
}

/// `from + after`; `None` for never.
fn later(from: Duration, after: Duration) -> Option<Duration> {
    from.checked_add(after)
}
