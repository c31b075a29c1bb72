//! What a scenario file says, checked and with blocks resolved: the language that the engine plays.
//!
//! Everything carries a [`Span`]. Names are checked (messages, fields, requirements, variables),
//! `use` is resolved into the block's steps, `vars` stand where they were used. What is left to
//! the play: values of expressions, and what the target does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::eval::Expr;
use super::pattern::Pattern;
use super::span::Span;
use super::template::{BytesTemplate, RawTemplate, Template};

/// One file.
#[derive(Debug, Clone)]
pub struct Suite {
    /// `suite:`; the first part of every id.
    pub id: String,
    /// One line for reports.
    pub title: String,
    /// Where the suite's id stands.
    pub span: Span,
    /// The cases in the order written.
    pub cases: Vec<Arc<Case>>,
}

/// One test, with the suite's defaults merged in.
#[derive(Debug, Clone)]
pub struct Case {
    /// Id of the suite.
    pub suite: String,
    /// Id in the suite.
    pub id: String,
    /// A sentence.
    pub title: String,
    /// Where `case:` stands.
    pub span: Span,
    /// Requirements that this case judges.
    pub cites: Vec<Citation>,
    /// Roles of the target for which it is played.
    pub roles: Vec<Role>,
    /// Who opens the first connection.
    pub directions: Vec<Direction>,
    /// What target, run and torrent must offer; else the play is a skip.
    pub needs: Vec<Need>,
    /// Free labels for filters (`slow`, `ordering`, `load`, …).
    pub tags: Vec<String>,
    /// What may run beside it.
    pub lane: Lane,
    /// Axes in the order written.
    pub matrix: Vec<Axis>,
    /// Drops combinations at expansion; sees `matrix.*`, `role`, `direction`.
    pub when: Option<Expr>,
    /// Set-up: a miss is `inconclusive`.
    pub given: Vec<Step>,
    /// Lists that some step appends to: empty when the play begins.
    pub lists: Vec<String>,
    /// What judges.
    pub steps: Vec<Step>,
    /// Best effort at the end.
    pub after: Vec<Step>,
    /// Limits that differ from the defaults.
    pub timeouts: Timeouts,
    /// Wait for every owed answer before the end.
    pub settle: bool,
    /// Proof of life at the end of `given`.
    pub proof: Proof,
    /// Rules that do not judge this case.
    pub rules_off: Vec<RuleOff>,
    /// Variants that make no sense for it, and why.
    pub variants_skip: BTreeMap<Variant, String>,
    /// Ids that it had before.
    pub aliases: Vec<String>,
}

/// A requirement named in the file.
#[derive(Debug, Clone)]
pub struct Citation {
    /// Id as in the catalogue, `B6-RJ-01`.
    pub id: String,
    /// Where it stands.
    pub span: Span,
}

/// A rule switched off for a case.
#[derive(Debug, Clone)]
pub struct RuleOff {
    /// The rule's id.
    pub rule: String,
    /// Why it would be wrong here.
    pub because: String,
    /// Where it stands.
    pub span: Span,
}

/// What the target is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// It has the whole content.
    Seed,
    /// It downloads.
    Leech,
}

/// Who opens the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// We dial the target.
    Dialled,
    /// The target dials us.
    Dials,
}

/// What may run beside a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Lane {
    /// One after another.
    #[default]
    Serial,
    /// Uses no slot and no choke state: beside others.
    Shared,
    /// Nothing else runs: floods, half-open connections, process death.
    Alone,
}

