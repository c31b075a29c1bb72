//! Templates into messages and bytes: expressions get their values, bytes of the torrent are read.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::ScenarioError;
use super::eval::{Env, Expr};
use super::limits;
use super::span::Span;
use super::template::{
    BencodeTemplate, BitsSet, BitsTemplate, BlockRun, BlockSource, BytesTemplate, FieldTemplate,
    RawFrameTemplate, RawHandshake, RawPart, RawTemplate, Template, ValueTemplate,
};
use super::val::Val;
use crate::torrent::{BLOCK_LEN, PieceSet};
use crate::wire::bencode::{self, Dict};
use crate::wire::handshake::PROTOCOL;
use crate::wire::registry::{self, EXT_ID};
use crate::wire::{
    BlockRef, ExtId, ExtensionMessage, Field, Message, RawFrame, Reserved, Source, UnknownId,
};

type Result<T> = std::result::Result<T, ScenarioError>;

impl Template {
    /// The message with its values. An extension message takes its id from `peer.ext.NAME`.
    pub fn resolve(&self, env: &dyn Env) -> Result<Message> {
        let mut source = Values {
            template: self,
            env,
        };
        match ExtensionMessage::read(self.kind, &mut source)? {
            Some(payload) => Ok(payload.into_message(self.ext_id(env)?)),
            None => Message::read(self.kind, &mut source),
        }
    }

    fn ext_id(&self, env: &dyn Env) -> Result<ExtId> {
        let id = match (&self.ext_id, self.kind.extension()) {
            (Some(expr), _) => expr.eval(env)?,
            (None, None | Some("")) => return Ok(0),
            (None, Some(name)) => {
                let path = format!("peer.ext.{name}");
                Expr::variable(&self.span, &path).eval(env)?
            }
        };
        number(&id, &self.span, EXT_ID.name)
    }
}

/// Hands the template's values to the walk over a message's fields.
struct Values<'a> {
    template: &'a Template,
    env: &'a dyn Env,
}

impl Values<'_> {
    fn find(&self, field: &'static Field) -> Option<&FieldTemplate> {
        self.template
            .fields
            .iter()
            .find(|given| given.field.name == field.name)
    }

    fn require(&self, field: &'static Field) -> Result<&FieldTemplate> {
        self.find(field).ok_or_else(|| {
            let message = format!("`{}` without `{}`", self.template.kind.name(), field.name);
            ScenarioError::runtime(&self.template.span, message)
        })
    }

    fn number<N: TryFrom<i128>>(&self, field: &'static Field) -> Result<N> {
        let given = self.require(field)?;
        match &given.value {
            ValueTemplate::Int(expr) => number(&expr.eval(self.env)?, &expr.span, field.name),
            _ => Err(ScenarioError::runtime(
                &given.span,
                format!("`{}` is a number", field.name),
            )),
        }
    }
}

impl Source for Values<'_> {
    type Error = ScenarioError;

    fn u8(&mut self, field: &'static Field) -> Result<u8> {
        if field == &EXT_ID && self.find(field).is_none() {
            return self.template.ext_id(self.env);
        }
        self.number(field)
    }

    fn u16(&mut self, field: &'static Field) -> Result<u16> {
        self.number(field)
    }

    fn u32(&mut self, field: &'static Field) -> Result<u32> {
        self.number(field)
    }

    fn hash(&mut self, field: &'static Field) -> Result<[u8; 32]> {
        let bytes = self.bytes(field)?;
        <[u8; 32]>::try_from(bytes.as_ref()).map_err(|_| {
            let message = format!("`{}` is 32 bytes, got {}", field.name, bytes.len());
            ScenarioError::runtime(&self.template.span, message)
        })
    }

    fn bytes(&mut self, field: &'static Field) -> Result<Bytes> {
        let given = self.require(field)?;
        match &given.value {
            ValueTemplate::Bytes(bytes) => bytes.resolve(self.env),
            _ => Err(ScenarioError::runtime(
                &given.span,
                format!("`{}` is bytes", field.name),
            )),
        }
    }

    fn unknown_id(&mut self, field: &'static Field) -> Result<UnknownId> {
        let id = self.number(field)?;
        UnknownId::new(id).ok_or_else(|| {
            ScenarioError::runtime(
                &self.template.span,
                format!("id {id} belongs to a message: write `send_raw: {{frame: …}}`"),
            )
        })
    }

    fn int(&mut self, field: &'static Field) -> Result<i128> {
        self.number(field)
    }

    fn optional_int(&mut self, field: &'static Field) -> Result<Option<i128>> {
        match self.find(field) {
            Some(_) => self.number(field).map(Some),
            None => Ok(None),
        }
    }

    fn dict(&mut self, field: &'static Field) -> Result<Dict> {
        match &self.require(field)?.value {
            ValueTemplate::Bencode(BencodeTemplate::Dict(entries)) => dict(entries, self.env),
            _ => Err(ScenarioError::runtime(
                &self.template.span,
                format!("`{}` is a dictionary", field.name),
            )),
        }
    }
}

