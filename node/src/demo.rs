//! `hobnob demo`: a conversation that needs nobody else.
//!
//! Two real nodes on loopback, each on a profile of its own in a temporary directory, become friends through an
//! ordinary invite link. The person drives one; the other answers messages through the same [`Node`] that every front
//! end uses. Nothing of the person's own profile is read or changed, and both profiles are removed at the end.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use hobnob_shared::{
    identity::Invite,
    text::{Handle, MessageText, Nickname, Note},
};

use crate::{
    api::{
        Code, Command, Event, Events, InviteTerms, Message, MessageKind, Node, Refusal, Reply, StartOptions,
        command::From,
    },
    cli::{Session, Signals, async_runtime, front_end},
    profile::{self, OpenedProfile},
};

/// How long the two may take to become friends. It is a second at most, unless the machine is very busy.
const FRIENDS_WITHIN: Duration = Duration::from_secs(30);

/// Loopback only: nobody else can reach the demo.
const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";

const WELCOME: &str = "\
This is a demo: @echo is a second node on this machine, and you two are friends already. Write to it and it answers; \
everything on the way is the real thing. /help lists all commands, /quit ends the demo and removes it.
Try: hello   /info ^   /react ^ 👍   /reply ^ nice   /verify @echo   /history
";

const HELLO: &str = "Hi! I am the echo of this demo. Write me something, and I write it back. Type help for ideas.";

const IDEAS: &str = "\
Things to try with me:
/reply ^ TEXT answers my last message, /react ^ 👍 reacts to it, /edit ^ TEXT changes yours, /del ^ takes it back.
/info ^ shows how far a message got and who signed it. /verify @echo shows the words two people compare.
/away lunch shows me that you are away. /expire 1h lets messages from now on disappear.
When you are done: /quit, then start hobnob and send a friend the link of /invite-link.";

/// Runs the demo with the front end that fits `session`.
pub(crate) fn run(session: &Session) -> Result<u8, Refusal> {
    async_runtime()?.block_on(visit(session))
}

/// The same for somebody who comes from a chat, and goes back to it.
pub(crate) async fn visit(session: &Session) -> Result<u8, Refusal> {
    let home = Home::new().map_err(|why| failed("make a temporary directory", &why))?;
    let session = Session { is_demo: true, ..session.clone() };
    let ended = play(&home, &session).await;
    home.remove().map_err(|why| failed("remove its temporary directory", &why))?;
    ended
}

fn failed(what: &str, why: &io::Error) -> Refusal {
    Refusal::new(Code::Internal, format!("the demo cannot {what}: {why}"))
}

async fn play(home: &Home, session: &Session) -> Result<u8, Refusal> {
    let mut signals = Signals::new()?;
    let echo = start(&home.path.join("echo"), "Echo").await?;
    let you = match start(&home.path.join("you"), "You").await {
        Ok(you) => you,
        Err(refusal) => {
            echo.shutdown().await;
            return Err(refusal);
        }
    };
    let ready = tokio::select! {
        biased;
        code = signals.next() => Ok(Some(code)),
        ready = tokio::time::timeout(FRIENDS_WITHIN, befriend(&echo, &you)) => match ready {
            Ok(friends) => friends.map(|()| None),
            Err(_) => Err(Refusal::new(Code::Network, "the two nodes of the demo did not find each other on loopback")),
        },
    };
    let ended = match ready {
        Ok(None) => converse(&echo, &you, session, signals).await,
        Ok(Some(code)) => Ok(code),
        Err(refusal) => Err(refusal),
    };
    you.shutdown().await;
    echo.shutdown().await;
    ended
}

async fn start(dir: &Path, name: &str) -> Result<Node, Refusal> {
    let name = Nickname::parse(name).map_err(|why| Refusal::new(Code::Internal, why.to_string()))?;
    let _words = profile::create(dir, &name, None)?;
    let mut options = StartOptions::new(OpenedProfile::open(dir, None)?, vec![LISTEN.to_owned()]);
    options.mdns = false;
    Ok(Node::start(options).await?)
}