/// One word of `needs`.
#[derive(Debug, Clone)]
pub struct Need {
    /// What.
    pub what: NeedKind,
    /// The word as written, for the reason of a skip.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// The closed list of needs.
#[derive(Debug, Clone)]
pub enum NeedKind {
    /// BEP 6 negotiated.
    Fast,
    /// BEP 10 negotiated.
    Extended,
    /// BEP 5 bit set by the target.
    Dht,
    /// The target offers this extension in `m`: `ut_metadata`, `ut_pex` or `lt_donthave`.
    Extension(&'static str),
    /// So many source addresses.
    Addresses(u32),
    /// A driver that knows the verb.
    Driver(Verb),
    /// The target announces itself to a tracker of ours.
    Tracker,
    /// A condition on `torrent.*`.
    Content(Expr),
}

/// Verbs of drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it; DESIGN 7 lists them")]
pub enum Verb {
    AddPeer,
    Slots,
    Pause,
    Resume,
    Recheck,
    Restart,
    Complete,
    Discard,
    ContentDir,
    Select,
    SuperSeed,
    Connections,
    SwitchTracker,
}

/// One axis of a matrix.
#[derive(Debug, Clone)]
pub struct Axis {
    /// `$matrix.NAME`.
    pub name: String,
    /// Where it stands.
    pub span: Span,
    /// Values in the order written.
    pub values: Vec<AxisValue>,
}

/// One value of an axis.
#[derive(Debug, Clone)]
pub struct AxisValue {
    /// How the id shows it.
    pub label: String,
    /// The value; may look at the torrent.
    pub value: Expr,
}

/// Limits of a case; `None` is the default of [`super::limits`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For an owed answer.
    pub answer: Option<Duration>,
    /// For a close.
    pub close: Option<Duration>,
    /// For what is the target's right: unchoke, interest, first request.
    pub grant: Option<Duration>,
    /// For the whole case.
    pub case: Option<Duration>,
}

/// Proof of life at the end of `given`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Asked for.
    Asked,
    /// Left out, and why.
    None {
        /// Why.
        because: String,
    },
}

/// Another way of sending what a case sends: other segments, or harmless messages between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Variant {
    /// One byte a segment (beyond 256 bytes of a write: 64 segments).
    Drip,
    /// A cut inside the length prefix of each frame.
    SplitLength,
    /// A keep-alive before each message.
    KeepAlives,
    /// A message of an id that nothing is assigned to before each write.
    UnknownIds,
}

/// A verdict that an author may state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stated {
    /// As it should be.
    Pass,
    /// Worth showing.
    Info,
    /// Not applicable after all (only in `given`, with a note).
    Skip,
    /// Nothing learnt.
    Inconclusive,
    /// Right outcome, untidy manner.
    Warn,
    /// Wrong.
    Fail,
}

/// One action with its modifiers.
#[derive(Debug, Clone)]
pub struct Step {
    /// Unique within the case, in file order with blocks in place: for reports.
    pub id: u32,
    /// The action's key.
    pub span: Span,
    /// What to do.
    pub action: Action,
    /// Which connection, inheritance resolved. `None` only for a `never` that listens on all.
    pub peer: Option<String>,
    /// Deadline of the whole step, composite or not.
    pub within: Option<Delay>,
    /// An earlier match is a miss.
    pub not_before: Option<Delay>,
    /// The step (or branch) exists only if this is true when its turn comes.
    pub when: Option<Expr>,
    /// On a branch of `any_of`: its verdict when it decides (pass if `None`). On any other step:
    /// what a miss counts as (fail, bounded by the level, if `None`; in `given` inconclusive).
    pub verdict: Option<Stated>,
    /// Why, for the report.
    pub note: Option<String>,
    /// Judged under these only.
    pub cites: Vec<Citation>,
    /// Runs after the step was met; sees its captures.
    pub then: Vec<Self>,
    /// A name for `until:`.
    pub label: Option<String>,
    /// Segments for what this step sends.
    pub fragment: Option<Fragment>,
}