fn number<N: TryFrom<i128>>(value: &Val, span: &Span, what: &str) -> Result<N> {
    let Val::Int(n) = value else {
        let message = format!("`{what}` is a number, got {}", value.kind());
        return Err(ScenarioError::runtime(span, message));
    };
    N::try_from(*n)
        .map_err(|_| ScenarioError::runtime(span, format!("{n} does not fit into `{what}`")))
}

impl BytesTemplate {
    /// The bytes.
    pub fn resolve(&self, env: &dyn Env) -> Result<Bytes> {
        match self {
            Self::Literal(bytes) => Ok(bytes.clone()),
            Self::Expr(expr) => match expr.eval(env)? {
                Val::Bytes(bytes) => Ok(bytes),
                Val::Text(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
                other => Err(ScenarioError::runtime(
                    &expr.span,
                    format!("expected bytes, got {}", other.kind()),
                )),
            },
            Self::Repeat(unit, times) => {
                let unit = unit.resolve(env)?;
                let count = times.eval_u64(env)?;
                let all = count.checked_mul(unit.len() as u64);
                match all.and_then(|all| usize::try_from(all).ok()) {
                    Some(all) if all as u64 <= limits::SENT_LEN => {
                        Ok(unit.repeat(all.checked_div(unit.len()).unwrap_or(0)).into())
                    }
                    _ => Err(too_long(&times.span)),
                }
            }
            Self::Concat(parts) => {
                let parts = parts.iter().map(|part| part.resolve(env));
                joined(parts.collect::<Result<Vec<_>>>()?)
            }
            Self::Block {
                of,
                index,
                begin,
                length,
            } => block(*of, index, begin, length, env),
            Self::Info { piece } => info(piece, env),
            Self::Bits(bits) => bits.resolve(env),
            Self::Flip(inner) => Ok(flipped(&inner.resolve(env)?)),
            Self::Bencode { value, as_is } => {
                let value = value.resolve(env)?;
                Ok(if *as_is {
                    bencode::encode_as_is(&value).into()
                } else {
                    bencode::encode_canonical(&value).into()
                })
            }
            Self::Uint(expr, width) => {
                let n: u32 = number(&expr.eval(env)?, &expr.span, "number")?;
                let bytes = n.to_be_bytes();
                let start = bytes.len().saturating_sub(usize::from(*width));
                let (dropped, kept) = bytes.split_at_checked(start).unwrap_or((&[], &bytes));
                if dropped.iter().any(|byte| *byte != 0) {
                    let message = format!("{n} does not fit into {width} bytes");
                    return Err(ScenarioError::runtime(&expr.span, message));
                }
                Ok(Bytes::copy_from_slice(kept))
            }
        }
    }
}

fn too_long(span: &Span) -> ScenarioError {
    ScenarioError::runtime(span, format!("more than {} bytes", limits::SENT_LEN))
}

fn joined(parts: Vec<Bytes>) -> Result<Bytes> {
    let mut all = BytesMut::new();
    for part in parts {
        all.put_slice(&part);
    }
    Ok(all.freeze())
}

/// The lowest bit of the last byte flipped.
fn flipped(bytes: &Bytes) -> Bytes {
    let mut bytes = BytesMut::from(bytes.as_ref());
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.freeze()
}

fn block(
    of: BlockSource,
    index: &Expr,
    begin: &Expr,
    length: &Expr,
    env: &dyn Env,
) -> Result<Bytes> {
    let wanted = BlockRef {
        index: number(&index.eval(env)?, &index.span, "index")?,
        begin: number(&begin.eval(env)?, &begin.span, "begin")?,
        length: number(&length.eval(env)?, &length.span, "length")?,
    };
    if u64::from(wanted.length) > limits::SENT_LEN {
        return Err(too_long(&length.span));
    }
    if of == BlockSource::Zeros {
        let length = usize::try_from(wanted.length).unwrap_or(0);
        return Ok(vec![0; length].into());
    }
    let bytes = env.block(&wanted).ok_or_else(|| {
        ScenarioError::runtime(
            &length.span,
            format!(
                "the torrent has no block at index {}, begin {}, length {}",
                wanted.index, wanted.begin, wanted.length
            ),
        )
    })?;
    Ok(match of {
        BlockSource::Corrupt => flipped(&bytes),
        BlockSource::Torrent | BlockSource::Zeros => bytes,
    })
}

fn info(piece: &Expr, env: &dyn Env) -> Result<Bytes> {
    let number: u32 = number(&piece.eval(env)?, &piece.span, "piece")?;
    let info = env
        .info()
        .ok_or_else(|| ScenarioError::runtime(&piece.span, "the info dictionary is not here"))?;
    let start = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_mul(INFO_PIECE))
        .filter(|start| *start < info.len())
        .ok_or_else(|| {
            ScenarioError::runtime(
                &piece.span,
                format!("the info dictionary has no piece {number}"),
            )
        })?;
    let end = start.saturating_add(INFO_PIECE).min(info.len());
    Ok(info.slice(start..end))
}

