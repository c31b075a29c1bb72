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

/// Our handshake before it goes out.
pub(in crate::peer) struct Hello<'a> {
    pub(in crate::peer) conn: &'a Connection,
    /// Bytes of theirs that have come.
    pub(in crate::peer) theirs: Bytes,
}

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
    /// Open connections, this one included.
    pub(in crate::peer) connections: usize,
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
    TooLong,
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
    /// All but the first so many.
    After(u32),
}

impl Nth {
    fn holds(self, count: u32) -> bool {
        match self {
            Self::Every => true,
            Self::First => count == 1,
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
    /// The connection is closed instead.
    Close,
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
    /// Serves any info hash.
    ServesUnknownHash,
    /// Serves an info hash of zeros.
    ServesZeroHash,
    /// Does not look at the length byte of the handshake.
    SkipsProtocolLength,
    /// Does not look at the protocol string.
    SkipsProtocolString,
    /// Bytes behind the handshake in the same segment are lost.
    LosesCoalesced,
    /// The same, on dialled connections.
    LosesCoalescedDialling,
    /// A handshake that comes in several segments is refused.
    RefusesSplitHandshake,
    /// A handshake in segments of one byte is refused.
    RefusesDrippedHandshake,
    /// The same, on dialled connections.
    RefusesSplitHandshakeDialling,
    /// A second handshake is read as one.
    SecondHandshake,
    /// New connections wait while one is in its handshake.
    OneHandshakeAtATime,
    /// After three connections that failed together nothing is accepted.
    StopsAfterFailures,
    /// A dialler does not compare the info hash.
    DialsAnyHash,
    /// A dialler waits for the other end's handshake.
    DialsWaiting,
    /// Dialled connections are never unchoked.
    NeverUnchokesDialled,
    /// A handshake is waited for as long as bytes drip.
    TimerRestartsInHandshake,
    /// Frames that do not end with their segment are lost.
    LosesSplitFrames,
    /// A frame split inside its prefix is misread.
    MisreadsSplitPrefix,
    /// Only some messages of one segment are looked at.
    FewMessagesPerSegment,
    /// The length prefix is taken as signed.
    SignedLength,
    /// The frame at the end of the stream is padded and used.
    UsesPartialFrame,
    /// Blocks that the end of the stream cut are padded, and pieces not checked.
    UsesPartialBlock,
    /// Frames of a wrong length are padded or cut, and used.
    PadsShortRequests,
    /// The surplus of a long request is ignored.
    CutsLongRequests,
    /// The message behind an unknown one is lost.
    FrameLimitCrash,
    /// Writes of two messages are mixed.
    TearsFrames,
    /// Extension ids are shared between connections.
    SharesExtensionIds,
    /// Our own ids are used to send.
    UsesOwnIds,
    /// Extension names are compared without regard to case.
    IgnoresCase,
    /// The second extended handshake replaces the first.
    ReplacesExtensions,
    /// Ids above 255 are cut to a byte.
    TruncatesExtensionIds,
    /// Their `reqq` is not looked at.
    IgnoresReqq,
    /// A `reqq` of nonsense stops all requests.
    StallsOnOddReqq,
    /// Dials the `p` of an extended handshake, cut to 16 bits.
    DialsTruncatedPort,
    /// Nothing is rejected at a choke.
    KeepsPendingAtChoke,
    /// The rejects of a choke come before it.
    RejectsBeforeChoke,
    /// Allowed-fast requests are rejected at a choke too.
    RejectsAllowedFastAtChoke,
    /// Another mask for the allowed-fast set.
    AllowedFastUnmasked,
    /// The allowed-fast set changes with each connection.
    AllowedFastRandom,
    /// The allowed-fast set never ends on small torrents.
    AllowedFastEndless,
    /// Cancelled requests get no answer.
    DropsCancelled,
    /// Cancelled requests get a reject and the piece.
    AnswersCancelledTwice,
    /// A cancel throws away every request.
    CancelDropsAll,
    /// An unmatched reject counts for the request with the same index.
    MatchesRejectsLoosely,
    /// Rejected blocks are never asked for again.
    ForgetsRejected,
    /// Rejected blocks are asked for again at once.
    StormsAfterReject,
    /// With fast, a choke drops our requests and they are sent again.
    DropsPendingAtTheirChoke,
    /// Without fast, blocks dropped by a choke are never asked for again.
    ForgetsDroppedByChoke,
    /// Requests while choked.
    RequestsWhileChoked,
    /// Requests go on after a choke.
    RequestsAfterChoke,
    /// Allowed-fast pieces are taken as pieces they have.
    AllowedFastIsAvailability,
    /// Suggested pieces are taken as pieces they have.
    SuggestIsAvailability,
    /// `have_all` does not count.
    IgnoresHaveAll,
    /// Serves while choking, without fast.
    ServesWhileChoked,
    /// Serves while choking, with fast.
    ServesWhileChokedFast,
    /// Answers short at the end of a piece.
    ServesPastEnd,
    /// Zeros for pieces that are not here.
    ServesMissing,
    /// Serves zero-length requests with a block.
    ServesZeroLength,
    /// Cuts long requests to 16 KiB.
    TruncatesLong,
    /// Never hashes a piece.
    SkipsHash,
    /// Accepts blocks of the wrong length as complete.
    AcceptsWrongLength,
    /// Keeps bytes that nobody asked for, unchecked.
    KeepsUnrequested,
    /// Announces a piece before it is checked.
    HaveBeforeHash,
    /// Never says `have`.
    NoHave,
    /// Interest in peers that have nothing.
    InterestInNothing,
    /// Interest never ends.
    InterestForEver,
    /// Interested though complete.
    SeedInterested,
    /// No interest after `have`.
    HaveRaisesNoInterest,
    /// Bits are read least significant first.
    MirrorsBitfield,
    /// Requests run past the last piece.
    RequestsSpare,
    /// Requests pieces that nobody announced.
    RequestsUnannounced,
    /// Every request twice.
    RequestsTwice,
    /// One request at a time.
    OneRequestAtATime,
    /// Corrupt pieces are never asked for again.
    ForgetsCorrupt,
    /// Requests unanswered are never asked of others.
    NeverTimesOutRequests,
    /// End game without cancels.
    NoCancelInEndGame,
    /// Repeated unchokes send all requests again.
    UnchokeRepeats,
    /// The choke count must reach zero.
    CountsChokes,
    /// Late pieces close the connection.
    ClosesOnLatePiece,
    /// A second connection inherits the first one's unchoke.
    LeaksChokeState,
    /// The queue holds only so many.
    SmallQueue,
    /// Duplicate requests are answered once with fast off.
    DropsDuplicates,
    /// A block is served once per connection.
    ServesOnce,
    /// A corrupt source is asked for ever.
    NeverBansCorrupt,
    /// The first availability message is the only one that counts, and no `have` after it.
    IgnoresLaterHave,
    /// The piece data of another offset.
    WrongOffset,
    /// Duplicate availability messages hang the process.
    UploadOnlyRequests,
    /// An upload-only peer is not downloaded from.
    AvoidsUploadOnly,
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

    /// Alters our handshake.
    pub(in crate::peer) fn hello(&self, hello: &Hello<'_>, bytes: &mut Vec<u8>) {
        for fault in self.set.iter() {
            if let Effect::Hello(alter) = fault.effect {
                alter(hello, bytes);
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
    pub(in crate::peer) fn rereads(&mut self, seen: &Seen<'_>) -> Option<React> {
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

fn count(counts: &mut BTreeMap<(usize, u32), u32>, fault: usize, conn: u32) -> u32 {
    let count = counts.entry((fault, conn)).or_default();
    *count += 1;
    *count
}
