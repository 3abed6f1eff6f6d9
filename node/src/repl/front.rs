//! The loop: what was typed, what happened, what is due.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use hobnob_shared::text::Handle;
use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use super::{
    Exit, Options,
    news::News,
    prompt::{Live, Status},
    render::{self, Look, Scene, Theme, Trust},
    terminal::{self, Terminal, Typed},
};
use crate::{
    api::{Code, Command, Events, Friend, Message, Node, Refusal, Reply, Setting},
    command::{self, FullName, PAGE},
    config::Color,
    screen,
};

/// Answers that come while another line is typed already.
const LATE_QUEUE: usize = 64;

/// Messages that Tab offers.
const KNOWN_NUMBERS: usize = 100;

/// Two Ctrl-C within this time leave.
const TWICE: Duration = Duration::from_secs(3);

/// Counts in the prompt are read again this long after something changed.
const COUNTS_PAUSE: Duration = Duration::from_millis(200);

/// A command's name, whom it asks by which name, and its answer.
pub(super) type Late = (&'static str, Option<FullName>, Result<Reply, Refusal>);

/// One terminal on one node.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) node: Node,
    pub(super) options: Options,
    pub(super) terminal: Terminal,
    pub(super) events: Events,
    pub(super) scene: Scene,
    pub(super) friends: BTreeMap<Handle, Friend>,
    pub(super) status: Status,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) drafts: BTreeMap<Handle, String>,
    pub(super) draft: String,
    pub(super) news: News,
    pub(super) late: mpsc::Sender<Late>,
    pub(super) counts_due: Option<Instant>,
    pub(super) leaving: Option<Exit>,
    /// A password was asked for by the line that is carried out.
    pub(super) asked_secret: bool,
    /// We want no bell.
    pub(super) busy: bool,
    coming: mpsc::Receiver<Late>,
    typing: mpsc::Receiver<String>,
    live: Option<Arc<Live>>,
    pub(super) interrupts: Option<Signal>,
    interrupted: Option<Instant>,
    coloured: bool,
    zone: TimeZone,
    numbers: VecDeque<u64>,
}

impl Front {
    /// Takes the terminal.
    pub(super) async fn open(node: Node, mut options: Options) -> Result<Self, Refusal> {
        let coloured = wants_colour(&options);
        let (typing_told, typing) = mpsc::channel(1);
        options.plain |= screen::is_dumb();
        let opened = Terminal::open(options.plain, coloured, typing_told.clone()).or_else(|_| {
            // Whatever rustyline cannot do, reading plain lines still works.
            options.plain = true;
            Terminal::open(true, false, typing_told)
        });
        let terminal = opened.map_err(|why| no_terminal(&why))?;
        let (late, coming) = mpsc::channel(LATE_QUEUE);
        let events = node.events();
        let mut front = Self {
            coloured: coloured && !options.plain,
            node,
            options,
            terminal,
            events,
            scene: Scene::default(),
            friends: BTreeMap::new(),
            status: Status::default(),
            settings: BTreeMap::new(),
            drafts: BTreeMap::new(),
            draft: String::new(),
            news: News::default(),
            late,
            counts_due: None,
            leaving: None,
            asked_secret: false,
            busy: false,
            coming,
            typing,
            live: None,
            // Where there are none, Ctrl-C only works while a line is edited.
            interrupts: signal(SignalKind::interrupt()).ok(),
            interrupted: None,
            zone: TimeZone::system(),
            numbers: VecDeque::new(),
        };
        front.scene.day = Some(front.look().date(now_ms()));
        front.load().await?;
        Ok(front)
    }

    /// Friends, settings and counts, as they are now.
    pub(super) async fn load(&mut self) -> Result<(), Refusal> {
        if let Reply::Friends(friends) = self.node.ask(Command::Friends).await? {
            self.friends = friends.into_iter().map(|friend| (friend.handle.clone(), friend)).collect();
        }
        if let Reply::Settings(settings) = self.node.ask(Command::Settings { key: None }).await? {
            self.settings = settings.into_iter().map(|Setting { key, value, .. }| (key, value)).collect();
        }
        self.know();
        self.count().await;
        Ok(())
    }

