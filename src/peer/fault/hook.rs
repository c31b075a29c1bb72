//! Where defects take hold: what they see of the peer, and what they may do to it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{Effect, FaultSet};
use crate::peer::config::{Role, Settings};
use crate::peer::connection::Connection;
use crate::peer::store::Store;
use crate::torrent::Torrent;
use crate::wire::extension::ExtendedHandshake;
use crate::wire::{
    BlockRef, DecodeError, ExtensionMessage, Frame, Handshake, Kind, Message, PeerId,
};

/// A message before it goes out.
pub(in crate::peer) struct Sent<'a> {
    /// Its kind; payloads of our extensions have their own.
    pub(in crate::peer) kind: Kind,
    pub(in crate::peer) message: &'a Message,
    pub(in crate::peer) peer: View<'a>,
}

/// Something that came in, before the peer reacts.
pub(in crate::peer) struct Seen<'a> {
    pub(in crate::peer) what: What<'a>,
    pub(in crate::peer) peer: View<'a>,
}

/// The peer as a defect sees it.
#[derive(Clone, Copy)]
pub(in crate::peer) struct View<'a> {
    pub(in crate::peer) conn: &'a Connection,
    pub(in crate::peer) torrent: &'a Torrent,
    pub(in crate::peer) store: &'a Store,
    pub(in crate::peer) role: Role,
    pub(in crate::peer) peer_id: PeerId,
    pub(in crate::peer) now: Duration,
    /// All connections, this one included.
    pub(in crate::peer) connections: &'a BTreeMap<u32, Connection>,
}

/// What came in.
pub(in crate::peer) enum What<'a> {
    /// Somebody connected.
    Accepted,
    /// Bytes of a handshake that is not complete, all that have come.
    Opening(&'a [u8]),
    /// Their handshake is complete.
    Handshake(&'a Handshake),
    /// A frame.
    Frame(&'a Frame, Result<&'a Message, &'a DecodeError>),
    /// A length prefix above the limit.
    TooLong(u32),
    /// The other end sends no more; the bytes of what was not complete.
    Eof(&'a [u8]),
    /// The other end reset the connection.
    Reset,
}

impl<'a> Seen<'a> {
    pub(super) fn message(&self) -> Option<&'a Message> {
        match self.what {
            What::Frame(_, Ok(message)) => Some(message),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.message().map(Message::kind)
    }

    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind() == Some(kind)
    }

    pub(super) fn frame(&self) -> Option<&'a Frame> {
        match self.what {
            What::Frame(frame, _) => Some(frame),
            _ => None,
        }
    }

    /// A frame that is not the message which its id promises.
    pub(super) fn misfit(&self) -> Option<u8> {
        match self.what {
            What::Frame(frame, Err(_)) => frame.id(),
            _ => None,
        }
    }

    pub(super) fn request(&self) -> Option<BlockRef> {
        match self.message()? {
            Message::Request(block) => Some(*block),
            _ => None,
        }
    }

    pub(super) fn handshake(&self) -> Option<&'a Handshake> {
        match self.what {
            What::Handshake(handshake) => Some(handshake),
            _ => None,
        }
    }

    /// The payload of an extended handshake.
    pub(super) fn hello(&self) -> Option<&'a Bytes> {
        match self.message()? {
            Message::Extended { ext_id: 0, payload } => Some(payload),
            _ => None,
        }
    }

    pub(super) fn extended_handshake(&self) -> Option<ExtendedHandshake> {
        match ExtensionMessage::decode("", self.hello()?) {
            Ok(ExtensionMessage::Handshake(handshake)) => Some(handshake),
            _ => None,
        }
    }

    pub(super) fn pieces(&self) -> u32 {
        self.peer.torrent.geometry().pieces()
    }
}

impl Sent<'_> {
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// The block of a request, cancel or reject.
    pub(super) fn block(&self) -> Option<BlockRef> {
        match self.message {
            Message::Request(block) | Message::Cancel(block) | Message::RejectRequest(block) => {
                Some(*block)
            }
            _ => None,
        }
    }
}

/// Something a defect puts on the wire.
#[derive(Debug, Clone)]
pub(in crate::peer) enum Wire {
    Message(Message),
    Raw(Vec<u8>),
}

