//! Proof of life: `alive`, `survives`, the end of `given`, the end of the case
//! (SCENARIOS 3.8 and 3.9).

use std::rc::Rc;
use std::time::Duration;

use super::conn::{Closed, Index};
use super::env::PlayEnv;
use super::script::{Ctx, Deadline, Flow, Stop, Weight, branch_stop};
use super::seen::Seen;
use super::state::{Stage, State};
use super::tally::StepRef;
use super::watch::{Limits, QUIET_OPENING, closed_text, seconds};
use crate::engine::io::CloseKind;
use crate::outcome::{ClosedBy, Expected, Verdict};
use crate::scenario::ast::{Case, Citation, Role, Stated, Step};
use crate::session::{AnswerHow, EventKind};
use crate::wire::{BlockRef, ExtensionMessage, Kind, Message};

/// What a probe came to.
enum Life {
    /// An answer that only a live peer in step with our stream gives.
    Proved,
    /// The target closed.
    Closed,
    /// It answered with wrong bytes.
    Corrupt(String),
    /// An owed answer did not come.
    Silent(String),
    /// What would have to come first is the target's right and did not come.
    Unwilling(String),
    /// Our stream does not stand on a frame boundary, or is closed: nothing can be asked.
    Mute,
}

/// A way to ask.
enum Probe {
    /// This metadata piece.
    Metadata(u32),
    /// A block.
    Block,
    /// Nothing to ask for: the leech's next request.
    Wait,
}

