//! When a campaign ends, and how long it may look into what it notices. All times are the bench's.

use std::fmt;
use std::time::Duration;

use super::campaign::Config;

/// When to leave off what is under way.
#[derive(Clone, Copy)]
pub struct Limit<'a> {
    at: Option<Duration>,
    stop: &'a dyn Fn() -> bool,
}

impl<'a> Limit<'a> {
    /// At this time of the bench, or when `stop` says so.
    pub fn new(at: Option<Duration>, stop: &'a dyn Fn() -> bool) -> Self {
        Self { at, stop }
    }

    /// The time.
    pub fn at(&self) -> Option<Duration> {
        self.at
    }

    /// Whether somebody wants an end at once.
    pub fn stopped(&self) -> bool {
        (self.stop)()
    }

    /// Whether it is reached.
    pub fn reached(&self, now: Duration) -> bool {
        self.stopped() || self.at.is_some_and(|at| now >= at)
    }
}

impl fmt::Debug for Limit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// The bounds of one campaign, and what has been spent.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// From then on no case is made.
    end: Option<Duration>,
    /// Time for suspicions while cases could be played; `None` without a bound.
    budget: Option<Duration>,
    /// Time for one suspicion; `None` without a bound.
    patience: Option<Duration>,
    /// Spent on suspicions so far.
    looked: Duration,
    /// The suspicion that is looked into now.
    look: Option<Look>,
}

/// One suspicion's time.
#[derive(Debug, Clone, Copy)]
struct Look {
    since: Duration,
    until: Option<Duration>,
}

impl Bounds {
    /// The bounds of a campaign that begins at `now`.
    pub(super) fn new(config: &Config, now: Duration, is_virtual: bool) -> Self {
        Self {
            end: config.duration.map(|most| now.saturating_add(most)),
            budget: config.duration.map(|most| most / LOOKING_SHARE),
            // Virtual time costs nothing.
            patience: (!is_virtual).then_some(config.patience),
            looked: Duration::ZERO,
            look: None,
        }
    }

    /// When everything that is under way is cut off.
    pub(super) fn cut(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_add(CUT))
    }

    /// Begins to look into a suspicion, unless there is no time for one any more.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        let last = self.end.map(|end| end.saturating_add(GRACE));
        let over = self.end.is_some_and(|end| now >= end);
        // Behind the end nobody waits for cases. Before it, the first suspicions leave time to later ones.
        let share = self
            .budget
            .filter(|_| !over)
            .map(|budget| budget.saturating_sub(self.looked) / 2);
        let none_left = last.is_some_and(|last| now >= last);
        if none_left || share.is_some_and(|share| share < LEAST_LOOK) {
            return false;
        }
        let spans = [share, self.patience].into_iter().flatten();
        let ends = spans.map(|span| now.saturating_add(span)).chain(last);
        self.look = Some(Look {
            since: now,
            until: ends.min(),
        });
        true
    }

    /// The suspicion is done with.
    pub(super) fn finish(&mut self, now: Duration) {
        if let Some(look) = self.look.take() {
            let spent = now.saturating_sub(look.since);
            self.looked = self.looked.saturating_add(spent);
        }
    }

    /// Whether the suspicion's time ends within `reserve`.
    pub(super) fn ends_within(&self, reserve: Duration, now: Duration) -> bool {
        let until = self.look.and_then(|look| look.until);
        until.is_some_and(|until| now.saturating_add(reserve) >= until)
    }

    /// Spent on suspicions so far.
    pub(super) fn looked(&self) -> Duration {
        self.looked
    }
}

/// What a campaign may take beyond its duration at most, counted from when the target first served: to
/// look into what the last cases showed, and to end the target.
pub const OVERTIME: Duration = Duration::from_secs(60);
/// Of this, what the last suspicion may take.
const GRACE: Duration = Duration::from_secs(30);
/// By then everything under way is cut off. The rest is for the target's end, which takes its driver's
/// grace and 8 s at most.
const CUT: Duration = Duration::from_secs(42);
/// One half of the duration is for cases, whatever they find.
const LOOKING_SHARE: u32 = 2;
/// In less nothing can be told from a real target.
const LEAST_LOOK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn bounds(duration: Option<Duration>) -> Bounds {
        let config = Config {
            duration,
            ..Config::default()
        };
        Bounds::new(&config, secs(10), false)
    }

    #[test]
    fn half_of_a_campaign_is_for_cases() {
        let mut bounds = bounds(Some(secs(100)));
        let mut now = secs(10);
        let mut looks = 0;
        while bounds.begin(now) {
            while !bounds.ends_within(Duration::ZERO, now) {
                now += secs(1);
            }
            bounds.finish(now);
            looks += 1;
        }
        assert!(looks >= 3, "{looks}");
        assert!(bounds.looked() <= secs(50), "{:?}", bounds.looked());
        assert!(now <= secs(60), "{now:?}");
    }

    #[test]
    fn what_comes_last_has_the_grace_and_no_more() {
        let mut bounds = bounds(Some(secs(100)));
        assert!(bounds.begin(secs(111)));
        assert!(!bounds.ends_within(Duration::ZERO, secs(139)));
        assert!(bounds.ends_within(secs(2), secs(139)));
        assert!(bounds.ends_within(Duration::ZERO, secs(140)));
        bounds.finish(secs(140));
        assert!(!bounds.begin(secs(140)));
        assert_eq!(bounds.cut(), Some(secs(152)));
        assert!(CUT < OVERTIME);
    }

    #[test]
    fn without_a_duration_only_patience_bounds() {
        let mut bounds = bounds(None);
        assert!(bounds.begin(secs(100_000)));
        assert!(!bounds.ends_within(Duration::ZERO, secs(100_179)));
        assert!(bounds.ends_within(Duration::ZERO, secs(100_180)));
        assert_eq!(bounds.cut(), None);
    }
}