impl BitsTemplate {
    fn resolve(&self, env: &dyn Env) -> Result<Bytes> {
        let pieces: u32 = match env.get("torrent.pieces") {
            Some(Val::Int(n)) => u32::try_from(n).unwrap_or(u32::MAX).min(MOST_PIECES),
            _ => 0,
        };
        let set = match &self.set {
            BitsSet::All => PieceSet::all(pieces),
            BitsSet::None => PieceSet::none(pieces),
            BitsSet::Pieces(expr) => chosen(expr, pieces, env)?,
            BitsSet::AllBut(expr) => {
                let without = chosen(expr, pieces, env)?;
                PieceSet::of(pieces, without.missing())
            }
        };
        let mut bits = BytesMut::from(set.to_bitfield().as_ref());
        let used = pieces % 8;
        if self.spare
            && used != 0
            && let Some(last) = bits.last_mut()
        {
            *last |= 0xff >> used;
        }
        let len = i64::try_from(bits.len()).unwrap_or(i64::MAX);
        let len = usize::try_from(len.saturating_add(self.extra.into())).unwrap_or(0);
        bits.resize(len, 0);
        Ok(bits.freeze())
    }
}

fn chosen(expr: &Expr, pieces: u32, env: &dyn Env) -> Result<PieceSet> {
    let list = expr.eval_pieces(env)?;
    match list.iter().find(|index| **index >= pieces) {
        Some(index) => Err(ScenarioError::runtime(
            &expr.span,
            format!("the torrent has {pieces} pieces, none with index {index}"),
        )),
        None => Ok(PieceSet::of(pieces, list)),
    }
}

impl BencodeTemplate {
    fn resolve(&self, env: &dyn Env) -> Result<bencode::Value> {
        Ok(match self {
            Self::Int(n) => bencode::Value::Int(*n),
            Self::Expr(expr) => of_val(expr.eval(env)?),
            Self::Bytes(bytes) => bencode::Value::Bytes(bytes.resolve(env)?),
            Self::List(list) => bencode::Value::List(
                list.iter()
                    .map(|entry| entry.resolve(env))
                    .collect::<Result<_>>()?,
            ),
            Self::Dict(entries) => bencode::Value::Dict(dict(entries, env)?),
        })
    }
}

