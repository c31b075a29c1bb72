//! Settings of the reference peer. The defaults are a sound, eager peer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::event::RefusalCause;
use super::fault::FaultSet;
use crate::torrent::Torrent;
use crate::wire::{Capability, PeerId, Reserved};

/// All that a reference peer starts from.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// The torrent; without content a seed rejects everything and a leech keeps what it gets.
    pub torrent: Torrent,
    /// What it has at the start.
    pub role: Role,
    /// Everything that has a default.
    pub settings: Settings,
    /// Reserved bits of its handshake.
    pub reserved: Reserved,
    /// Its peer id; chosen by the seed otherwise.
    pub peer_id: Option<PeerId>,
    /// Defects that are switched on.
    pub faults: FaultSet,
    /// What its choices come from. Another seed at each start gives another peer id.
    pub seed: u64,
    /// Where it listens; told in the extended handshake when it dials.
    pub listen: SocketAddr,
}

impl PeerConfig {
    /// A sound peer with fast and extended bits set and default settings.
    pub fn new(torrent: Torrent, role: Role) -> Self {
        Self {
            torrent,
            role,
            settings: Settings::default(),
            reserved: Reserved::with(&[Capability::Fast, Capability::Extended]),
            peer_id: None,
            faults: FaultSet::none(),
            seed: 0,
            listen: super::host::NOWHERE,
        }
    }

    /// With other settings.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// With other choices.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With defects.
    #[must_use]
    pub fn with_faults(mut self, faults: FaultSet) -> Self {
        self.faults = faults;
        self
    }

    /// With other reserved bits.
    #[must_use]
    pub fn with_reserved(mut self, reserved: Reserved) -> Self {
        self.reserved = reserved;
        self
    }
}

/// What the peer has when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Everything.
    Seed,
    /// Nothing.
    Leech,
}

/// What to do with a request that is not served as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestPolicy {
    /// Serve it if the bytes exist.
    Accept,
    /// Reject it; without the fast extension drop it.
    Reject,
    /// Reject it; without the fast extension close.
    RejectOrClose,
    /// Close the connection.
    Close,
}

/// What to do with bytes that break the protocol but not the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// Skip them exactly.
    Ignore,
    /// Close the connection.
    Close,
}

/// When our extended handshake goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendedWhen {
    /// Right behind the handshakes.
    AtOnce,
    /// Some time later.
    After(Duration),
    /// Once theirs has come, which leaves two such peers silent.
    AfterTheirs,
    /// Before our 68 bytes, which no sound peer does.
    BeforeHandshake,
    /// Not at all.
    Never,
}

/// How our 68 bytes go out. The default sends the right ones in one write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opening {
    /// Other bytes: wrong fields, too few, too many.
    pub bytes: Option<Bytes>,
    /// Held back so long.
    pub delay: Duration,
    /// Offsets at which a new write begins.
    pub cuts: Vec<usize>,
    /// Time between those writes.
    pub gap: Duration,
}

/// How our pieces are announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// `have_all` or `have_none` where they fit and fast is on, else a bitfield (none if empty).
    Compact,
    /// Always a bitfield, all-zero too.
    Bitfield,
    /// Part of the pieces at once, the rest in `have` messages.
    Lazy,
}