    /// Until the person leaves.
    pub(super) async fn run(&mut self) -> Exit {
        match self.options.first.take() {
            Some(line) => self.begin_with(&line).await,
            None => self.begin().await,
        }
        loop {
            if let Some(exit) = self.leaving {
                return self.leave(exit).await;
            }
            self.count().await;
            self.prompt();
            let typed = self.wait().await;
            self.on_typed(typed).await;
        }
    }

    /// Shows a prompt, and reads behind it.
    fn prompt(&mut self) {
        let live = Arc::new(Live::new(&self.status, self.coloured, Arc::clone(&self.terminal.shared.gate)));
        self.live = Some(Arc::clone(&live));
        let draft = std::mem::take(&mut self.draft);
        self.terminal.read_line(live, draft);
    }

    /// Shows what happens until something was typed.
    async fn wait(&mut self) -> Typed {
        let node = self.node.clone();
        let mut ended = std::pin::pin!(node.ended());
        loop {
            let due = self.next_due();
            tokio::select! {
                biased;
                typed = self.terminal.next() => return typed,
                () = interrupt(&mut self.interrupts) => {
                    // The line is still being read, so only leaving ends the wait.
                    self.on_interrupted();
                    if self.leaving.is_some() {
                        return Typed::Interrupted;
                    }
                }
                Some(late) = self.coming.recv() => self.on_answer(late),
                event = self.events.next() => match event {
                    Some(event) => self.on_event(event).await,
                    None => return self.node_is_gone(),
                },
                () = &mut ended => return self.node_is_gone(),
                Some(word) = self.typing.recv() => self.on_typing(&word).await,
                () = until(due) => self.on_due().await,
            }
        }
    }

    async fn on_typed(&mut self, typed: Typed) {
        if !matches!(typed, Typed::Interrupted) {
            self.interrupted = None;
        }
        match typed {
            Typed::Line { text, crossed } => self.on_line(&text, crossed).await,
            Typed::NextUnread { draft, crossed } => self.on_next_unread(draft, crossed).await,
            // Nobody asked; the end of input shows itself again.
            Typed::Answer(_) | Typed::Secret(_) => {}
            Typed::Interrupted => self.on_interrupted(),
            Typed::End => self.leaving = self.leaving.or(Some(Exit::Left)),
        }
    }

    /// The line is gone already; a second time leaves, unless it was a line again that had to go.
    pub(super) fn on_interrupted(&mut self) {
        let had_text = self.terminal.shared.has_text.swap(false, Ordering::SeqCst);
        if !had_text && self.interrupted.is_some_and(|at| at.elapsed() < TWICE) {
            self.leaving = Some(Exit::Interrupted);
            return;
        }
        self.interrupted = Some(Instant::now());
        if self.options.plain {
            // The system has put ^C there.
            self.terminal.put("\n");
        }
        self.say("Ctrl-C again leaves");
    }

    fn node_is_gone(&mut self) -> Typed {
        self.leaving = Some(Exit::Refused(Code::Internal));
        self.say("the node has stopped; its log says why. What was confirmed is on disk");
        Typed::End
    }

    /// Reads the counts of the prompt.
    pub(super) async fn count(&mut self) {
        self.counts_due = None;
        let Ok(Reply::Chats(chats)) = self.node.ask(Command::Chats).await else { return };
        let elsewhere = chats.iter().filter(|chat| Some(&chat.handle) != self.scene.chat.as_ref());
        self.status.unread = elsewhere.filter(|chat| !chat.muted).map(|chat| chat.unread).sum();
        self.status.queued = chats.iter().map(|chat| chat.queued).sum();
        self.status.chat.clone_from(&self.scene.chat);
        self.show_status();
    }

    /// The counts will be read again soon.
    pub(super) fn recount(&mut self) {
        self.counts_due.get_or_insert_with(|| Instant::now() + COUNTS_PAUSE);
    }

