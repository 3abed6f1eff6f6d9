//! Questions to one rendezvous, each over the same session: what was begun in one cannot go on in another.

use hobnob_shared::{
    id::AccountId,
    identity::verifying_key,
    text::{Username, display},
    wire::{
        ErrorCode, ServerFrame,
        rendezvous::{NameGet, Registration, Status},
    },
};

use crate::api::{Code, Command, Node, Refusal, Reply, ServerView};

/// A talk with one rendezvous.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    node: &'a Node,
    server: &'a ServerView,
    guest: bool,
    session: Option<[u8; 32]>,
}

impl<'a> Talk<'a> {
    /// Begins one, as a guest or as our account.
    pub(super) fn new(node: &'a Node, server: &'a ServerView, guest: bool) -> Self {
        Self { node, server, guest, session: None }
    }

    /// Asks, and has the answer over the session that the first question went over.
    pub(super) async fn ask(&mut self, request: ServerFrame) -> Result<ServerFrame, Refusal> {
        let server = Some(Box::new(self.server.address.clone()));
        let command = Command::Ask { server, guest: self.guest, request: Box::new(request) };
        let Reply::Answered { frame, session } = self.node.ask(command).await? else { return Err(odd(self.server)) };
        if self.session.replace(session).is_some_and(|before| before != session) {
            let message = format!("the connection to {} broke on the way; nothing was changed. Try again", self.host());
            return Err(Refusal::new(Code::Network, message));
        }
        Ok(*frame)
    }

    /// The handshake hash of the session, once something was answered.
    pub(super) fn session(&self) -> [u8; 32] {
        self.session.unwrap_or_default()
    }

    /// What the rendezvous says of itself.
    pub(super) async fn status(&mut self) -> Result<Status, Refusal> {
        let answer = self.ask(ServerFrame::StatusGet).await?;
        let ServerFrame::Status(status) = answer else { return Err(odd(self.server)) };
        status.check_versions().map_err(|why| {
            Refusal::new(Code::Unsupported, format!("{} cannot be used: {why}; nothing was changed", self.host()))
        })?;
        Ok(status)
    }

    /// Where.
    pub(super) fn server(&self) -> &'a ServerView {
        self.server
    }

    /// What names it to the password's protocol.
    pub(super) fn key_text(&self) -> String {
        self.server.address.key_text()
    }

    /// For people.
    pub(super) fn host(&self) -> &'a str {
        &self.server.called
    }
}

/// Which rendezvous is meant: the one that this word names, or the only one.
pub(super) async fn server(node: &Node, place: Option<&str>) -> Result<ServerView, Refusal> {
    let Reply::Servers(servers) = node.ask(Command::Servers).await? else { return Err(strange()) };
    let mut fitting = fitting(servers, place);
    match (fitting.pop(), fitting.is_empty(), place) {
        (Some(one), true, _) => Ok(one),
        (Some(last), false, _) => {
            fitting.push(last);
            let what = match place {
                Some(place) => format!("{} fits several rendezvous", display::line(place)),
                None => "several rendezvous are in use".to_owned(),
            };
            Err(several(&what, &fitting))
        }
        (None, _, Some(place)) => {
            let place = display::line(place);
            let message = if place.is_empty() {
                "nothing stands behind the @: NAME@HOST, or NAME alone where one rendezvous is in use".to_owned()
            } else {
                format!("no rendezvous at {place} is in use; /set rendezvous ADDRESS adds one, /net lists them")
            };
            Err(Refusal::new(Code::NotFound, message))
        }
        (None, _, None) => {
            let message = "no rendezvous is in use; get the address of one from whoever runs it, then /set rendezvous \
                           ADDRESS (or start hobnob with --rendezvous ADDRESS)";
            Err(Refusal::new(Code::NotFound, message))
        }
    }
}

/// Which rendezvous has our name: the one that this word names, or the only one.
pub(super) async fn home(node: &Node, place: Option<&str>) -> Result<(ServerView, Username), Refusal> {
    let Reply::Servers(servers) = node.ask(Command::Servers).await? else { return Err(strange()) };
    let mut ours = fitting(servers, place);
    ours.retain(|one| one.name.is_some());
    match ours.as_slice() {
        [one] => one.name.clone().map(|name| (one.clone(), name)).ok_or_else(nowhere),
        [] => Err(nowhere()),
        several => Err(self::several("you have names at several rendezvous", several)),
    }
}

/// What a rendezvous still knows of the name that we have there, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It is ours, and so is this device.
    Ours,
    /// It is ours, and this device is none of the account's there: the newest record does not list it.
    NotThisDevice,
    /// It has no such account: it was set back, or has lost what it had.
    Forgotten,
}

/// Asks the rendezvous. What this device remembers may be out of date.
pub(super) async fn known(node: &Node, server: &ServerView, name: &Username) -> Result<Known, Refusal> {
    let Reply::MyAccount(account) = node.ask(Command::MyAccount).await? else { return Err(strange()) };
    let put = Talk::new(node, server, false).ask(ServerFrame::AccountPut(*account)).await;
    let refusal = match put {
        Ok(_) => return Ok(Known::Ours),
        Err(refusal) => refusal,
    };
    match refusal.said {
        // It has another record of ours, so it has the account.
        Some(ErrorCode::Stale { .. } | ErrorCode::Conflict) => Ok(Known::Ours),
        Some(ErrorCode::Denied) => is_there(node, server, name).await,
        _ => Err(refusal),
    }
}