/// The actions of SCENARIOS 1.
#[derive(Debug, Clone)]
pub enum Action {
    /// Opens or accepts a connection.
    Connect(Box<Connect>),
    /// Sends messages in one write.
    Send(Vec<Template>),
    /// Sends bytes that are no message.
    SendRaw(RawTemplate),
    /// A later message matches.
    Expect(Pattern),
    /// The very next message but keep-alives matches.
    Next(Pattern),
    /// The session's state becomes this.
    Until(State),
    /// Each pattern finds its own message.
    AllOf(Vec<Pattern>),
    /// The first that happens decides.
    AnyOf {
        /// Steps whose action is `Expect`, `Until`, `Closed` or `Silence`.
        branches: Vec<Step>,
        /// Runs when `within` ends undecided; `None` makes that a miss.
        otherwise: Option<Vec<Step>>,
    },
    /// Nothing of the kind arrives.
    Silence {
        /// How long.
        span: Delay,
        /// What must not come.
        of: Listening,
    },
    /// From here on nothing of the kind arrives.
    Never {
        /// What must not come.
        of: Listening,
        /// Ends when the step of this label was met.
        until: Option<String>,
    },
    /// The target closes.
    Closed(CloseKind),
    /// The stream goes on, or the target closes.
    Survives {
        /// Verdict when the probe is answered.
        stay: Stated,
        /// Verdict when the target closes.
        close: Stated,
    },
    /// Proof of life.
    Alive,
    /// Compares values.
    Check(Vec<Comparison>),
    /// Measures how long something takes.
    Measure(Box<Measure>),
    /// Sends again and again while later steps run.
    Background {
        /// What.
        send: Vec<Template>,
        /// How often.
        every: Delay,
        /// Ends when the step of this label was met; else with the case.
        until: Option<String>,
    },
    /// Plays steps several times.
    Repeat(Box<Repeat>),
    /// A block's steps, in place.
    Use(Box<Use>),
    /// Asks the driver for something.
    Target {
        /// Which verb.
        verb: Verb,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// Lets time pass, with keep-alives.
    Wait {
        /// How long.
        span: Delay,
        /// Why there is nothing to wait for.
        because: String,
    },
    /// Lets time pass and sends nothing.
    Idle {
        /// How long, or at most how long.
        span: Delay,
        /// Ends when the target closes.
        until_closed: bool,
        /// Why.
        because: String,
    },
    /// We close.
    Close(OwnClose),
    /// From here on the reference core answers requests for some pieces.
    Serve(Serve),
    /// We stop or go on reading what comes.
    Reading(bool),
    /// Asks how many bytes the target's process holds, and keeps the number under this name.
    Memory(String),
}

/// `connect:`.
#[derive(Debug, Clone)]
pub struct Connect {
    /// Name of the connection, `main` unless said.
    pub peer: String,
    /// Label of a source address: equal labels share one; `None` is a new one.
    pub from: Option<String>,
    /// List of capability names, or 8 bytes. See [`Connect::reserved`].
    pub reserved: Expr,
    /// The torrent's unless said.
    pub info_hash: Option<BytesTemplate>,
    /// A new one per connection unless said.
    pub peer_id: Option<BytesTemplate>,
    /// How much of the handshake is done for the author.
    pub handshake: HandshakeMode,
    /// Sent behind the handshake; `None`: an extended handshake where `reserved` has the bit, then
    /// the availability that `serves` asks for (`have_none` or nothing if none).
    pub hello: Option<Vec<Template>>,
    /// What the reference core serves to a leech on this connection.
    pub serves: Serves,
    /// Whether the reference core rejects at once what it does not serve.
    pub rejects: bool,
    /// Whether the reference core unchokes the target.
    pub unchoke: bool,
    /// Who dials.
    pub mode: ConnectMode,
    /// The peer id that our tracker tells the target, where it dials.
    pub told: Option<BytesTemplate>,
    /// Variable that keeps where we listen, in compact form (BEP 23).
    pub contact: Option<String>,
    /// Variable that keeps our address, 4 or 16 bytes.
    pub source: Option<String>,
}

/// `handshake:` of a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeMode {
    /// Both handshakes are completed and `hello` is sent.
    Full,
    /// Nothing is sent; frames follow only after the author's handshake.
    None,
    /// As `none`, and what the target sends is not decoded beyond its handshake.
    Raw,
}

/// `mode:` of a connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectMode {
    /// We dial.
    Dial,
    /// We let the target know of us and wait for it to dial; behind `Listen` of the same peer we
    /// only wait.
    Accept,
    /// We listen, tell nobody and wait for nothing.
    Listen,
    /// As the play's direction says.
    Direction,
}

/// What the reference core answers with on a connection.
#[derive(Debug, Clone)]
pub enum Serves {
    /// Nothing: requests only enter the ledger.
    None,
    /// The case's `$fresh` piece.
    Fresh,
    /// Every piece.
    All,
    /// These pieces.
    Pieces(Expr),
}

