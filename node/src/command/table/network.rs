//! Rows: what the node does on the network.

use hobnob_engine::command::{Command, Refusal};

use super::{Arg, ROW, Spec};
use crate::command::{Action, args::Args};

pub(super) const ROWS: &[Spec] = &[
    Spec {
        name: "net",
        usage: "/net",
        help: "where your node listens, who is connected, and why others are not",
        parse: |_| Ok(Action::Ask(Command::Net)),
        ..ROW
    },
    Spec {
        name: "peers",
        usage: "/peers",
        help: "list the live sessions, device by device",
        parse: |_| Ok(Action::Ask(Command::Peers)),
        ..ROW
    },
    Spec {
        name: "connect",
        usage: "/connect [@bob] ADDRESS",
        help: "try a friend at an address, or a node in pairing mode (/nearby on)",
        examples: &[
            ("/connect @bob 192.0.2.7:4001", "Bob has moved there"),
            ("/connect 192.0.2.9:4001", "a node whose person typed /nearby on"),
        ],
        args: &[Arg::Friend, Arg::Anything],
        parse: connect,
        ..ROW
    },
    Spec {
        name: "ping",
        usage: "/ping [@bob]",
        help: "measure the way to a friend and back",
        args: &[Arg::Friend],
        parse: |args| Ok(Action::Ask(Command::Ping { chat: friend_or_current(args)? })),
        ..ROW
    },
    Spec {
        name: "outbox",
        usage: "/outbox [retry or cancel N]",
        help: "show what is not delivered; try again now, or withdraw a message",
        more: "Waiting messages go out by themselves. What one device of a friend has is delivered; how much their other \
               devices lack is said at the end. Only one that no device has stored yet can be withdrawn.",
        args: &[Arg::Word(&["retry", "cancel"]), Arg::Message],
        parse: outbox,
        ..ROW
    },
];

/// A bare name will do here.
fn friend_or_current(args: &mut Args<'_>) -> Result<hobnob_shared::text::Handle, Refusal> {
    if args.peek().is_some() { args.friend() } else { args.current() }
}

fn connect(args: &mut Args<'_>) -> Result<Action, Refusal> {
    let first = args.need("an address")?;
    if !first.starts_with('@') {
        return Ok(Action::Ask(Command::ConnectNearby { address: first }));
    }
    let chat = args.handle(&first)?;
    Ok(Action::Ask(Command::Connect { chat, address: args.need("an address")? }))
}

fn outbox(args: &mut Args<'_>) -> Result<Action, Refusal> {
    match args.word()?.as_deref() {
        None => Ok(Action::Ask(Command::Outbox)),
        Some("retry") => Ok(Action::Ask(Command::OutboxRetry)),
        Some("cancel") => Ok(Action::Ask(Command::OutboxCancel { which: args.which()? })),
        Some(other) => Err(args.refuse(format_args!("{other:?} is neither retry nor cancel"))),
    }
}