/// Everything about the reference peer that a user may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest time between connect and the end of both handshakes.
    pub handshake_timeout: Duration,
    /// Longest time for a dial.
    pub connect_timeout: Duration,
    /// How long we send nothing before a keep-alive. BEP 3: "generally once every two minutes".
    pub keep_alive: Duration,
    /// How long the other end may send nothing.
    pub idle_timeout: Duration,
    /// Whether keep-alives count as something sent.
    pub idle_counts_keep_alives: bool,
    /// How long requests may stay without any answer; each answer starts it anew.
    pub request_timeout: Duration,
    /// Number of bytes of the other end's handshake after which an acceptor sends its own.
    pub reply_after: usize,
    /// How our handshake goes out.
    pub opening: Opening,
    /// When our extended handshake goes out.
    pub extended_handshake: ExtendedWhen,
    /// When our extended handshake is sent a second time.
    pub extended_again: Option<Duration>,
    /// Time between the handshakes and our first messages.
    pub first_messages_after: Duration,
    /// Whether a leech without pieces says a keep-alive where others say what they have.
    pub opens_with_keep_alive: bool,
    /// How pieces are announced.
    pub announce: Announce,
    /// Connections at once; more are refused.
    pub max_connections: usize,
    /// Whether a seed hides what it has and offers one piece at a time to each peer (BEP 16).
    pub super_seed: bool,
    /// Peers unchoked at once.
    pub slots: usize,
    /// Time between `interested` and `unchoke`.
    pub unchoke_delay: Duration,
    /// How often slots rotate when more peers want one.
    pub rotate_every: Duration,
    /// Whether `not_interested` makes us choke.
    pub choke_uninterested: bool,
    /// Whether a seed closes when a peer loses its interest.
    pub close_uninterested: bool,
    /// Whether peers are unchoked before they are interested.
    pub unchoke_everybody: bool,
    /// Whether interest of a peer that is unchoked already gets another unchoke.
    pub unchoke_again: bool,
    /// Whether the first unchoke is taken back in the same write, and given again this much later.
    pub unchoke_flickers: Option<Duration>,
    /// Time between seeing pieces that we want and `interested`.
    pub interested_delay: Duration,
    /// Time between a request and its piece.
    pub serve_delay: Duration,
    /// Whether that is the time for each block, one behind the other.
    pub serve_in_turn: bool,
    /// Time between a request and its reject.
    pub reject_delay: Duration,
    /// Time added before every write on a connection.
    pub pacing: Duration,
    /// Everything that is to be said within this time leaves in one write.
    pub coalesce: Duration,
    /// Whether what is said leaves byte by byte (writes above 256 bytes in 64 parts).
    pub drip: bool,
    /// Whether connections are ended by a reset, which may throw away what was said before.
    pub close_with_reset: bool,
    /// Requests that we bear, advertised as `reqq`.
    pub reqq: usize,
    /// Longest block that we serve.
    pub max_request: u32,
    /// Requests that we keep outstanding.
    pub pipeline: usize,
    /// Length of the blocks that we ask for.
    pub block_len: u32,
    /// Whether blocks that others still owe are asked of this peer too when nothing else is left.
    pub end_game: bool,
    /// Whether a leech downloads by itself; off for library users who request by hand.
    pub auto_download: bool,
    /// How long a rejected block is not asked of the same peer again.
    pub reject_backoff: Duration,
    /// Corrupt pieces after which a connection is closed.
    pub corrupt_limit: u32,
    /// Size of the allowed-fast set; 0 sends none. BEP 6: ten is suggested.
    pub allowed_fast: usize,
    /// Pieces that are suggested with the first unchoke, where fast is on.
    pub suggestions: u32,
    /// Whether allowed-fast requests are served while choking.
    pub honour_allowed_fast: bool,
    /// Whether connections between seeds are closed.
    pub close_redundant: bool,
    /// Whether the extended handshake comes after the availability.
    pub availability_first: bool,
    /// Whether a bitfield is in the write of the handshake on connections that we open.
    pub dials_in_one_breath: bool,
    /// Whether the allowed-fast set is told in another order on each connection.
    pub allowed_fast_shuffled: bool,
    /// Client name in the extended handshake; empty leaves it out.
    pub client: String,
    /// Whether `upload_only` is told by a seed.
    pub tell_upload_only: bool,
    /// UDP port for `port` messages (needs the DHT bit).
    pub dht_port: Option<u16>,
    /// Whether peers hear of each other by ut_pex.
    pub pex: bool,
    /// Time from their extended handshake to the first ut_pex message.
    pub pex_first: Duration,
    /// Time between two ut_pex messages; without news there is none.
    pub pex_every: Duration,
    /// Whether a leech dials peers that it hears of by ut_pex.
    pub dial_contacts: bool,
    /// Whether a leech fetches the info dictionary, although it has it, from peers that offer it.
    pub fetch_metadata: bool,
    /// Time between a request for metadata and its answer.
    pub metadata_delay: Duration,
    /// How often the info dictionary is served on a connection before requests are rejected;
    /// `None` for ever.
    pub metadata_limit: Option<usize>,
    /// Longest frame that is read.
    pub frame_limit: u32,
    /// Whether each connection has a peer id of its own.
    pub peer_id_per_connection: bool,
    /// A second connection from the same address.
    pub duplicate_address: Tolerance,
    /// A second connection with the same peer id.
    pub duplicate_peer_id: Tolerance,
    /// Frames of a wrong length.
    pub malformed: Tolerance,
    /// Messages of unknown ids.
    pub unknown_id: Tolerance,
    /// Extended messages whose payload does not decode.
    pub malformed_extension: Tolerance,
    /// Whether extended handshakes with a flaw anywhere are dropped whole.
    pub drops_odd_handshakes: bool,
    /// Late or repeated availability messages.
    pub late_availability: Tolerance,
    /// Spare bits set in a bitfield, and `have` out of range.
    pub spare_bits: Tolerance,
    /// Pieces never asked for. BEP 6 demands a close with the fast extension.
    pub unrequested_piece: Tolerance,
    /// Rejects never asked for. BEP 6 recommends a close.
    pub unrequested_reject: Tolerance,
    /// What to do with requests that are not served, by cause.
    pub on_request: RequestPolicies,
    /// Window over which speeds are measured.
    pub speed_window: Duration,
    /// Whether every message is told as an event.
    pub events: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(15),
            keep_alive: Duration::from_secs(100),
            idle_timeout: Duration::from_secs(180),
            idle_counts_keep_alives: true,
            request_timeout: Duration::from_secs(60),
            reply_after: 48,
            opening: Opening::default(),
            extended_handshake: ExtendedWhen::AtOnce,
            extended_again: None,
            first_messages_after: Duration::ZERO,
            opens_with_keep_alive: false,
            announce: Announce::Compact,
            max_connections: usize::MAX,
            super_seed: false,
            slots: 8,
            unchoke_delay: Duration::ZERO,
            rotate_every: Duration::from_secs(30),
            choke_uninterested: true,
            close_uninterested: false,
            unchoke_everybody: false,
            unchoke_again: false,
            unchoke_flickers: None,
            interested_delay: Duration::ZERO,
            serve_delay: Duration::ZERO,
            serve_in_turn: false,
            reject_delay: Duration::ZERO,
            pacing: Duration::ZERO,
            coalesce: Duration::ZERO,
            drip: false,
            close_with_reset: false,
            reqq: 2000,
            max_request: 16 * 1024,
            pipeline: 16,
            block_len: 16 * 1024,
            end_game: true,
            auto_download: true,
            reject_backoff: Duration::from_secs(2),
            corrupt_limit: 5,
            allowed_fast: 10,
            suggestions: 0,
            honour_allowed_fast: true,
            close_redundant: false,
            availability_first: false,
            dials_in_one_breath: false,
            allowed_fast_shuffled: false,
            client: "btspec reference".to_owned(),
            tell_upload_only: false,
            dht_port: None,
            pex: true,
            pex_first: Duration::from_secs(2),
            pex_every: Duration::from_secs(65),
            dial_contacts: false,
            fetch_metadata: false,
            metadata_delay: Duration::ZERO,
            metadata_limit: None,
            frame_limit: 1024 * 1024,
            peer_id_per_connection: false,
            duplicate_address: Tolerance::Ignore,
            duplicate_peer_id: Tolerance::Ignore,
            malformed: Tolerance::Close,
            unknown_id: Tolerance::Ignore,
            malformed_extension: Tolerance::Ignore,
            drops_odd_handshakes: false,
            late_availability: Tolerance::Ignore,
            spare_bits: Tolerance::Close,
            unrequested_piece: Tolerance::Close,
            unrequested_reject: Tolerance::Close,
            on_request: RequestPolicies::default(),
            speed_window: Duration::from_secs(5),
            events: false,
        }
    }
}

