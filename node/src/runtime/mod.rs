//! The loop: inputs → engine → one commit → network, answers, events.

mod clock;

use tokio::sync::{broadcast, mpsc, watch};

pub(crate) use self::clock::wall_ms;
use crate::api::{COMMAND_QUEUE, EVENT_QUEUE, Node, StartError, StartOptions};

pub(crate) async fn start(options: StartOptions) -> Result<Node, StartError> {
    let (calls, _) = mpsc::channel(COMMAND_QUEUE);
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let (stop, _) = watch::channel(false);
    let (_, ended) = watch::channel(false);
    let _ = Node::new;
    let _ = (calls as mpsc::Sender<crate::api::Call>, events as broadcast::Sender<crate::api::Event>, stop, ended);
    tokio::task::yield_now().await;
    Err(StartError::NoNetwork(format!("not built yet ({})", options.listen.len())))
}