impl Ctx {
    /// `alive`.
    pub(super) async fn alive(&self, step: &Step) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let span = self.span(step, conn, self.with(|s| Limits::of(s).answer))?;
        let life = self.probe(conn, span).await?;
        let wanted = |missed: &str| vec![Expected::new("proof of life", missed)];
        let id = Some(self.id(conn));
        match life {
            Life::Proved => Ok(()),
            Life::Closed => {
                let text = self.with(|s| closed_text(s, conn));
                Err(Stop::miss(Weight::Judged, id, wanted(&text), text))
            }
            Life::Mute => {
                let text = "our stream does not stand between two messages".to_owned();
                Err(Stop::miss(Weight::Inconclusive, id, wanted(&text), text))
            }
            Life::Corrupt(text) | Life::Silent(text) => {
                Err(Stop::miss(Weight::Grave, id, wanted(&text), text))
            }
            Life::Unwilling(text) => Err(Stop::miss(Weight::Inconclusive, id, wanted(&text), text)),
        }
    }

    /// `survives`.
    pub(super) async fn survives(
        &self,
        step: &Step,
        stay: Stated,
        close: Stated,
        cites: &[Citation],
    ) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let span = self.span(step, conn, self.with(|s| Limits::of(s).answer))?;
        // The probe is no part of what the close is an answer to.
        let provocation = self.with(|s| s.conns.get(conn).map_or(0, |c| c.provocation));
        let life = self.probe(conn, span).await?;
        let id = Some(self.id(conn));
        let expected = |missed: &str| {
            vec![Expected::new(
                "the stream goes on, or the target closes",
                missed,
            )]
        };
        let (stated, actual) = match life {
            Life::Proved => (stay, "the target goes on".to_owned()),
            Life::Mute if self.is_open(conn) => {
                // Inside a frame nothing can be asked: a close shows, and staying is no close.
                let span = self.with(|s| Limits::of(s).close);
                let deadline = self.deadline(conn, self.scaled(span));
                let closed = self
                    .wait(deadline, |state| {
                        let conn = state.conns.get(conn);
                        Ok(conn.is_some_and(|c| c.target_closed).then_some(()))
                    })
                    .await?;
                match closed {
                    Some(()) => (close, self.with(|s| closed_text(s, conn))),
                    None => (stay, "the target keeps the connection".to_owned()),
                }
            }
            Life::Closed | Life::Mute => (close, self.with(|s| closed_text(s, conn))),
            Life::Corrupt(text) => {
                return Err(Stop::miss(Weight::Grave, id, expected(&text), text));
            }
            Life::Silent(text) => {
                let text = format!("stream lost: {text}");
                return Err(Stop::miss(Weight::Grave, id, expected(&text), text));
            }
            Life::Unwilling(text) => {
                return Err(Stop::miss(Weight::Inconclusive, id, expected(&text), text));
            }
        };
        // Where staying and closing are equally right, closing half-way through a long frame is, too.
        let either = stay == Stated::Pass && close == Stated::Pass;
        let (early, cut_short) = self.with(|state| {
            let Some(known) = state.conns.get_mut(conn) else {
                return (false, false);
            };
            let cut_short = known.cut_short;
            let early = |c: &Closed| cut_short || c.after_sent < provocation;
            let early = !either && known.closed.as_ref().is_some_and(early);
            // Steps to come see a close that answered the author.
            if let Some(closed) = known.closed.as_mut().filter(|_| !early) {
                closed.complete = true;
            }
            (early, cut_short)
        });
        // A close that is no pass is one behind each of the segments that the author cut.
        if early && (stated == Stated::Pass || !cut_short) {
            let text = format!("{actual}, before everything was sent");
            return Err(Stop::miss(Weight::Inconclusive, id, Vec::new(), text));
        }
        self.state(step, stated, &actual, conn, cites)
    }

    /// An author's verdict on what happened.
    fn state(
        &self,
        step: &Step,
        stated: Stated,
        actual: &str,
        conn: Index,
        cites: &[Citation],
    ) -> Flow {
        if let Some(stop) = branch_stop(Some(stated), actual) {
            return Err(stop);
        }
        match (stated, self.with(|s| s.stage)) {
            (Stated::Pass, _) => Ok(()),
            (Stated::Fail, _) => Err(Stop::miss(
                Weight::Judged,
                Some(self.id(conn)),
                Vec::new(),
                actual,
            )),
            (stated, Stage::Steps) => {
                let place = StepRef::new(step, cites);
                let id = Some(self.id(conn));
                self.with(|state| {
                    let now = state.now;
                    let actual = actual.to_owned();
                    state
                        .tally
                        .miss(&place, Vec::new(), actual, id, now, Some(stated));
                });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn is_open(&self, conn: Index) -> bool {
        self.with(|s| s.conns.get(conn).is_some_and(super::conn::Conn::open))
    }

    /// Whether the target has closed: an answer is then looked for in vain behind the close.
    fn has_closed(&self, conn: Index) -> bool {
        self.with(|s| s.conns.get(conn).is_some_and(|c| c.target_closed))
    }

    /// Asks for a sign of life on `conn`, in the surest way that it offers.
    async fn probe(&self, conn: Index, span: Duration) -> Flow<Life> {
        if !self.with(|s| {
            s.conns
                .get(conn)
                .is_some_and(super::conn::Conn::between_frames)
        }) {
            let closed = self.with(|s| s.conns.get(conn).is_some_and(|c| c.target_closed));
            return Ok(if closed { Life::Closed } else { Life::Mute });
        }
        self.opening(conn, span).await?;
        if self.has_closed(conn) {
            return Ok(Life::Closed);
        }
        let probe = self.with(|state| choose(state, conn));
        match probe {
            Probe::Metadata(piece) => {
                let life = self.probe_metadata(conn, piece, span).await?;
                match life {
                    // A reject is no proof; a block may be.
                    None => match self.with(|state| choose_other(state, conn)) {
                        Probe::Block => self.probe_block(conn, span).await,
                        _ => self.next_request(conn).await,
                    },
                    Some(life) => Ok(life),
                }
            }
            Probe::Block => self.probe_block(conn, span).await,
            Probe::Wait => self.next_request(conn).await,
        }
    }

    /// Lets the target say who it is and what it has: what can be asked depends on it.
    async fn opening(&self, conn: Index, span: Duration) -> Flow {
        let deadline = self.deadline(conn, span);
        self.wait(deadline, |state| {
            let Some(known) = state.conns.get(conn) else {
                return Ok(Some(()));
            };
            let session = &known.session;
            let introduced = !session.extended() || session.their_extended().is_some();
            let quiet = session.established_at().unwrap_or_default() + QUIET_OPENING;
            if !session.fast() && quiet > state.now {
                state.nudge = Some(quiet);
            }
            let announced = session.availability_seen()
                || session.theirs().first_typed().is_some()
                || (!session.fast() && quiet <= state.now);
            let metadata = introduced && matches!(choose(state, conn), Probe::Metadata(_));
            let ready = metadata || (introduced && announced) || known.target_closed;
            Ok(ready.then_some(()))
        })
        .await?;
        Ok(())
    }

    /// `None` when the request was rejected.
    async fn probe_metadata(&self, conn: Index, piece: u32, span: Duration) -> Flow<Option<Life>> {
        let from = self.with(|state| {
            let id = state
                .conns
                .get(conn)
                .and_then(|c| c.session.ext_id_theirs("ut_metadata"));
            let message = ExtensionMessage::MetadataRequest {
                piece: piece.into(),
            }
            .into_message(id.unwrap_or(0));
            send_probe(state, conn, &message)
        });
        let life = self
            .answer(conn, from, span, |seen| match seen.payload()? {
                // Other bytes are a matter of `rule/metadata-bytes`: the stream is in step.
                ExtensionMessage::MetadataData { piece: got, .. } if *got == i128::from(piece) => {
                    Some(Some(Life::Proved))
                }
                ExtensionMessage::MetadataReject { piece: got } if *got == i128::from(piece) => {
                    Some(None)
                }
                _ => None,
            })
            .await?;
        Ok(match life {
            Some(life) => life,
            None => Some(Life::Silent(format!(
                "no answer to the request of metadata piece {piece} within {}",
                seconds(span)
            ))),
        })
    }

    /// Asks for a block that the target has. It may choke us first: that is waited out.
    async fn probe_block(&self, conn: Index, span: Duration) -> Flow<Life> {
        let grant = self.scaled(self.with(|s| Limits::of(s).grant));
        for _ in 0..TRIES {
            if self.has_closed(conn) {
                return Ok(Life::Closed);
            }
            let allowed = self.with(|state| allowed_block(state, conn));
            let choked =
                self.with(|s| s.conns.get(conn).is_none_or(|c| c.session.target_choking()));
            if choked && allowed.is_none() {
                match self.uncounted(self.unchoked(conn, grant)).await? {
                    Life::Proved => {}
                    other => return Ok(other),
                }
            }
            let Some(block) = allowed.or_else(|| self.with(|state| free_block(state, conn))) else {
                return self.next_request(conn).await;
            };
            match self.one_block(conn, block, span).await? {
                Some(life) => return Ok(life),
                None => {
                    // Rejected, or thrown out by a choke: once more, when it lets us.
                }
            }
        }
        Ok(Life::Unwilling("every request was rejected".to_owned()))
    }

    /// `None` when the request was rejected or dropped by a choke.
    async fn one_block(&self, conn: Index, block: BlockRef, span: Duration) -> Flow<Option<Life>> {
        let from = self.with(|state| send_probe(state, conn, &Message::Request(block)));
        let life = self
            .answer(conn, from, span, |seen| match &seen.event.kind {
                EventKind::Answer(answer) if answer.entry.block == block => {
                    Some(match (answer.how, answer.corrupt) {
                        (AnswerHow::Piece, None) => Some(Life::Proved),
                        (AnswerHow::Piece, Some(at)) => Some(Life::Corrupt(format!(
                            "block {} of piece {} differs from byte {at} on",
                            block.begin, block.index
                        ))),
                        (AnswerHow::WrongLength { actual }, _) => Some(Life::Corrupt(format!(
                            "{actual} bytes came where {} were asked for",
                            block.length
                        ))),
                        (AnswerHow::Reject, _) => None,
                    })
                }
                EventKind::Choking { choking: true, .. } => Some(None),
                _ => None,
            })
            .await?;
        Ok(match life {
            Some(life) => life,
            None => Some(Life::Silent(format!(
                "no answer to the request of piece {} begin {} within {}",
                block.index,
                block.begin,
                seconds(span)
            ))),
        })
    }

    async fn unchoked(&self, conn: Index, grant: Duration) -> Flow<Life> {
        self.with(|state| {
            let interested = state
                .conns
                .get(conn)
                .is_some_and(|c| *c.session.our_interest().sent());
            if !interested {
                send_probe(state, conn, &Message::Interested);
            }
        });
        let deadline = self.deadline(conn, grant);
        let life = self
            .wait(deadline, |state| {
                let back = state.waits(conn, Kind::Choke);
                let Some(conn) = state.conns.get(conn) else {
                    return Ok(Some(Life::Mute));
                };
                if !conn.session.target_choking() && !back {
                    return Ok(Some(Life::Proved));
                }
                Ok(conn.target_closed.then_some(Life::Closed))
            })
            .await?;
        Ok(life
            .unwrap_or_else(|| Life::Unwilling(format!("not unchoked within {}", seconds(grant)))))
    }

    /// Waits for a request of the target that follows from what we sent last.
    async fn next_request(&self, conn: Index) -> Flow<Life> {
        let grant = self.scaled(self.with(|s| Limits::of(s).grant));
        // What the author sent last may have been the reason to request: it counts from there.
        let from = self.cursor(conn);
        let came = self.with(|state| {
            let mut log = state.log.iter().skip(from);
            log.any(|seen| seen.conn == conn && follows_news(state, seen))
        });
        if !came {
            self.bait(conn);
        }
        let mut scan = from;
        let deadline = self.deadline(conn, grant);
        let waiting = self.wait(deadline, |state| {
            while let Some(seen) = state.log.get(scan).map(Rc::clone) {
                scan += 1;
                if seen.conn != conn {
                    continue;
                }
                if seen.close().is_some() {
                    return Ok(Some(Life::Closed));
                }
                if follows_news(state, &seen) {
                    return Ok(Some(Life::Proved));
                }
            }
            Ok(None)
        });
        let life = self.uncounted(waiting).await?;
        Ok(
            life.unwrap_or_else(|| {
                Life::Unwilling(format!("no request within {}", seconds(grant)))
            }),
        )
    }

    /// Gives a leech a reason to request: a piece that it lacks, or an unchoke. That piece is
    /// served, so that the next probe finds the leech idle again.
    fn bait(&self, conn: Index) {
        let messages = self.with(|state| {
            let known = state.conns.get(conn)?;
            if state.play.role != Role::Leech || !known.between_frames() {
                return None;
            }
            let session = &known.session;
            let choking = session.choking_sent();
            let asked = |piece: u32| {
                let mut entries = session.ledger_theirs().entries();
                entries.any(|entry| entry.block.index == piece)
            };
            let wanted = |piece: u32| !session.target_has().get(piece) && !asked(piece);
            let offers = session.ours().has().iter().any(wanted);
            let mut messages = Vec::new();
            // Of what we offer already it may ask at any time, whether or not it reads on.
            if !(offers && choking) {
                let index = PlayEnv::new(state, Some(conn)).spare()?;
                messages.push(Message::Have { index });
                if let Some(known) = state.conns.get_mut(conn) {
                    known.serves.set(index);
                }
            }
            if choking {
                messages.push(Message::Unchoke);
            }
            Some(messages)
        });
        for message in messages.unwrap_or_default() {
            self.with(|state| send_probe(state, conn, &message));
        }
    }

    /// The first arrival from `from` on that `judge` takes for an answer; a close is one.
    async fn answer<T: From<Life>>(
        &self,
        conn: Index,
        from: usize,
        span: Duration,
        judge: impl Fn(&Seen) -> Option<T>,
    ) -> Flow<Option<T>> {
        let mut scan = from;
        let deadline = self.deadline(conn, span);
        self.wait(deadline, |state| {
            while let Some(seen) = state.log.get(scan).map(Rc::clone) {
                scan += 1;
                if seen.conn != conn {
                    continue;
                }
                if seen.close().is_some() {
                    return Ok(Some(T::from(Life::Closed)));
                }
                if let Some(found) = judge(&seen) {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Proof of life at the end of `given`, unless it has shown on the way.
    pub(super) async fn prove(&self, case: &Case) -> Flow {
        let conn = self.with(|state| {
            let open = (0..state.conns.len())
                .rev()
                .find(|index| state.conns.get(*index).is_some_and(super::conn::Conn::open));
            let shown = state.conns.iter().any(|conn| conn.life.is_some());
            (!shown).then_some(open).flatten()
        });
        let Some(conn) = conn else { return Ok(()) };
        let span = self.scaled(self.with(|s| Limits::of(s).answer));
        let life = match self.probe(conn, span).await {
            Ok(life) => life,
            Err(stop) => {
                self.stopped(case, stop);
                return Err(Stop::Ended);
            }
        };
        let text = match life {
            Life::Proved => return Ok(()),
            Life::Closed => self.with(|s| closed_text(s, conn)),
            Life::Mute => "nothing could be asked".to_owned(),
            Life::Corrupt(text) | Life::Silent(text) | Life::Unwilling(text) => text,
        };
        let place = StepRef::of_case(case);
        self.with(|state| {
            let now = state.now;
            let id = state.conns.get(conn).map(|c| c.id);
            let expected = vec![Expected::new("proof of life", text.clone())];
            state
                .tally
                .stop_at(&place, Verdict::Inconclusive, expected, text, id, now);
        });
        Err(Stop::Ended)
    }

    fn stopped(&self, case: &Case, stop: Stop) {
        let place = StepRef::of_case(case);
        match stop {
            Stop::Error(message) => self.with(|s| s.tally.error(&message)),
            Stop::Interrupted => self.with(|state| super::script::interrupted(state, &place)),
            _ => {}
        }
    }

    /// `settle: true`: waits for every owed answer, and a little for second ones.
    pub(super) async fn settle_owed(&self, case: &Case) -> Flow {
        let span = self.scaled(self.with(|s| Limits::of(s).answer));
        let owed = |state: &State| -> usize {
            let open = state.conns.iter().filter(|c| c.open());
            open.map(|c| c.session.owed().count()).sum()
        };
        // Without the fast extension nobody promises an answer.
        let promised = |state: &State| -> usize {
            let fast = state.conns.iter().filter(|c| c.open() && c.session.fast());
            fast.map(|c| c.session.owed().count()).sum()
        };
        // A slow target takes its time for many answers: each of them gives it time for the next.
        let mut left = self.with(|s| owed(s));
        while left > 0 {
            let until = Deadline::At(self.now() + span);
            let fewer = |state: &mut State| Ok(Some(owed(state)).filter(|now| *now < left));
            match self.wait(until, fewer).await {
                Ok(Some(fewer)) => left = fewer,
                Ok(None) => break,
                Err(stop) => {
                    self.stopped(case, stop);
                    return Err(Stop::Ended);
                }
            }
        }
        if left > 0 && self.with(|s| promised(s)) > 0 {
            let place = StepRef::of_case(case);
            self.with(|state| {
                let actual = format!(
                    "{} requests were not answered within {}",
                    promised(state),
                    seconds(span)
                );
                let now = state.now;
                let expected = vec![Expected::new("an answer to every request", actual.clone())];
                state.tally.miss(&place, expected, actual, None, now, None);
            });
            return Err(Stop::Ended);
        }
        self.linger(case).await
    }

    /// What was forbidden may still be on its way when an answer to something later has come.
    pub(super) async fn linger(&self, case: &Case) -> Flow {
        let slowest = self.with(|s| s.slowest.answer.max(s.settings.calibration.answer));
        let linger = (slowest * 2).clamp(LINGER_MIN, LINGER_MAX);
        if let Err(stop) = self.sleep(None, linger).await {
            self.stopped(case, stop);
            return Err(Stop::Ended);
        }
        Ok(())
    }

    /// At the end: the target must still be there. A connection that has answered since it was
    /// last provoked shows that; else a fresh one does.
    pub(super) async fn check_liveness(&self, case: &Case) {
        if let Some(note) = self.with(|s| s.died.clone()) {
            let noted = self.with(|s| s.tally.verdict() >= Verdict::Fail);
            if !noted {
                self.dead(case, &format!("target died: {note}"));
            }
            return;
        }
        let (never_there, shown) = self.with(|state| {
            // A target that never shook hands in this case has not died in it.
            let opened = state
                .conns
                .iter()
                .any(|c| c.session.theirs().handshake().is_some());
            let shown = state
                .conns
                .iter()
                .any(|c| c.open() && c.life.is_some_and(|life| life > c.provoked));
            // Nor does an old answer show anything once a newer connection was left waiting.
            let waiting = state.conns.last().is_some_and(|c| {
                c.session.initiator()
                    && !c.target_closed
                    && c.session.theirs().handshake().is_none()
            });
            let closed_by_target = |c: &super::conn::Conn| {
                c.closed.is_some_and(|closed| closed.by == ClosedBy::Target)
            };
            let closed = state.conns.iter().any(closed_by_target);
            (!opened, shown && !closed && !waiting)
        });
        if never_there || shown {
            return;
        }
        if self.with(|s| s.settings.addresses == Some(1)) {
            self.drain().await;
        }
        for attempt in 0..KNOCKS {
            if attempt > 0 {
                let _ = self.sleep(None, Duration::from_secs(1)).await;
            }
            if matches!(self.knock().await, Ok(true)) {
                return;
            }
        }
        let how = match self.with(|s| s.died.clone()) {
            Some(note) => format!("target died: {note}"),
            None => "target died: it does not take a fresh connection any more".to_owned(),
        };
        self.dead(case, &how);
    }

    fn dead(&self, case: &Case, how: &str) {
        let place = StepRef::of_case(case);
        self.with(|state| {
            let now = state.now;
            state
                .tally
                .grave(&place, Vec::new(), how.to_owned(), None, now);
            state.lost = true;
        });
    }

    /// Ends our side of every connection and reads to the end, within bounds.
    pub(super) async fn drain(&self) {
        self.with(|state| {
            for conn in 0..state.conns.len() {
                state.close(conn, CloseKind::Fin);
            }
        });
        let before = self.with(|s| s.bytes_received());
        let until = Deadline::At(self.now() + DRAIN);
        let _ = self
            .wait(until, |state| {
                let open = state
                    .conns
                    .iter()
                    .any(|c| c.remote.is_some() && !c.target_closed);
                let much = state.bytes_received().saturating_sub(before) > DRAIN_LEN;
                Ok((!open || much).then_some(()))
            })
            .await;
    }
}

/// Whether this is a request that shows that the target reads on.
fn follows_news(state: &State, seen: &Seen) -> bool {
    let EventKind::Request(asked) = &seen.event.kind else {
        return false;
    };
    let conn = state.conns.get(seen.conn);
    conn.is_some_and(|conn| conn.follows_news(asked))
}

/// Sends a probe's message; where in the log its answer can be.
fn send_probe(state: &mut State, conn: Index, message: &Message) -> usize {
    let from = state.received();
    let bytes = message.encode();
    super::send::fill(state, conn);
    let segments = super::send::segments(state, &bytes);
    state.write(conn, &bytes, segments, false);
    from
}

/// The surest probe that the connection offers.
fn choose(state: &State, conn: Index) -> Probe {
    let Some(known) = state.conns.get(conn) else {
        return Probe::Wait;
    };
    // Some keep the metadata of a private torrent to themselves, although they offer the extension.
    if state.torrent.metainfo().is_private() {
        return choose_other(state, conn);
    }
    let session = &known.session;
    let ours = session.our_ids().certain_id("ut_metadata").is_some();
    let theirs = session.ext_id_theirs("ut_metadata").is_some();
    let offered = session
        .their_extended()
        .and_then(|h| h.metadata_size())
        .is_some_and(|size| size > 0);
    if session.extended() && ours && theirs && offered {
        // A piece that nobody has asked for on this connection, if there is one left.
        let pieces = state.torrent.metainfo().info_pieces();
        let asked = |piece: &u32| {
            let known = known.metadata_asked.iter();
            known.filter(|(n, _)| *n == i128::from(*piece)).count()
        };
        if let Some(piece) = (0..pieces).min_by_key(asked) {
            return Probe::Metadata(piece);
        }
    }
    choose_other(state, conn)
}

/// The surest probe but metadata.
fn choose_other(state: &State, conn: Index) -> Probe {
    let has = state.conns.get(conn).map(|c| c.session.target_has());
    if has.is_some_and(|has| !has.is_empty()) {
        Probe::Block
    } else {
        Probe::Wait
    }
}

/// A block of a piece that we may ask for even while choked.
fn allowed_block(state: &State, conn: Index) -> Option<BlockRef> {
    let session = &state.conns.get(conn)?.session;
    if !session.fast() || !session.target_choking() {
        return None;
    }
    let mut pieces = session.allowed_fast().iter().copied();
    let piece = pieces.find(|piece| session.target_has().get(*piece))?;
    unasked(state, conn, piece)
}

/// A block that the target has and that was not asked for on this connection.
fn free_block(state: &State, conn: Index) -> Option<BlockRef> {
    let session = &state.conns.get(conn)?.session;
    let taken = state.fresh.borrow();
    let mut pieces: Vec<u32> = session.target_has().iter().take(CANDIDATES).collect();
    pieces.extend(session.target_has().iter().last());
    let ordinary = pieces
        .iter()
        .copied()
        .filter(|piece| !taken.contains(piece));
    ordinary
        .filter_map(|piece| unasked(state, conn, piece))
        .next()
        .or_else(|| {
            let piece = session.target_has().iter().next()?;
            state.torrent.geometry().block(piece, 0)
        })
}

fn unasked(state: &State, conn: Index, piece: u32) -> Option<BlockRef> {
    let session = &state.conns.get(conn)?.session;
    let mut blocks = state.torrent.geometry().blocks(piece);
    blocks.find(|block| session.ledger_ours().same(block).next().is_none())
}

/// How often a rejected probe is tried again.
const TRIES: u32 = 3;
/// Pieces that a probe looks through.
const CANDIDATES: usize = 64;
/// How often a fresh connection is tried before the target counts as dead.
const KNOCKS: u32 = 2;
/// Time and bytes to read on at the end of a case.
const DRAIN: Duration = Duration::from_secs(1);
const DRAIN_LEN: u64 = 1 << 20;
/// Bounds of the wait for what must not come any more.
const LINGER_MIN: Duration = Duration::from_millis(100);
const LINGER_MAX: Duration = Duration::from_secs(10);
