//! `silence` and `never`.

use std::rc::Rc;

use super::env::delay;
use super::monitor::{Monitor, Silence};
use super::script::{Ctx, Flow, Stop, Weight};
use super::tally::StepRef;
use super::watch::{closed_text, describe_listening, seconds};
use crate::outcome::Expected;
use crate::scenario::ast::{Citation, Delay, Listening, Step};

impl Ctx {
    /// `silence`: nothing of the kind for a while. The prohibition stays when the while is over.
    pub(super) async fn silence(
        &self,
        step: &Step,
        span: &Delay,
        of: &Listening,
        cites: &[Citation],
    ) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let span = self.env(Some(conn), |env| delay(span, env))?;
        let kept = self.with(|state| Silence::from_now(state, conn));
        let from = self.cursor(conn);
        let mut scan = from;
        let began = self.now();
        let deadline = self.deadline(conn, span);
        let came = self
            .wait(deadline, |state| {
                while let Some(seen) = state.log.get(scan).map(Rc::clone) {
                    scan += 1;
                    if seen.conn != conn {
                        continue;
                    }
                    if seen.close().is_some() {
                        return Ok(Some(closed_text(state, conn)));
                    }
                    let env = super::env::PlayEnv::new(state, Some(conn));
                    if super::monitor::forbidden(of, &seen, &env)?.is_some() {
                        let after = seen.at().saturating_sub(began);
                        return Ok(Some(format!(
                            "{} came after {}",
                            seen.name(),
                            seconds(after)
                        )));
                    }
                }
                Ok(None)
            })
            .await?;
        if let Some(actual) = came {
            let what = self.env(Some(conn), |env| describe_listening(of, env));
            let expected =
                Expected::new(format!("no {what} for {}", seconds(span)), actual.clone());
            return Err(Stop::miss(
                Weight::Judged,
                Some(self.id(conn)),
                vec![expected],
                actual,
            ));
        }
        self.with(|state| {
            let monitor = Monitor {
                step: Rc::new(StepRef::new(step, cites)),
                peer: None,
                of: of.clone(),
                vars: Rc::clone(&state.vars),
                // That of a branch is worth when nothing comes.
                verdict: None,
                until: None,
                silence: Some(kept),
            };
            state.monitors.push(monitor);
        });
        Ok(())
    }

    /// `never`: from here on nothing of the kind.
    pub(super) fn never(
        &self,
        step: &Step,
        of: &Listening,
        until: Option<&str>,
        cites: &[Citation],
    ) -> Flow {
        self.with(|state| {
            let monitor = Monitor {
                step: Rc::new(StepRef::new(step, cites)),
                peer: step.peer.clone(),
                of: of.clone(),
                vars: Rc::clone(&state.vars),
                verdict: step.verdict,
                until: until.map(str::to_owned),
                silence: None,
            };
            state.monitors.push(monitor);
        });
        Ok(())
    }

    /// `wait`: time passes, keep-alives go out.
    pub(super) async fn pause(&self, step: &Step, span: &Delay) -> Flow {
        let conn = self.conn_of(step).ok();
        if let Some(conn) = conn {
            self.end_burst(conn);
        }
        let span = self.env(conn, |env| delay(span, env))?;
        // A close during the wait ends it; one that came before is no news.
        let open =
            conn.filter(|conn| !self.with(|s| s.conns.get(*conn).is_some_and(|c| c.target_closed)));
        self.sleep(open, span).await
    }

    /// `idle`: time passes, nothing automatic goes out.
    pub(super) async fn idle(&self, step: &Step, span: &Delay, until_closed: bool) -> Flow {
        let conn = self.conn_of(step)?;
        self.end_burst(conn);
        let span = self.env(Some(conn), |env| delay(span, env))?;
        self.with(|s| s.idle = true);
        let result = self.sleep(Some(conn), span).await;
        self.with(|s| s.idle = false);
        result?;
        if until_closed && !self.with(|s| s.conns.get(conn).is_some_and(|c| c.target_closed)) {
            let missed = format!("not within {}", seconds(span));
            return Err(Stop::miss(
                Weight::Judged,
                Some(self.id(conn)),
                vec![Expected::new(
                    "the target closes the idle connection",
                    missed,
                )],
                "still open".to_owned(),
            ));
        }
        Ok(())
    }
}