fn dict(entries: &[(Bytes, BencodeTemplate)], env: &dyn Env) -> Result<Dict> {
    entries
        .iter()
        .map(|(key, value)| Ok((key.clone(), value.resolve(env)?)))
        .collect()
}

fn of_val(value: Val) -> bencode::Value {
    match value {
        Val::Int(n) => bencode::Value::Int(n),
        Val::Bool(b) => bencode::Value::Int(b.into()),
        Val::Bytes(bytes) => bencode::Value::Bytes(bytes),
        Val::Text(text) => bencode::Value::text(&text),
        Val::List(list) => bencode::Value::List(list.into_iter().map(of_val).collect()),
    }
}

impl RawTemplate {
    /// The bytes, `skip` and `take` applied.
    pub fn resolve(&self, env: &dyn Env) -> Result<Bytes> {
        let mut bytes = self.part.resolve(env, &self.span)?;
        let cut = |expr: &Expr, len: usize| -> Result<usize> {
            let at = expr.eval_u64(env)?;
            Ok(usize::try_from(at).unwrap_or(usize::MAX).min(len))
        };
        if let Some(skip) = &self.skip {
            let at = cut(skip, bytes.len())?;
            bytes = bytes.split_off(at);
        }
        if let Some(take) = &self.take {
            let at = cut(take, bytes.len())?;
            bytes.truncate(at);
        }
        Ok(bytes)
    }
}

impl RawPart {
    fn resolve(&self, env: &dyn Env, span: &Span) -> Result<Bytes> {
        match self {
            Self::Bytes(bytes) => bytes.resolve(env),
            Self::Handshake(handshake) => handshake.resolve(env, span),
            Self::Frame(frame) => frame.resolve(env),
            Self::Message(message) => Ok(message.resolve(env)?.encode()),
            Self::Haves(count) => haves(count, env),
            Self::Blocks(run) => run.resolve(env),
            Self::Concat(parts) => {
                let parts = parts.iter().map(|part| part.resolve(env, span));
                joined(parts.collect::<Result<Vec<_>>>()?)
            }
        }
    }
}

/// From the first piece on; fewer if the torrent has fewer.
fn haves(count: &Expr, env: &dyn Env) -> Result<Bytes> {
    let pieces = match env.get("torrent.pieces") {
        Some(Val::Int(n)) => u64::try_from(n).unwrap_or(0),
        _ => 0,
    };
    let wanted = count.eval_u64(env)?.min(pieces);
    let mut out = BytesMut::new();
    for index in 0..u32::try_from(wanted).unwrap_or(u32::MAX) {
        Message::Have { index }.encode_to(&mut out);
    }
    Ok(out.freeze())
}

impl BlockRun {
    /// Whole blocks only, so that all have the usual length; fewer if the torrent is small.
    fn resolve(&self, env: &dyn Env) -> Result<Bytes> {
        let number = |path: &str| match env.get(path) {
            Some(Val::Int(n)) => u64::try_from(n).unwrap_or(0),
            _ => 0,
        };
        let given = |expr: &Option<Expr>, usual: u64| {
            let value = expr.as_ref().map_or(Ok(usual), |expr| expr.eval_u64(env))?;
            Ok(usize::try_from(value).unwrap_or(usize::MAX))
        };
        let wanted = given(&Some(self.count.clone()), 0)?;
        let (first, every) = (given(&self.first, 0)?, given(&self.every, 1)?);
        let (pieces, piece_len) = (number("torrent.pieces"), number("torrent.piece_len"));
        let block_len = u64::from(BLOCK_LEN);
        let mut out = BytesMut::new();
        // The last piece may be short.
        let blocks = (0..pieces.saturating_sub(1)).flat_map(|index| {
            (0..piece_len / block_len).map(move |block| (index, block * block_len))
        });
        for (index, begin) in blocks.skip(first).step_by(every.max(1)).take(wanted) {
            let narrow = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            let block = BlockRef {
                index: narrow(index),
                begin: narrow(begin),
                length: BLOCK_LEN,
            };
            let message = if self.cancels {
                Message::Cancel(block)
            } else {
                Message::Request(block)
            };
            message.encode_to(&mut out);
        }
        Ok(out.freeze())
    }
}

