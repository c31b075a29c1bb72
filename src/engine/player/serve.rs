//! Steps about what we do on our own: `serve`, `reading`; and `memory`, what the target holds.

use std::time::Duration;

use super::env::delay;
use super::script::{Ctx, Deadline, Flow};
use crate::engine::io::Action;
use crate::scenario::Val;
use crate::scenario::ast::{Serve, Step};
use crate::session::EntryState;
use crate::wire::{BlockRef, Message};

impl Ctx {
    /// `serve`: from here on, and for what was asked before and is still open.
    pub(super) fn serve(&self, step: &Step, serve: &Serve) -> Flow {
        let index = self.conn_of(step)?;
        self.end_burst(index);
        let pieces = self.serves(index, &serve.pieces)?;
        let pace = match &serve.every {
            Some(every) => self.env(Some(index), |env| delay(every, env))?,
            None => Duration::ZERO,
        };
        self.with(|state| {
            let Some(conn) = state.conns.get_mut(index) else {
                return;
            };
            conn.serves = pieces;
            conn.corrupt = serve.corrupt;
            conn.pace = pace;
            let queued = |block: &BlockRef| {
                conn.queue.iter().any(|message| match message {
                    Message::Piece { index, begin, .. } => {
                        (*index, *begin) == (block.index, block.begin)
                    }
                    _ => false,
                })
            };
            // Without the fast extension a choke has thrown out what was asked before we unchoked.
            let (ledger, fast) = (conn.session.ledger_theirs(), conn.session.fast());
            let thrown_out = conn.thrown_out;
            let owed: Vec<BlockRef> = ledger
                .open()
                .filter(|entry| entry.state == EntryState::Open)
                .filter(|entry| fast || entry.id >= thrown_out)
                .map(|entry| entry.block)
                .filter(|block| conn.serves.get(block.index) && !queued(block))
                .collect();
            let choking = conn.session.choking_sent();
            for block in owed.iter().filter(|_| !choking) {
                state.hand_out(index, *block);
            }
            state.flush(index);
        });
        Ok(())
    }

    /// `reading`.
    pub(super) fn reading(&self, step: &Step, on: bool) -> Flow {
        let conn = self.id(self.conn_of(step)?);
        self.with(|state| {
            let kind = if on { "reads" } else { "stops reading" };
            state.event(Some(conn), kind, None);
            state.act(Action::Reading { conn, on });
        });
        Ok(())
    }

    /// `memory`: 0 where nobody can tell.
    pub(super) async fn memory(&self, name: &str) -> Flow {
        self.with(|state| {
            state.health = None;
            state.act(Action::Health);
        });
        let until = Deadline::At(self.now() + HEALTH);
        let health = self.wait(until, |state| Ok(state.health.take())).await?;
        let bytes = health.and_then(|health| health.memory).unwrap_or(0);
        self.set(name, Val::Int(bytes.into()));
        Ok(())
    }
}

/// For an answer that takes no time.
const HEALTH: Duration = Duration::from_secs(5);