    /// Draws the prompt anew if it says something else now.
    pub(super) fn show_status(&mut self) {
        if self.live.as_ref().is_some_and(|live| live.update(&self.status)) {
            self.terminal.repaint();
        }
    }

    /// The prompt behind which the last line was typed.
    pub(super) fn prompt_text(&self) -> String {
        self.live.as_ref().map_or(String::new(), |live| live.text().to_owned())
    }

    /// How things look at this moment.
    pub(super) fn look(&self) -> Look {
        let theme = self.settings.get("theme").and_then(|name| Theme::named(name)).unwrap_or_default();
        Look {
            width: terminal::size().0,
            plain: self.options.plain,
            theme: self.coloured.then_some(theme),
            twelve_hours: self.setting("clock") == "12h",
            zone: self.zone.clone(),
            now_ms: now_ms(),
        }
    }

    /// A setting; empty if there is none.
    pub(super) fn setting(&self, key: &str) -> &str {
        self.settings.get(key).map_or("", String::as_str)
    }

    /// How many messages a page has.
    pub(super) fn page(&self) -> usize {
        self.setting("history").parse().unwrap_or(PAGE)
    }

    /// Shows words of ours.
    pub(super) fn say(&mut self, text: &str) {
        let text = render::notice(text, &self.look());
        self.terminal.put(&text);
    }

    /// Shows why something was not done.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        let text = render::refusal(refusal, &self.look());
        self.terminal.put(&text);
    }

    /// Shows messages; the day above the next line is then the last one's.
    pub(super) fn show_messages(&mut self, list: &[Message]) {
        let look = self.look();
        let text = render::messages(list, &self.scene, &look);
        self.terminal.put(&text);
        for message in list {
            self.saw(message);
        }
        if let Some(last) = list.last() {
            self.scene.day = Some(look.date(last.sent_ms));
        }
    }

    /// It is on the screen: its number can be completed, and its event says nothing new.
    pub(super) fn saw(&mut self, message: &Message) {
        self.news.showed(message.number);
        self.numbers.retain(|number| *number != message.number);
        self.numbers.push_back(message.number);
        while self.numbers.len() > KNOWN_NUMBERS {
            self.numbers.pop_front();
        }
        let mut known = self.terminal.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.numbers = self.numbers.iter().copied().collect();
    }

    /// The line above a new day, if today is not the day above.
    pub(super) fn turn_page(&mut self) {
        let look = self.look();
        let today = look.date(look.now_ms);
        if self.scene.day != Some(today) {
            self.scene.day = Some(today);
            let text = render::day(today, &look);
            self.terminal.put(&text);
        }
    }

    /// Names for Tab, and what is known of keys for the lines to come.
    pub(super) fn know(&mut self) {
        self.scene.keys = self.friends.iter().map(|(handle, friend)| (handle.clone(), Trust::of(friend))).collect();
        let mut known = self.terminal.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.friends = self.friends.keys().map(|handle| handle.as_str().to_owned()).collect();
        let is_alias = |key: &&String| key.starts_with(command::ALIAS_PREFIX);
        known.settings = self.settings.keys().filter(|key| !is_alias(key)).cloned().collect();
        known.aliases = command::aliases(self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())))
            .into_keys()
            .collect();
    }

    /// Somebody near can be completed.
    pub(super) fn know_near(&mut self, names: impl IntoIterator<Item = String>) {
        let mut known = self.terminal.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            if !known.near.contains(&name) && known.near.len() < KNOWN_NUMBERS {
                known.near.push(name);
            }
        }
    }
}

fn no_terminal(why: &io::Error) -> Refusal {
    Refusal::new(Code::Internal, format!("the terminal cannot be used: {why}"))
}

fn wants_colour(options: &Options) -> bool {
    match options.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => !screen::is_dumb() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    }
}

/// The clock of the screen: for showing times, nothing else.
pub(super) fn now_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Ctrl-C where rustyline does not read: in plain mode, and while a command runs.
pub(super) async fn interrupt(interrupts: &mut Option<Signal>) {
    match interrupts {
        Some(interrupts) => drop(interrupts.recv().await),
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