/// Whose name it is, for a device that is turned away.
async fn is_there(node: &Node, server: &ServerView, name: &Username) -> Result<Known, Refusal> {
    let me = who_am_i(node).await?;
    let mut talk = Talk::new(node, server, true);
    let status = talk.status().await?;
    let asked = talk.ask(ServerFrame::NameGet(NameGet { name: name.clone(), since: None })).await;
    let binding = match asked {
        Ok(ServerFrame::Name(answer)) => answer.binding,
        Ok(_) => return Err(odd(server)),
        Err(refusal) if refusal.said == Some(ErrorCode::NotFound) => return Ok(Known::Forgotten),
        Err(refusal) => return Err(refusal),
    };
    let owner = verifying_key(&status.signing_key).and_then(|key| binding.verify(&key)).map(|bound| bound.account);
    if owner.is_ok_and(|owner| owner == me) { Ok(Known::NotThisDevice) } else { Ok(Known::Forgotten) }
}

pub(super) async fn who_am_i(node: &Node) -> Result<AccountId, Refusal> {
    let Reply::WhoAmI(me) = node.ask(Command::WhoAmI).await? else { return Err(strange()) };
    Ok(me.account)
}

fn fitting(servers: Vec<ServerView>, place: Option<&str>) -> Vec<ServerView> {
    let is_meant = |one: &ServerView| place.is_none_or(|place| one.address.answers_to(place));
    servers.into_iter().filter(is_meant).collect()
}

/// Which ones, as they are typed.
fn several(what: &str, servers: &[ServerView]) -> Refusal {
    let names: Vec<_> = servers.iter().map(|one| display::line(&one.called)).collect();
    let (list, first) = (names.join(" or "), names.first().map_or("HOST", String::as_str));
    let message = format!("{what}: say which one, {list}. Behind a name it stands so: alice@{first}");
    Refusal::new(Code::Usage, message)
}

fn nowhere() -> Refusal {
    Refusal::new(Code::Conflict, "you have no name there; /register NAME or /login NAME gives you one")
}

/// Whether anybody may register there, before any work is done for it.
pub(super) fn may_register(registration: Registration, has_code: bool, host: &str) -> Result<(), Refusal> {
    match registration {
        Registration::Closed => {
            let message = format!("{host} registers nobody; use another rendezvous");
            Err(Refusal::new(Code::Unsupported, message))
        }
        Registration::Invite if !has_code => {
            let message = format!("{host} registers only who has a code of its operator's; add --invite CODE");
            Err(Refusal::new(Code::Usage, message))
        }
        Registration::Invite | Registration::Open { .. } => Ok(()),
    }
}

/// A refusal of the rendezvous in the words of what was asked.
pub(super) fn refused_registration(refusal: Refusal, name: &Username, host: &str) -> Refusal {
    let said = |code, message| Refusal { code, message, ..refusal.clone() };
    match refusal.said {
        Some(ErrorCode::Conflict) => said(
            Code::Conflict,
            format!(
                "{name} is taken at {host}, or this account has another name there; nothing was changed. If it is yours, \
                 /login {name}; with a forgotten password, /register {name} on a device that is still logged in or restored \
                 with hobnob init --recover. Or take another name"
            ),
        ),
        Some(ErrorCode::Denied) => said(
            Code::Limited,
            format!("{host} does not take this registration; if you gave a code, it is wrong or used"),
        ),
        Some(ErrorCode::Expired) => {
            said(Code::Limited, format!("the code has expired; ask the operator of {host} for another"))
        }
        _ => refusal,
    }
}

/// Whether a password of a name was wrong, so that another one may be typed. Anything else that stands in the way of it, as
/// too many guesses, is said by the rendezvous.
pub fn is_wrong_password(refusal: &Refusal) -> bool {
    refusal.code == Code::Login && refusal.said.is_none()
}

/// One answer to a wrong password, a name that is not there, and one that is hidden.
pub(super) fn wrong_login(host: &str) -> Refusal {
    let message = format!(
        "the name or the password is wrong at {host}; nothing was changed. Both are taken exactly as typed. A forgotten \
         password: /register NAME sets another one, on a device of the account, or after hobnob init --recover FILE has \
         restored the account from its 24 words"
    );
    Refusal::new(Code::Login, message)
}

/// An answer to something else than was asked.
pub(super) fn odd(server: &ServerView) -> Refusal {
    let message = format!(
        "{} answers something else than was asked; nothing was changed. It may be of another version: ask its operator",
        server.called
    );
    Refusal::new(Code::Unsupported, message)
}

/// An answer of our own node to something else than was asked.
pub(super) fn strange() -> Refusal {
    Refusal::new(Code::Internal, "the node answered something else; this is a bug, please report it")
}
