//! An early end that somebody asks for from outside, such as by a signal.

use tokio::sync::watch;

/// Asks for the end.
#[derive(Debug)]
pub struct Halter(watch::Sender<Option<String>>);

/// Whether the end was asked for. Clones hear of it together.
#[derive(Debug, Clone)]
pub struct Halt(watch::Receiver<Option<String>>);

/// Both sides of a request that nobody has made yet.
pub fn halt() -> (Halter, Halt) {
    let (sender, receiver) = watch::channel(None);
    (Halter(sender), Halt(receiver))
}

impl Halter {
    /// Asks, and says why. Who asks first is believed.
    pub fn ask(&self, why: impl Into<String>) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            asked.get_or_insert_with(|| why.into());
            first
        });
    }
}

impl Halt {
    /// Nobody ever asks.
    pub fn never() -> Self {
        halt().1
    }

    /// Why it was asked for, once it was.
    pub fn why(&self) -> Option<String> {
        self.0.borrow().clone()
    }

    /// Waits until it is asked for, and returns why.
    pub async fn asked(&self) -> String {
        let mut receiver = self.0.clone();
        let asked = receiver.wait_for(Option::is_some).await;
        match asked.ok().and_then(|why| why.clone()) {
            Some(why) => why,
            // Nobody is left who could ask.
            None => std::future::pending().await,
        }
    }

    /// What `work` comes to, unless the end is asked for before.
    ///
    /// # Errors
    /// Why it was asked for.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, String> {
        tokio::select! {
            biased;
            why = self.asked() => Err(why),
            done = work => Ok(done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_ends_what_is_under_way() {
        let (halter, halt) = halt();
        assert_eq!(halt.or(async { 7 }).await, Ok(7));
        assert_eq!(halt.why(), None);
        let never = halt.or(std::future::pending::<()>());
        let asked = async {
            tokio::task::yield_now().await;
            halter.ask("enough");
            halter.ask("too late");
        };
        let (ended, ()) = tokio::join!(never, asked);
        assert_eq!(ended, Err("enough".to_owned()));
        assert_eq!(halt.clone().why().as_deref(), Some("enough"));
    }

    #[tokio::test]
    async fn who_is_never_asked_works_on() {
        let never = Halt::never();
        let work = async {
            tokio::task::yield_now().await;
            1
        };
        assert_eq!(never.or(work).await, Ok(1));
    }
}