/// The way every two people go: one makes a link, the other uses it.
async fn befriend(echo: &Node, you: &Node) -> Result<(), Refusal> {
    let mut events = [echo.events(), you.events()];
    let terms = InviteTerms { uses: 1, lifetime_secs: 3600, auto_accept: true };
    let Reply::Invite { link, .. } = echo.ask(Command::CreateInvite(terms)).await? else {
        return Err(Refusal::new(Code::Internal, "the demo got no invite link"));
    };
    let invite: Invite = link.parse().map_err(|_| Refusal::new(Code::Internal, "the demo's invite link is broken"))?;
    let note = Note::parse("").map_err(|why| Refusal::new(Code::Internal, why.to_string()))?;
    you.ask(Command::Add { invite: Box::new(invite), note }).await?;
    for side in &mut events {
        until(side, |event| matches!(event, Event::FriendAdded(_))).await?;
    }
    Ok(())
}

async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Result<(), Refusal> {
    while let Some(event) = events.next().await {
        if wanted(&event) {
            return Ok(());
        }
    }
    Err(Refusal::new(Code::Internal, "the demo's node stopped"))
}

async fn converse(echo: &Node, you: &Node, session: &Session, signals: Signals) -> Result<u8, Refusal> {
    let bot = tokio::spawn(answer_all(echo.clone(), echo.events()));
    let mut news = you.events();
    greet(echo).await?;
    // The front end finds it there. Without it the demo is as good, so nothing depends on it.
    let _ = tokio::time::timeout(FRIENDS_WITHIN, until(&mut news, |event| matches!(event, Event::Message(_)))).await;
    if !session.json {
        crate::cli::tell(WELCOME);
    }
    let ended = front_end(you, session, None, signals).await;
    bot.abort();
    ended
}

/// The echo says hello first, so that the person sees how a message comes in.
async fn greet(echo: &Node) -> Result<(), Refusal> {
    let Reply::Friends(friends) = echo.ask(Command::Friends).await? else { return Ok(()) };
    for friend in friends {
        say(echo, friend.handle, HELLO).await?;
    }
    Ok(())
}

/// The bot: whatever is written to it, it answers, until its node stops.
async fn answer_all(node: Node, mut events: Events) {
    let listening = node.ask(Command::Listen { listening: true }).await;
    let mut seen = 0;
    if let Ok(Reply::Listening { messages, .. }) = listening {
        for message in messages {
            seen = seen.max(message.number);
            answer(&node, &message).await;
        }
    }
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event
            && message.number > seen
        {
            answer(&node, &message).await;
        }
    }
}

async fn answer(node: &Node, message: &Message) {
    if message.from == From::Me {
        return;
    }
    // Reading shows the person the second mark; a refusal of either only means that the demo is ending.
    let _ = node.ask(Command::MarkRead { chat: message.chat.clone() }).await;
    let _ = say(node, message.chat.clone(), &reply_to(message)).await;
}

/// What the echo answers.
fn reply_to(message: &Message) -> String {
    let text = message.text.trim();
    match text.to_lowercase().as_str() {
        "help" | "?" => IDEAS.to_owned(),
        "hi" | "hello" | "hey" => "Hello! Type help if you want to see what can be done here.".to_owned(),
        "bye" | "goodbye" => "Bye! /quit ends the demo.".to_owned(),
        _ if message.kind == MessageKind::Action => format!("Echo sees that you {text}."),
        _ if message.reply_to.is_some() => format!("You answered me: {text}"),
        _ => text.to_owned(),
    }
}

async fn say(node: &Node, chat: Handle, text: &str) -> Result<(), Refusal> {
    // The longest answer is a little longer than the longest message.
    let text = MessageText::parse(text).or_else(|_| MessageText::parse("That was a long one!"));
    let text = text.map_err(|why| Refusal::new(Code::Internal, why.to_string()))?;
    node.ask(Command::Send { chat, text, reply_to: None, action: false }).await.map(|_| ())
}

/// The demo's directory (0700), with a name that nobody can guess beforehand or that the demo refuses to use.
#[derive(Debug)]
struct Home {
    path: PathBuf,
}

impl Home {
    fn new() -> io::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|why| io::Error::other(why.to_string()))?;
        let name = format!("hobnob-demo-{}", data_encoding::HEXLOWER.encode(&random));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }
}

/// Removes what is left when the demo ends by an error or a panic.
impl Drop for Home {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::PermissionsExt;

    use super::Home;

    #[test]
    fn the_demo_leaves_nothing_behind() {
        let home = Home::new().unwrap();
        let path = home.path.clone();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("x"), "y").unwrap();
        home.remove().unwrap();
        assert!(!path.exists());
        let dropped = Home::new().unwrap();
        let path = dropped.path.clone();
        drop(dropped);
        assert!(!path.exists());
    }
}