/// Which of the things that fit, counted on each connection from 1.
#[derive(Debug, Clone, Copy)]
pub(in crate::peer) enum Nth {
    Every,
    First,
    /// That one.
    Only(u32),
    /// The first so many.
    UpTo(u32),
    /// All but the first so many.
    After(u32),
}

impl Nth {
    fn holds(self, count: u32) -> bool {
        match self {
            Self::Every => true,
            Self::First => count == 1,
            Self::Only(n) => count == n,
            Self::UpTo(n) => count <= n,
            Self::After(n) => count > n,
        }
    }
}

/// What a defect does to a message that goes out.
#[derive(Debug, Clone, Copy)]
pub(in crate::peer) enum Alter {
    /// It is not sent.
    Drop,
    /// It is sent twice.
    Twice,
    /// It is overtaken by what is sent within this time.
    Late(Duration),
    /// Something else is sent.
    Other(fn(&Sent<'_>) -> Vec<Wire>),
}

/// What a defect does about something that comes in.
#[derive(Debug, Clone, Copy)]
pub(in crate::peer) enum React {
    /// As if it had not come.
    Ignore,
    /// Closes the connection.
    Close,
    /// The process ends.
    Exit,
    /// The process does nothing any more.
    Hang,
    /// The connection is not read any more.
    Deafen,
    /// The bytes behind the id are read as the next frames.
    Reread,
    /// So many bytes of what follows are lost.
    Eat(usize),
    /// Says something, then goes on as always.
    Say(fn(&Seen<'_>) -> Vec<Wire>),
    /// Says something instead of what it should do.
    SayInstead(fn(&Seen<'_>) -> Vec<Wire>),
    /// Says something after a while.
    SayLater(Duration, fn(&Seen<'_>) -> Vec<Wire>),
}

/// Defects with code of their own, asked for by the peer where it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::peer) enum Quirk {
    /// Serves any info hash but zeros.
    ServesUnknownHash,
    /// Serves an info hash of zeros.
    ServesZeroHash,
    /// Serves an info hash whose first bytes are right.
    ServesSimilarHash,
    /// Takes the bit of the DHT for that of the fast extension.
    TakesDhtBitForFast,
    /// Does not look at the length byte of the handshake.
    SkipsProtocolLength,
    /// Does not look at the protocol string.
    SkipsProtocolString,
    /// The length byte of the answer to a dial is not looked at.
    SkipsProtocolLengthDialling,
    /// The protocol string of the answer to a dial is not looked at.
    SkipsProtocolStringDialling,
    /// The protocol string is misspelled on dialled connections.
    MisspellsDialling,
    /// The peer id of the other end comes back to it.
    EchoesPeerId,
    /// Bytes behind a handshake without any extension in the same segment are lost.
    LosesCoalescedPlain,
    /// So many bytes are kept once a have names a piece that no torrent can have.
    GrowsAtHugeHave(u64),
    /// Bytes behind the handshake in the same segment are lost.
    LosesCoalesced,
    /// The same, on dialled connections.
    LosesCoalescedDialling,
    /// A handshake in a few segments is refused.
    RefusesSplitHandshake,
    /// A handshake in segments of one byte is refused.
    RefusesDrippedHandshake,
    /// A split handshake is refused on dialled connections.
    RefusesSplitHandshakeDialling,
    /// New connections wait while one is in its handshake.
    OneHandshakeAtATime,
    /// After three connections that never said a word nothing works.
    StopsAfterFailures,
    /// A dialler does not compare the info hash.
    DialsAnyHash,
    /// A dialler waits for the other end's handshake.
    DialsWaiting,
    /// Dialled connections are never unchoked.
    NeverUnchokesDialled,
    /// A dialler says its handshake a while after it could.
    DialsHesitating,
    /// A dialler compares the first bytes of the info hash.
    DialsSimilarHash,
    /// On dialled connections, our ids are used towards the other end.
    OwnIdsDialling,
    /// Peers of a private torrent stay when the tracker is another one.
    KeepsOldPeers,
    /// Peers of a private torrent that dialled in stay when the tracker is another one.
    KeepsOldCallers,
    /// Peers of a private torrent hear of each other.
    ExchangesPrivately,
    /// Connections without a session are told of by ut_pex.
    ExchangesEarly,
    /// A later extended handshake cannot switch an extension off.
    KeepsSwitchedOff,
    /// Names in m are read without regard to case.
    IgnoresCaseOfNames,
    /// Ids in m are cut to a byte.
    CutsHugeIds,
    /// A frame in which the stream ends ends the process.
    DiesOfPartialFrame,
    /// Who offers no ut_pex is told all the same, under our own id.
    ExchangesUnasked,
    /// Who offers no ut_pex is told all the same, but not with the first message of the others.
    ExchangesUnaskedLater,
    /// Contacts that somebody told of are passed on.
    ExchangesHearsay,
    /// Contacts that were told before are dropped, though they are still here.
    DropsWhatIsNotNew,
    /// Only contacts of the latest message are dropped.
    DropsLatestOnly,
    /// Peers whose connection is reset are not dropped.
    ForgetsResetPeers,
    /// A listen port that does not fit is cut to 16 bits and told of.
    ExchangesCutPort,
    /// The second ut_pex message follows the first after a few seconds.
    ExchangesTwiceAtFirst,
    /// Incoming connections are told of with the port that they come from.
    ExchangesSourcePorts,
    /// Contacts of a ut_pex message are dialled for a private torrent, too.
    DialsPrivateContacts,
    /// Every contact of a message is dialled.
    DialsEveryPort,
    /// A listen port that does not fit is cut to 16 bits and dialled.
    DialsCutPort,
    /// The same, once the connection has ended.
    DialsCutPortLater,
    /// Tells trackers another peer id than peers.
    AnnouncesAnotherId,
    /// Ends when it may still write to a connection whose other end has closed.
    DiesOfHalfClose,
    /// Frames in segments of one byte are lost.
    LosesDrippedFrames,
    /// A frame split inside its prefix is misread.
    MisreadsSplitPrefix,
    /// The length prefix is taken as signed.
    SignedLength,
    /// The frame at the end of the stream is padded and used.
    UsesPartialFrame,
    /// A block that the end of the stream cut counts as its whole piece.
    UsesPartialBlock,
    /// Missing fields of a request are invented.
    PadsShortRequests,
    /// Bytes behind a request are overlooked.
    CutsLongRequests,
    /// Nothing else is read while one connection is inside a frame.
    StallsOthersInFrame,
    /// A block in many segments is refused.
    ClosesOnManySegments,
    /// Closes when no message comes soon.
    ImpatientForFirstMessage,
    /// Sends its extended handshake to everybody.
    ExtendedUnasked,
    /// Sends extension messages under the lower seven bits of the id.
    CutsIds,
    /// Sends extension messages before it knows any id.
    SpeaksEarly,
    /// A second handshake is skipped.
    SkipsSecondHandshake,
    /// Extension ids are shared between connections.
    SharesExtensionIds,
    /// Extension ids outlive the connection: who comes again has those of the first time.
    KeepsIdsOfPeer,
    /// Nothing is read behind the first key that it does not know.
    StopsAtUnknownKey,
    /// Any bit of the sixth reserved byte is that of the extension protocol.
    TakesByteForExtended,
    /// Any bit of the last reserved byte is that of the fast extension.
    TakesByteForFast,
    /// Keys are compared without regard to case.
    IgnoresCase,
    /// A later extended handshake replaces the earlier one.
    ReplacesExtensions,
    /// Their `reqq` is not looked at.
    IgnoresReqq,
    /// The last `reqq` that anybody said counts for everybody.
    SharesReqq,
    /// An extension keeps the first id that the other end gave it.
    KeepsFirstId,
    /// The peer id has no prefix that anybody knows.
    UnconventionalPeerId,
    /// A `reqq` of nonsense stops all requests.
    StallsOnOddReqq,
    /// Nothing is rejected at a choke.
    KeepsPendingAtChoke,
    /// A cancel of what was answered is answered with a reject.
    RejectsCancelOfServed,
    /// A choke stops no request that is queued.
    ServesOnAtChoke,
    /// The rejects of a choke come before it.
    RejectsBeforeChoke,
    /// Allowed-fast requests are rejected at a choke too.
    RejectsAllowedFastAtChoke,
    /// The whole address goes into the allowed-fast set.
    AllowedFastUnmasked,
    /// The allowed-fast set changes with each connection.
    AllowedFastRandom,
    /// Making the allowed-fast set of a small torrent never ends.
    AllowedFastEndless,
    /// Cancelled requests get no answer.
    DropsCancelled,
    /// Cancelled requests get a reject and the piece.
    AnswersCancelledTwice,
    /// A cancel throws away every request.
    CancelDropsAll,
    /// A cancelled block is not served any more.
    ForgetsAfterCancel,
    /// A cancel takes the oldest request of its piece.
    CancelsByPiece,
    /// A cancel takes the request of its place, whatever its length.
    CancelsAnyLength,
    /// A cancel takes the newest request.
    CancelsNewest,
    /// A cancel takes the same request of every peer without fast, also a later one.
    CancelsEverywhere,
    /// A reject counts for any request of that piece.
    MatchesRejectsLoosely,
    /// Rejected blocks are never asked for again.
    ForgetsRejected,
    /// Blocks that are rejected under choke are never asked for again.
    ForgetsRejectedChoked,
    /// Blocks that are rejected while their piece was taken back are never asked for again.
    ForgetsRejectedGone,
    /// With fast, the unchoke behind a choke drops our requests.
    DropsPendingAtUnchoke,
    /// With fast, blocks that nobody asked for are skipped while something of their piece is asked.
    ToleratesBesidePiece,
    /// With fast, blocks that nobody asked for are skipped while anything is asked.
    ToleratesBesideAny,
    /// Requests of interested peers that are still choked are forgotten. Unchokes late.
    ForgetsWaiting,
    /// On a dial, have_all goes out with the handshake.
    HaveAllWithDial,
    /// With fast, a choke drops our requests.
    DropsPendingAtTheirChoke,
    /// Without fast, blocks dropped by a choke are never asked for again.
    ForgetsDroppedByChoke,
    /// Requests before the first unchoke.
    RequestsWhileChoked,
    /// Allowed-fast pieces are taken for pieces they have.
    AllowedFastIsAvailability,
    /// Suggested pieces are taken for pieces they have.
    SuggestIsAvailability,
    /// `have_all` does not count.
    IgnoresHaveAll,
    /// A bitfield does not count for the last piece.
    BitfieldLacksLast,
    /// `have_all` does not count for the last piece.
    HaveAllLacksLast,
    /// Serves while choking, without fast.
    ServesWhileChoked,
    /// Serves while choking, with fast.
    ServesWhileChokedFast,
    /// Serves what there is of a block that reaches past the end.
    ServesPastEnd,
    /// Serves zeros for pieces that are not here.
    ServesMissing,
    /// Cuts long requests to 16 KiB.
    TruncatesLong,
    /// Pieces are not checked.
    SkipsHash,
    /// A block that is too short is padded and counts.
    CountsShortBlocks,
    /// Blocks of the wrong length count, and pieces are not checked.
    AcceptsWrongLength,
    /// Blocks that nobody asked for are kept, and pieces are not checked.
    KeepsUnrequested,
    /// Announces a piece before it is checked.
    HaveBeforeHash,
    /// Never says `have`.
    NoHave,
    /// Interested in peers that have nothing.
    InterestInNothing,
    /// Interested though complete.
    SeedInterested,
    /// The first `have` raises no interest.
    HaveRaisesNoInterest,
    /// Only the first availability message counts.
    IgnoresLaterHave,
    /// Bits are read least significant first.
    MirrorsBitfield,
    /// Corrupt pieces are never asked for again.
    ForgetsCorrupt,
    /// A repeated unchoke sends all requests again.
    UnchokeRepeats,
    /// As many unchokes as chokes are needed.
    CountsChokes,
    /// Without fast, pieces with blocks dropped by a choke are given up.
    AbandonsDroppedByChoke,
    /// A choke counts on every connection.
    ChokeForAll,
    /// An unchoke counts on every connection.
    UnchokeForAll,
    /// Without fast, a choke stops no requests.
    RequestsAfterChoke,
    /// Interest in one peer is told to all.
    InterestForAll,
    /// Repeated interest ends it.
    InterestToggles,
    /// Not interested from one peer chokes all.
    LostInterestForAll,
    /// An extended handshake makes it forget what the peer has.
    ExtendedHandshakeClears,
    /// Corrupt pieces are shown to new connections.
    ShowsCorrupt,
    /// A repeated `have` counts as another piece.
    CountsHavesTwice,
    /// A piece behind a choke closes the connection.
    ClosesOnLatePiece,
    /// A second connection inherits the first one's unchoke.
    LeaksChokeState,
    /// A block is served once a connection.
    ServesOnce,
    /// The queue is shorter than `reqq` says.
    ShortQueue,
    /// Blocks go to whoever was unchoked last.
    AnswersElsewhere,
    /// A request that is pending already takes the pending one back.
    TogglesRequests,
    /// What was asked for before the unchoke is never served, without fast.
    ForgetsEarly,
    /// Serves whom it has unchoked once, without fast.
    ServesAfterFirstUnchoke,
    /// Blocks are read at the start of their piece.
    WrongOffset,
    /// A partial seed does not say `upload_only`.
    HidesPartialSeed,
    /// Nothing is asked of peers that say `upload_only`.
    AvoidsUploadOnly,
    /// One request at a time after a choke.
    OneRequestAfterChoke,
    /// A block answers the oldest request for the same offset, also of a neighbouring piece.
    IgnoresIndex,
    /// Short blocks are read at the start of their piece.
    WrongShortBlocks,
    /// Nothing is requested behind 600 requests.
    StopsRequesting,
    /// Nothing is requested on connections that were dialled.
    RequestsNothingDialled,
    /// The last piece is never requested.
    LeavesLastPiece,
    /// Closes when a block takes longer than two seconds.
    ImpatientInBlock,
    /// A piece is checked only the first time that it comes.
    ChecksOnce,
    /// The last piece of the torrent is taken without its hash.
    SkipsLastHash,
    /// The piece that completes the torrent is taken without its hash.
    SkipsCompletingHash,
    /// A piece of which several peers gave blocks is taken without its hash.
    SkipsMixedHash,
    /// The last block of a piece is left out of the check.
    ChecksAllButLastBlock,
    /// Blocks of pieces under way are served.
    ServesUnchecked,
    /// A block without data completes its piece.
    EmptyBlockCounts,
    /// A block that comes again completes its piece.
    DuplicateCounts,
    /// Requests go to one connection at a time.
    OneSourceAtATime,
    /// Pieces are asked for in ascending order.
    Ascending,
    /// While a connection does not read, nothing else is read.
    StallsOnFull,
    /// So many bytes are kept of each message of a kind.
    Leaks(Kind, u64),
    /// So many bytes are kept of each connection.
    LeaksConnections(u64),
    /// Connections beyond so many are never looked at.
    IgnoresBeyond(usize),
    /// Ends when a connection comes that does not fit.
    DiesWhenFull,
    /// A super-seed announces what it has.
    SuperSeedShowsAll,
    /// A super-seed offers nothing.
    SuperSeedOffersNothing,
    /// A super-seed offers most pieces at once.
    SuperSeedOffersMany,
    /// A super-seed serves what it has not offered.
    SuperSeedServesAll,
    /// A super-seed refuses what it has offered.
    SuperSeedRefuses,
    /// A super-seed never offers a second piece.
    SuperSeedStops,
    /// The second piece of metadata goes to another connection, if there is one.
    MetadataToOther,
    /// A metadata request in the same segment as another one is lost.
    OneMetadataAtATime,
    /// A metadata request for a piece that is about to be sent, to whomever, is lost.
    MetadataOncePerPiece,
    /// Metadata requests beyond four in one segment are lost.
    MetadataQueueOfFour,
    /// Metadata that nobody asked for is kept and served.
    KeepsUnsolicitedMetadata,
    /// A DontHave takes back the piece behind the one it names.
    DontHaveOfNext,
    /// The index of a DontHave is read in the other byte order.
    DontHaveMirrored,
    /// A DontHave takes the piece back from everybody.
    DontHaveOfEverybody,
    /// A DontHave takes everything back.
    DontHaveOfEverything,
    /// A piece that was taken back is never here again.
    DontHaveForEver,
    /// A DontHave sends the requests for its piece again.
    DontHaveRepeatsRequests,
    /// A DontHave cancels requests with the fast extension too.
    DontHaveCancelsFast,
    /// A DontHave cancels no requests without the fast extension.
    DontHaveKeepsRequests,
    /// A DontHave does not change our interest.
    DontHaveKeepsInterest,
    /// A DontHave of what they did not have counts as well.
    DontHaveCountsDown,
    /// DontHave goes to everybody.
    DontHaveUnoffered,
    /// Dropped pieces are served.
    ServesDiscarded,
    /// Requests that wait when their piece is dropped get no answer. Serves slowly.
    ForgetsDiscarded,
}

/// The defects of one peer, and how often each had occasion to act.
#[derive(Debug, Default)]
pub(in crate::peer) struct Defects {
    set: FaultSet,
    counts: BTreeMap<(usize, u32), u32>,
}

impl Defects {
    pub(in crate::peer) fn new(set: FaultSet) -> Self {
        Self {
            set,
            counts: BTreeMap::new(),
        }
    }

    /// Makes unsound settings.
    pub(in crate::peer) fn settings(&self, settings: &mut Settings) {
        for fault in self.set.iter() {
            if let Effect::Set(set) = fault.effect {
                set(settings);
            }
            if let Effect::Quirk(Quirk::ForgetsWaiting) = fault.effect {
                // Else nobody waits.
                settings.unchoke_delay = WAIT;
            }
        }
    }

    pub(in crate::peer) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(in crate::peer) fn has(&self, quirk: Quirk) -> bool {
        self.set
            .iter()
            .any(|fault| matches!(fault.effect, Effect::Quirk(q) if q == quirk))
    }

    /// How much is kept of a message of this kind, and of a connection.
    pub(in crate::peer) fn leaks(&self) -> impl Iterator<Item = Quirk> + '_ {
        self.set.iter().filter_map(|fault| match fault.effect {
            Effect::Quirk(
                quirk @ (Quirk::Leaks(..) | Quirk::LeaksConnections(_) | Quirk::GrowsAtHugeHave(_)),
            ) => Some(quirk),
            _ => None,
        })
    }

    /// Connections beyond this number are never looked at.
    pub(in crate::peer) fn most_connections(&self) -> Option<usize> {
        self.set.iter().find_map(|fault| match fault.effect {
            Effect::Quirk(Quirk::IgnoresBeyond(most)) => Some(most),
            _ => None,
        })
    }

    /// Alters our handshake.
    pub(in crate::peer) fn hello(&self, ordinal: u32, bytes: &mut Vec<u8>) {
        for fault in self.set.iter() {
            if let Effect::Hello(alter) = fault.effect {
                alter(ordinal, bytes);
            }
        }
    }

    /// What happens to a message that goes out; `None` for nothing.
    pub(in crate::peer) fn send(&mut self, sent: &Sent<'_>) -> Option<Alter> {
        let conn = sent.peer.conn.id;
        let counts = &mut self.counts;
        self.set.iter().enumerate().find_map(|(n, fault)| {
            let Effect::Send { which, nth, alter } = fault.effect else {
                return None;
            };
            (which(sent) && nth.holds(count(counts, n, conn))).then_some(alter)
        })
    }

    /// Whether a frame's bytes are read again as frames.
    pub(in crate::peer) fn rereads(&self, seen: &Seen<'_>) -> Option<React> {
        self.set.iter().find_map(|fault| match fault.effect {
            Effect::On {
                when,
                react: React::Reread,
                ..
            } => when(seen).then_some(React::Reread),
            _ => None,
        })
    }

    /// What happens at something that comes in; `None` for the usual.
    pub(in crate::peer) fn seen(&mut self, seen: &Seen<'_>) -> Option<React> {
        let conn = seen.peer.conn.id;
        let counts = &mut self.counts;
        self.set.iter().enumerate().find_map(|(n, fault)| {
            let Effect::On { when, nth, react } = fault.effect else {
                return None;
            };
            let here = !matches!(react, React::Reread) && when(seen);
            (here && nth.holds(count(counts, n, conn))).then_some(react)
        })
    }
}

/// How long a defect lets interested peers wait for their unchoke.
const WAIT: Duration = Duration::from_secs(3);

fn count(counts: &mut BTreeMap<(usize, u32), u32>, fault: usize, conn: u32) -> u32 {
    let count = counts.entry((fault, conn)).or_default();
    *count += 1;
    *count
}
