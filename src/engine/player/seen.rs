//! What arrived, in the order of arrival: the log that steps search.

use std::cell::OnceCell;
use std::time::Duration;

use bytes::Bytes;

use super::conn::Index;
use crate::scenario::MessageView;
use crate::session::Event;
use crate::trace::{CloseHow, What};
use crate::wire::{ExtensionMessage, Frame};

/// One thing that the target sent or did on a connection.
pub(super) struct Seen {
    pub(super) conn: Index,
    /// What it was and what it means.
    pub(super) event: Event,
    view: OnceCell<Option<MessageView>>,
}

impl Seen {
    pub(super) fn new(conn: Index, event: Event) -> Self {
        Self {
            conn,
            event,
            view: OnceCell::new(),
        }
    }

    pub(super) fn at(&self) -> Duration {
        self.event.observation.at
    }

    pub(super) fn what(&self) -> &What {
        &self.event.observation.what
    }

    /// How the target closed, if this is its close.
    pub(super) fn close(&self) -> Option<CloseHow> {
        match self.what() {
            What::Closed(how) => Some(*how),
            _ => None,
        }
    }

    /// As patterns see it; `None` for what is no message.
    pub(super) fn view(&self) -> Option<&MessageView> {
        self.view.get_or_init(|| self.build_view()).as_ref()
    }

    fn build_view(&self) -> Option<MessageView> {
        let observation = &self.event.observation;
        match &observation.what {
            What::Handshake(handshake) => Some(MessageView::handshake(handshake)),
            What::Message(message) => Some(match &self.event.payload {
                Some(Ok(payload)) => MessageView::extended(message, payload),
                _ => MessageView::message(message),
            }),
            What::Undecodable(_) => {
                let mut raw: Bytes = observation.raw.clone();
                Frame::split_from(&mut raw).map(|frame| MessageView::malformed(&frame))
            }
            What::OverLimit { .. } => Some(MessageView::over_limit()),
            _ => None,
        }
    }

    /// The extension message in it, if its payload could be read.
    pub(super) fn payload(&self) -> Option<&ExtensionMessage> {
        self.event.payload.as_ref()?.as_ref().ok()
    }

    /// Whether it is a message that is no keep-alive, or a frame that does not decode.
    pub(super) fn is_message(&self) -> bool {
        self.view().is_some_and(|view| !view.is_keep_alive())
            && !matches!(self.what(), What::Handshake(_))
    }

    /// Its name for reports.
    pub(super) fn name(&self) -> String {
        match self.what() {
            What::Handshake(_) => "handshake".to_owned(),
            What::BadHandshake(error) => format!("no handshake ({error})"),
            What::Message(message) => match self.payload() {
                Some(payload) => payload.kind().name().to_owned(),
                None => message.name().to_owned(),
            },
            What::Undecodable(error) => format!("malformed frame ({error})"),
            What::OverLimit { length } => format!("length prefix of {length}"),
            What::Trailing => "an unfinished frame".to_owned(),
            What::Opaque => "bytes".to_owned(),
            What::Closed(how) => format!("close ({})", how.name()),
            What::Quiet => "nothing".to_owned(),
        }
    }
}