impl RawHandshake {
    fn resolve(&self, env: &dyn Env, span: &Span) -> Result<Bytes> {
        let bytes = |template: &Option<BytesTemplate>, default: &dyn Fn() -> Result<Bytes>| {
            template
                .as_ref()
                .map_or_else(default, |template| template.resolve(env))
        };
        let variable = |path: &'static str| {
            move || BytesTemplate::Expr(Expr::variable(span, path)).resolve(env)
        };
        let pstr = bytes(&self.pstr, &|| Ok(Bytes::from_static(PROTOCOL)))?;
        let pstrlen: u8 = match &self.pstrlen {
            Some(expr) => number(&expr.eval(env)?, &expr.span, "pstrlen")?,
            None => u8::try_from(pstr.len()).unwrap_or(u8::MAX),
        };
        let reserved = match &self.reserved {
            Some(expr) => reserved(expr, env)?,
            None => Reserved::with(DEFAULT_RESERVED),
        };
        joined(vec![
            Bytes::copy_from_slice(&[pstrlen]),
            pstr,
            Bytes::copy_from_slice(&reserved.0),
            bytes(&self.info_hash, &variable("torrent.info_hash"))?,
            bytes(&self.peer_id, &variable("tester.peer_id"))?,
        ])
    }
}

impl RawFrameTemplate {
    fn resolve(&self, env: &dyn Env) -> Result<Bytes> {
        let body = match &self.message {
            Some(message) => message.resolve(env)?.encode().split_off(4),
            None => {
                let mut body = BytesMut::new();
                if let Some(id) = &self.id {
                    body.put_u8(number(&id.eval(env)?, &id.span, "id")?);
                }
                if let Some(payload) = &self.payload {
                    body.put_slice(&payload.resolve(env)?);
                }
                body.freeze()
            }
        };
        let frame = match &self.length {
            Some(length) => {
                let told = number(&length.eval(env)?, &length.span, "length")?;
                RawFrame::with_length(told, &body)
            }
            None => RawFrame::framed(&body),
        };
        Ok(frame.bytes().clone())
    }
}

/// The eight reserved bytes that an expression names: a list of bits by name, or the bytes.
pub fn reserved(expr: &Expr, env: &dyn Env) -> Result<Reserved> {
    let fault = |message: String| ScenarioError::runtime(&expr.span, message);
    match expr.eval(env)? {
        Val::Bytes(bytes) => <[u8; 8]>::try_from(bytes.as_ref())
            .map(Reserved)
            .map_err(|_| fault(format!("`reserved` is 8 bytes, got {}", bytes.len()))),
        Val::List(list) => {
            let mut reserved = Reserved::default();
            for entry in &list {
                let Val::Text(name) = entry else {
                    let message = format!("`reserved` lists names, got {}", entry.kind());
                    return Err(fault(message));
                };
                let bit = registry::RESERVED_BITS
                    .iter()
                    .find(|bit| *bit.name == **name)
                    .ok_or_else(|| fault(format!("unknown reserved bit `{name}`")))?;
                reserved.set_bit(bit);
            }
            Ok(reserved)
        }
        other => Err(fault(format!(
            "`reserved` is a list of names, got {}",
            other.kind()
        ))),
    }
}

/// What a connection offers unless the author says.
pub const DEFAULT_RESERVED: &[crate::wire::Capability] = &[
    crate::wire::Capability::Fast,
    crate::wire::Capability::Extended,
];

/// BEP 9 cuts the info dictionary into pieces of 16 KiB.
const INFO_PIECE: usize = 16 * 1024;

/// More pieces than any torrent has: bounds a bitfield built for an environment.
const MOST_PIECES: u32 = 1 << 24;
