//! `send` and `send_raw`: bursts, segments, variants.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::conn::{Conn, Index, cut};
use super::env::delay;
use super::script::{Ctx, Flow, Stop, Weight};
use super::state::State;
use super::watch::closed_text;
use crate::outcome::record::OPEN_FRAME;
use crate::scenario::ast::{Fragment, Sizes, Step, Variant};
use crate::scenario::template::{Boundary, RawTemplate};
use crate::scenario::{Template, limits};
use crate::trace::{Dir, StreamDecoder};

impl Ctx {
    /// `send`: one write.
    pub(super) async fn send(&self, step: &Step, templates: &[Template]) -> Flow {
        let conn = self.conn_of(step)?;
        self.begin_send(step, conn)?;
        let between = self.with(|state| match state.play.variant {
            Some(Variant::KeepAlives) => Variant::KeepAlives.filler(),
            _ => None,
        });
        let mut bytes = BytesMut::new();
        for template in templates {
            if !bytes.is_empty() {
                bytes.extend_from_slice(between.as_deref().unwrap_or_default());
            }
            self.message(conn, template)?.encode_to(&mut bytes);
        }
        self.put(step, conn, bytes.freeze(), None).await
    }

    /// `send_raw`.
    pub(super) async fn send_raw(&self, step: &Step, raw: &RawTemplate) -> Flow {
        let conn = self.conn_of(step)?;
        self.begin_send(step, conn)?;
        let bytes = self.env(Some(conn), |env| raw.resolve(env))?;
        self.put(step, conn, bytes, Some(raw.boundary)).await
    }

    /// A send is of no use once the target has closed; else it opens or goes on with a burst.
    fn begin_send(&self, step: &Step, conn: Index) -> Flow {
        let (closed, own) = self.with(|state| {
            let received = state.received();
            let Some(conn) = state.conns.get_mut(conn) else {
                return (false, true);
            };
            if !conn.in_burst {
                conn.begin_burst();
                conn.cursor = conn.cursor.max(received);
            }
            (conn.gone || conn.write_failed, conn.own_closed)
        });
        if own {
            return Err(Stop::Error(format!(
                "{}: this connection was closed by a step before",
                step.span
            )));
        }
        if !closed {
            self.with(|state| fill(state, conn));
        } else {
            let actual = self.with(|state| closed_text(state, conn));
            return Err(Stop::miss(
                Weight::Inconclusive,
                Some(self.id(conn)),
                Vec::new(),
                format!("{actual}, before this was sent"),
            ));
        }
        Ok(())
    }

    async fn put(
        &self,
        step: &Step,
        conn: Index,
        bytes: Bytes,
        boundary: Option<Boundary>,
    ) -> Flow {
        let total = self.with(|s| s.sent) + bytes.len() as u64;
        if total > limits::SENT_LEN {
            return Err(Stop::Error(format!(
                "{}: the case sends more than {} bytes",
                step.span,
                limits::SENT_LEN
            )));
        }
        let (segments, gap) = match &step.fragment {
            Some(fragment) => self.fragments(conn, &bytes, fragment)?,
            None => (self.with(|s| segments(s, &bytes)), None),
        };
        let opaque = self.with(|state| is_opaque(state, conn, &bytes, boundary));
        self.with(|state| {
            if boundary == Some(Boundary::Open) {
                // A replay has to know what the session is told.
                let conn = state.conns.get(conn).map(|conn| conn.id);
                state.event(conn, OPEN_FRAME, None);
            }
            let Some(conn) = state.conns.get_mut(conn) else {
                return;
            };
            match boundary {
                Some(Boundary::Unknown) => conn.opaque = true,
                // Whether the target waits for the rest of a frame is for the case to judge.
                Some(Boundary::Open) => conn.session.handle_open_frame(),
                Some(Boundary::Whole) | None => {}
            }
        });
        let Some(gap) = gap.filter(|gap| !gap.is_zero()) else {
            self.with(|state| write(state, conn, &bytes, segments, opaque));
            return Ok(());
        };
        for (place, segment) in segments.into_iter().enumerate() {
            if place > 0 {
                self.sleep(Some(conn), gap).await?;
            }
            if !self.with(|s| s.conns.get(conn).is_some_and(Conn::writable)) {
                self.with(|state| {
                    // The steps to come see a close before the last byte.
                    if let Some(conn) = state.conns.get_mut(conn) {
                        conn.cut_short = true;
                        if let Some(closed) = &mut conn.closed {
                            closed.complete = false;
                        }
                    }
                });
                return Ok(());
            }
            self.with(|state| write(state, conn, &segment, vec![segment.clone()], opaque));
        }
        Ok(())
    }

    fn fragments(
        &self,
        conn: Index,
        bytes: &Bytes,
        fragment: &Fragment,
    ) -> Flow<(Vec<Bytes>, Option<Duration>)> {
        Ok(self.env(Some(conn), |env| {
            let size = |expr: &crate::scenario::Expr| {
                expr.eval_u64(env)
                    .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
            };
            let segments = match &fragment.sizes {
                Sizes::Every(expr) => cut(bytes, &[size(expr)?], true),
                Sizes::Then(list) => {
                    let sizes = list.iter().map(size).collect::<Result<Vec<_>, _>>()?;
                    cut(bytes, &sizes, false)
                }
            };
            let gap = match &fragment.gap {
                Some(gap) => Some(delay(gap, env)?),
                None => None,
            };
            Ok::<_, crate::scenario::ScenarioError>((segments, gap))
        })?)
    }
}

fn write(state: &mut State, conn: Index, bytes: &Bytes, segments: Vec<Bytes>, opaque: bool) {
    if opaque {
        state.write_opaque(conn, bytes, segments);
    } else {
        state.write(conn, bytes, segments, false);
    }
}

/// Whether bytes are not for our own decoder: nobody knows where the target's parser stands behind
/// them, or the author says that it stands where ours would not.
fn is_opaque(state: &State, conn: Index, bytes: &Bytes, boundary: Option<Boundary>) -> bool {
    let Some(conn) = state.conns.get(conn) else {
        return true;
    };
    match boundary {
        None => false,
        Some(Boundary::Unknown) => true,
        Some(Boundary::Whole) if conn.sent.on_boundary() => {
            let mut trial = StreamDecoder::without_handshake(conn.id, Dir::Sent, u32::MAX);
            trial.push(bytes, Duration::ZERO);
            !trial.on_boundary()
        }
        Some(Boundary::Whole | Boundary::Open) => false,
    }
}

/// How a write is cut by the play's variant.
pub(super) fn segments(state: &State, bytes: &Bytes) -> Vec<Bytes> {
    if bytes.is_empty() {
        return Vec::new();
    }
    match state.play.variant {
        None => vec![bytes.clone()],
        Some(variant) => cut(bytes, &variant.segments(bytes), false),
    }
}

/// What the play's variant says before a write, where nothing else is under way.
pub(super) fn fill(state: &mut State, conn: Index) {
    let filler = state.play.variant.and_then(Variant::filler);
    if let Some(filler) = filler
        && state.conns.get(conn).is_some_and(Conn::between_frames)
    {
        state.write(conn, &filler, vec![filler.clone()], true);
    }
}
