//! From a profile on disk to a running node, and from a running node to an exit code.

use std::pin::Pin;

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    INTERRUPTED, Session,
    args::Common,
    exit_code,
    init::{self, FirstLogin, FirstUse},
    password_from, prompt,
};
use crate::{
    api::{self, Code, Node, Refusal, StartOptions},
    config::Config,
    demo, logging,
    profile::{self, OpenedProfile, Password, ProfileError},
    repl,
    script::{self, Options, Output, Source},
};

/// How often a password may be mistyped.
const ATTEMPTS: u32 = 3;

/// Opens the profile, and makes one first where there is none and somebody can be asked: perhaps one that is to become a
/// device of an account.
pub(super) fn open(
    common: &Common,
    config: &Config,
    may_create: bool,
) -> Result<(OpenedProfile, Option<FirstLogin>), Refusal> {
    if !profile::exists(&config.dir) {
        if !may_create {
            return Err(ProfileError::NotFound(config.dir.clone()).into());
        }
        let FirstUse { password, login } = init::first_use(common, config)?;
        start_log(config)?;
        return Ok((OpenedProfile::open(&config.dir, password.as_ref())?, login));
    }
    if profile::awaits_link(&config.dir) {
        return Err(ProfileError::AwaitsLink(config.dir.clone()).into());
    }
    start_log(config)?;
    Ok((unlock(common, config)?.0, None))
}

/// Opens the profile that is there, with the password that it takes.
pub(super) fn unlock(common: &Common, config: &Config) -> Result<(OpenedProfile, Option<Password>), Refusal> {
    if !profile::needs_password(&config.dir)? {
        return try_password(config, None);
    }
    if let Some(file) = &common.password_file {
        return try_password(config, password_from(file)?);
    }
    if !prompt::is_possible(common.no_input) {
        return Err(ProfileError::PasswordNeeded.into());
    }
    for _ in 1..ATTEMPTS {
        match try_password(config, prompt::password("Password: ")?) {
            Err(refusal) if refusal.code == Code::Login => prompt::say("The password is wrong; once more.\n"),
            ended => return ended,
        }
    }
    try_password(config, prompt::password("Password: ")?)
}

fn try_password(config: &Config, password: Option<Password>) -> Result<(OpenedProfile, Option<Password>), Refusal> {
    Ok((OpenedProfile::open(&config.dir, password.as_ref())?, password))
}

fn start_log(config: &Config) -> Result<(), Refusal> {
    let path = config.log_path();
    logging::start(&path, config.log_level).map_err(|why| {
        Refusal::new(
            Code::Usage,
            format!(
                "the log {} cannot be written: {why}; {}. --log-file puts only the log elsewhere",
                path.display(),
                profile::remedy(&why)
            ),
        )
    })
}

/// Runs a node on `profile` and a front end on the node.
pub(super) fn serve(profile: OpenedProfile, session: &Session, source: Option<Source>) -> Result<u8, Refusal> {
    let mut options = StartOptions::new(profile, session.config.listen.clone());
    options.mdns = session.config.mdns;
    options.rendezvous.clone_from(&session.config.rendezvous);
    async_runtime()?.block_on(async {
        let signals = Signals::new()?;
        let node = Node::start(options).await?;
        front_end(&node, session, source, signals).await
    })
}

pub(crate) fn async_runtime() -> Result<tokio::runtime::Runtime, Refusal> {
    api::async_runtime().map_err(|why| Refusal::new(Code::Internal, format!("the system gives no threads: {why}")))
}

/// The front end that fits: the REPL on a terminal, else a script. Stops the node when it is done.
pub(crate) async fn front_end(
    node: &Node,
    session: &Session,
    source: Option<Source>,
    mut signals: Signals,
) -> Result<u8, Refusal> {
    if source.is_none() && session.is_terminal() {
        let exit = at_terminal(node, session, &mut signals).await;
        signals.forget();
        let again = tokio::select! {
            biased;
            () = node.shutdown() => None,
            code = signals.next() => Some(code),
        };
        return exit.map(|code| again.unwrap_or(code));
    }
    let source = match source {
        Some(source) => source,
        None if !session.execute.is_empty() => Source::Given(session.execute.clone()),
        None => Source::Lines(script::lines().map_err(|why| Refusal::new(Code::Internal, why.to_string()))?),
    };
    let options = Options {
        json: session.json,
        yes: session.yes,
        timeout: session.config.timeout,
        password_file: session.password_file.clone(),
    };
    let mut out = Output::new(session.json);
    let ended = script::run(node, source, options, &mut out, async || signals.next().await).await;
    out.bye(ended.queued);
    if out.is_failed() {
        return Ok(exit_code(Code::Internal));
    }
    Ok(ended.stopped.unwrap_or_else(|| ended.code.map_or(0, exit_code)))
}

/// The REPL, and the demo in between as often as it is asked for.
async fn at_terminal(node: &Node, session: &Session, signals: &mut Signals) -> Result<u8, Refusal> {
    let mut options = session.repl();
    loop {
        let exit = tokio::select! {
            biased;
            code = signals.end() => return Ok(code),
            exit = repl::run(node.clone(), options.clone()) => exit,
        };
        options.first = None;
        match exit {
            repl::Exit::Left => return Ok(0),
            repl::Exit::Interrupted => return Ok(INTERRUPTED),
            repl::Exit::Refused(code) => return Ok(exit_code(code)),
            // It has a front end of its own, which is this function again.
            repl::Exit::Demo => {
                let visit: Pin<Box<dyn Future<Output = Result<u8, Refusal>> + '_>> = Box::pin(demo::visit(session));
                visit.await?;
            }
        }
    }
}

/// What ends the process from outside.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// From now on these end the process in order.
    pub(crate) fn new() -> Result<Self, Refusal> {
        let on = |kind| signal(kind).map_err(|why| Refusal::new(Code::Internal, format!("no signals: {why}")));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// The exit code of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            biased;
            code = ended(&mut self.terminate, &mut self.hangup) => code,
            _ = self.interrupt.recv() => INTERRUPTED,
        }
    }

    /// Those that came up to now, Ctrl-C in the REPL, are not asked for any more: only another one ends what is still to be
    /// done.
    fn forget(&mut self) {
        while self.next().now_or_never().is_some() {}
    }

    /// The same without Ctrl-C, which empties a line in the REPL.
    async fn end(&mut self) -> u8 {
        ended(&mut self.terminate, &mut self.hangup).await
    }
}

async fn ended(terminate: &mut Signal, hangup: &mut Signal) -> u8 {
    tokio::select! {
        _ = terminate.recv() => 0,
        _ = hangup.recv() => 0,
    }
}