/// `serve:`.
#[derive(Debug, Clone)]
pub struct Serve {
    /// Which pieces, instead of those of the `connect`.
    pub pieces: Serves,
    /// Blocks of a piece in which one bit is wrong.
    pub corrupt: Corrupt,
    /// At most one block in this time.
    pub every: Option<Delay>,
}

/// Which blocks of a piece the reference core spoils.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corrupt {
    /// None.
    None,
    /// The one at its beginning.
    First,
    /// The one at its end.
    Last,
    /// Every one.
    All,
}

/// States that `until` waits for; all given ones must hold.
#[derive(Debug, Clone)]
pub struct State {
    /// Where the map stands.
    pub span: Span,
    /// The conditions.
    pub all: Vec<Condition>,
}

/// One condition of `until`.
#[derive(Debug, Clone)]
pub enum Condition {
    /// The target does not choke us.
    Unchoked(Expr),
    /// The target is interested in us.
    Interested(Expr),
    /// The target has shown every piece.
    HasAll,
    /// The target has shown that it has no piece.
    HasNone,
    /// The target has shown this piece, or all of a list.
    Has(Expr),
    /// BEP 6 negotiated.
    Fast(Expr),
    /// BEP 10 negotiated and the target's extended handshake read.
    Extended(Expr),
}

/// What `silence` and `never` listen for.
#[derive(Debug, Clone)]
pub enum Listening {
    /// Every message but keep-alives.
    All,
    /// Messages that match one of these.
    Of(Vec<Pattern>),
}

/// How the target is to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseKind {
    /// With a FIN.
    Fin,
    /// With a RST.
    Rst,
    /// Either.
    Any,
}

/// How we close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnClose {
    /// With a FIN.
    Fin,
    /// With a RST.
    Rst,
}

/// One comparison of `check`.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Where it stands.
    pub span: Span,
    /// How to compare.
    pub op: CheckOp,
    /// What we have.
    pub actual: Expr,
    /// What it should be; `true` for [`CheckOp::That`].
    pub wanted: Expr,
}

/// Operators of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum CheckOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    /// SHA-1 of the first is the second.
    Sha1,
    /// Length of the first is the second.
    Len,
    /// The expression is true.
    That,
}

/// `measure:`.
#[derive(Debug, Clone)]
pub struct Measure {
    /// A branch (`expect`, `until`, `closed`) whose time is taken.
    pub until: Step,
    /// Longest time to wait.
    pub max: Delay,
    /// Key in `observations`, and a variable (milliseconds) from here on.
    pub name: String,
    /// Sends nothing automatic meanwhile: the silence itself is measured.
    pub idle: bool,
    /// True: the cited requirement is missed. Sees `$NAME`, and `$NAME` is `max` if it never came.
    pub fail_if: Option<Expr>,
}

/// `repeat:`.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// Variables and their lists; several are combined, the last one fastest.
    pub each: Vec<(String, Expr)>,
    /// How often; 1 when only `each` is given.
    pub times: Option<Expr>,
    /// All expectations armed at once, any order.
    pub unordered: bool,
    /// The steps.
    pub body: Vec<Step>,
}

/// A block in place.
#[derive(Debug, Clone)]
pub struct Use {
    /// Name of the block.
    pub block: String,
    /// Variables to set on entry, evaluated in order before the body. Their names are unique to
    /// this use. Constant arguments already stand in the body.
    pub bindings: Vec<(String, Expr)>,
    /// The block's steps.
    pub body: Vec<Step>,
}

/// How to cut what is sent.
#[derive(Debug, Clone)]
pub struct Fragment {
    /// Sizes of the segments.
    pub sizes: Sizes,
    /// Pause between two.
    pub gap: Option<Delay>,
}

/// Sizes of segments.
#[derive(Debug, Clone)]
pub enum Sizes {
    /// All of this size.
    Every(Expr),
    /// These, then the rest.
    Then(Vec<Expr>),
}

/// A length of time: `3s`, or an expression that gives a text like it or milliseconds.
#[derive(Debug, Clone)]
pub enum Delay {
    /// Known at parse.
    Fixed(Duration),
    /// Known at play.
    Expr(Expr),
}