/// One policy a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestPolicies {
    /// No such piece.
    pub piece_out_of_range: RequestPolicy,
    /// Past the end of the piece.
    pub past_end: RequestPolicy,
    /// Length zero.
    pub zero_length: RequestPolicy,
    /// Longer than [`Settings::max_request`].
    pub too_long: RequestPolicy,
    /// A piece that we lack.
    pub missing: RequestPolicy,
    /// While choking.
    pub choked: RequestPolicy,
    /// More than [`Settings::reqq`].
    pub queue_full: RequestPolicy,
}

impl Default for RequestPolicies {
    fn default() -> Self {
        Self {
            piece_out_of_range: RequestPolicy::RejectOrClose,
            past_end: RequestPolicy::RejectOrClose,
            zero_length: RequestPolicy::RejectOrClose,
            too_long: RequestPolicy::RejectOrClose,
            missing: RequestPolicy::Reject,
            choked: RequestPolicy::Reject,
            queue_full: RequestPolicy::Reject,
        }
    }
}

impl RequestPolicies {
    /// The policy for one cause.
    pub fn of(&self, cause: RefusalCause) -> RequestPolicy {
        match cause {
            RefusalCause::PieceOutOfRange => self.piece_out_of_range,
            RefusalCause::PastEnd => self.past_end,
            RefusalCause::ZeroLength => self.zero_length,
            RefusalCause::TooLong => self.too_long,
            RefusalCause::Missing => self.missing,
            RefusalCause::Choked => self.choked,
            RefusalCause::QueueFull => self.queue_full,
        }
    }
}
