//! This machine as a device of the account that was logged in to: a new one, or one that is to be listed again.

use hobnob_shared::{
    identity::{AccountKey, IdentityError, SignedCertificate, SignedRecord},
    limits::MAX_DEVICES,
    text::{Nickname, free_name},
    wire::{AccountPayload, ErrorCode, ServerFrame},
};

use super::{
    Stage, Tell,
    ask::{Talk, strange},
    login::Opened,
    outcome::DeviceStanding,
};
use crate::{
    api::{Code, Command, Node, Password, ProfileError, Refusal, Reply},
    profile::{self, Successor},
};

/// On a device of the account: where the newest record does not list it, another one does. Only who was revoked stays out.
pub(super) async fn list_again(
    node: &Node,
    talk: &mut Talk<'_>,
    opened: &Opened,
    password: Option<Password>,
    tell: Tell<'_>,
) -> Result<DeviceStanding, Refusal> {
    let own = node.with_keyring(move |keyring| keyring.certificate(password.as_ref())).await?;
    let newest = opened.newest.verify().map_err(|why| bad_account(&why))?;
    let device = own.verify().map_err(|why| bad_account(&why))?.device;
    if newest.revoked.iter().any(|(revoked, _)| *revoked == device) {
        let message = "this device was revoked, for good: nothing that it writes counts. Log in from a new profile, which becomes \
                       another device: hobnob -P NAME. Nothing was changed";
        return Err(Refusal::new(Code::Untrusted, message));
    }
    if newest.devices.contains(&own.hash()) {
        return Ok(DeviceStanding::Again);
    }
    tell(Stage::Certifying);
    let record = profile::listing(&opened.content.account, &opened.newest, &own)?;
    publish(talk, opened, (&record, &own)).await?;
    Ok(DeviceStanding::ListedAnew)
}

/// Makes this machine a device of the account. Its keys are on disk before anybody is told of them: cut off before that,
/// nothing has changed; cut off later, the next start is that device and tells the rendezvous once more.
pub(super) async fn become_device(
    node: &Node,
    talk: &mut Talk<'_>,
    opened: &Opened,
    (password, device): (Option<Password>, Option<Nickname>),
) -> Result<(), Refusal> {
    refuse_used(node).await?;
    let (key, newest, rows) = (opened.content.account.to_bytes(), opened.newest.clone(), opened.home.rows());
    let nick = opened.newest.verify().map_err(|why| bad_account(&why))?.profile.nick;
    let device = opened.device_name(device, &nick);
    let successor = node
        .with_keyring(move |keyring| {
            let key = AccountKey::from_bytes(key);
            let successor = Successor::prepare(keyring, password.as_ref(), (key, &newest), &device, &rows)?;
            successor.write_down()?;
            Ok(successor)
        })
        .await?;
    match publish(talk, opened, (successor.record(), &successor.identity().certificate)).await {
        // The rendezvous may have taken it, and then this is a device of the account; if not, it is told again.
        Err(refusal) if refusal.said.is_none() && refusal.code == Code::Network => node.succeed(successor).await,
        Err(refusal) => {
            successor.withdraw()?;
            Err(refusal)
        }
        Ok(()) => node.succeed(successor).await,
    }
}

/// Has the rendezvous take the record that lists this device.
async fn publish(
    talk: &mut Talk<'_>,
    opened: &Opened,
    (record, own): (&SignedRecord, &SignedCertificate),
) -> Result<(), Refusal> {
    let certificates = opened.certificates_of(record, own);
    let records = opened.home.records.iter().chain([record]).cloned().collect();
    let put = AccountPayload { records, certificates, bundles: Vec::new() };
    match talk.ask(ServerFrame::AccountPut(put)).await {
        Ok(ServerFrame::Done) => Ok(()),
        Ok(_) => Err(talk.odd()),
        Err(refusal) if matches!(refusal.said, Some(ErrorCode::Stale { .. } | ErrorCode::Conflict)) => {
            let message = "the account was changed by another device meanwhile; nothing was changed here. Try again";
            Err(Refusal { code: Code::Conflict, message: message.to_owned(), ..refusal })
        }
        Err(refusal) => Err(refusal),
    }
}

/// A profile with people in it is somebody's.
async fn refuse_used(node: &Node) -> Result<(), Refusal> {
    let Reply::Friends(friends) = node.ask(Command::Friends).await? else { return Err(strange()) };
    if friends.is_empty() {
        return Ok(());
    }
    let message = "this profile has friends or history of its own, so it does not become another account's; log in from \
                   another profile: hobnob -P NAME";
    Err(Refusal::new(Code::Conflict, message))
}

fn bad_account(why: &IdentityError) -> Refusal {
    ProfileError::BadAccount(why.to_string()).into()
}

impl Opened {
    /// What a new device is called: as wished, unless another one is or was called so.
    fn device_name(&self, wish: Option<Nickname>, nick: &Nickname) -> Nickname {
        let known: Vec<_> = self.certificates.iter().filter_map(|signed| signed.verify().ok()).collect();
        let wish = wish.unwrap_or_else(|| profile::device_name(nick));
        free_name(&wish, |name| known.iter().any(|certificate| certificate.name.as_str() == name))
    }

    /// The certificates of the devices that this record lists, each once.
    fn certificates_of(&self, record: &SignedRecord, own: &SignedCertificate) -> Vec<SignedCertificate> {
        let listed = record.verify().map(|record| record.devices).unwrap_or_default();
        let find = |hash: &[u8; 32]| self.certificates.iter().chain([own]).find(|one| one.hash() == *hash).cloned();
        listed.iter().filter_map(find).take(MAX_DEVICES).collect()
    }
}
