//! `hobnob init --link LINK`: this machine becomes a device of an account that exists.

use std::io::Read as _;

use hobnob_shared::{identity::Invite, limits::MAX_LINK_BYTES, text::display};
use zeroize::Zeroizing;

use super::{
    args::Common,
    data,
    init::{new_password, parse_name, say_set_aside, usage},
    prompt, start,
};
use crate::{
    api::{Code, Command, Joined, Node, Refusal, Reply, StartOptions},
    config::Config,
    json::{out, write},
    profile::{self, OpenedProfile, Password},
    script,
};

/// Makes the profile, and has it linked. What the other machine refuses leaves no profile behind.
pub(super) fn run(common: &Common, config: &Config, link: &str, name: Option<&str>) -> Result<u8, Refusal> {
    let invite = read(link)?;
    let device = name.map(parse_name).transpose()?;
    let password = new_password(common, prompt::is_possible(common.no_input))?;
    let aside = profile::set_aside(&config.dir);
    profile::create_for_link(&config.dir, device.as_ref(), password.as_ref())?;
    say_set_aside(aside.as_deref());
    let profile = OpenedProfile::open(&config.dir, password.as_ref())?;
    match join(config, invite, (profile, password)) {
        Ok(joined) => say(common, config, &joined),
        // It may have certified the keys all the same.
        Err(refusal) if refusal.code == Code::Network => Err(try_again(refusal)),
        Err(refusal) => {
            profile::discard(&config.dir)?;
            Err(refusal)
        }
    }
}

/// Goes on with a profile whose link was cut off. The other machine may know its keys already, so they stay.
pub(super) fn go_on(common: &Common, config: &Config, link: &str) -> Result<u8, Refusal> {
    let invite = read(link)?;
    let opened = start::unlock(common, config)?;
    say(common, config, &join(config, invite, opened).map_err(try_again)?)
}

fn try_again(refusal: Refusal) -> Refusal {
    let message = format!("{}. To try again: hobnob init --link, and a link", refusal.message);
    Refusal { message, ..refusal }
}

fn read(link: &str) -> Result<Invite, Refusal> {
    let mut text = Zeroizing::new(link.to_owned());
    if link == "-" {
        text.clear();
        let limit = MAX_LINK_BYTES as u64;
        let read = std::io::stdin().lock().take(limit).read_to_string(&mut text);
        read.map_err(|why| usage(&format!("the link cannot be read from standard input: {why}")))?;
    }
    let invite = Invite::parse(&text).map_err(|why| usage(&why.to_string()))?;
    if invite.links_device() {
        return Ok(invite);
    }
    Err(usage("this is a link for a friend: make a profile with hobnob init, then /add it"))
}

fn join(
    config: &Config,
    invite: Invite,
    (profile, password): (OpenedProfile, Option<Password>),
) -> Result<Joined, Refusal> {
    prompt::say("Reaching the other machine.\n");
    let mut options = StartOptions::new(profile, config.listen.clone());
    options.mdns = config.mdns;
    start::async_runtime()?.block_on(async {
        let node = Node::start(options).await?;
        let joined = ask(&node, invite, password).await;
        node.shutdown().await;
        joined
    })
}

async fn ask(node: &Node, invite: Invite, password: Option<Password>) -> Result<Joined, Refusal> {
    let Reply::Joined(joined) = node.ask(Command::JoinAccount { invite: Box::new(invite) }).await? else {
        return Err(Refusal::new(Code::Internal, "the node answered something else; this is a bug, please report it"));
    };
    node.take_over(password, (*joined).clone()).await?;
    Ok(*joined)
}

fn say(common: &Common, config: &Config, joined: &Joined) -> Result<u8, Refusal> {
    let (nick, device) = (display::line(joined.nick.as_str()), display::line(joined.device_name.as_str()));
    prompt::say(&format!(
        "\nThis machine is a device of {nick} now, called {device}; its profile is in {}.\nStart hobnob to chat: friends \
         and history come from the other devices. It does not hold the account's key.\n",
        config.dir.display()
    ));
    if common.json {
        let (nick, device) = (joined.nick.as_str(), joined.device_name.as_str());
        data(&write::line(&out::linked(nick, &config.dir, device, script::now())))?;
    }
    Ok(0)
}
