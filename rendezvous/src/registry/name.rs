//! Names: whose each is, with both signatures, and what its password is checked with.

use hobnob_shared::{
    id::AccountId,
    identity::{Binding, SignedBinding},
    wire::ErrorCode,
};
use hobnob_shared::{
    opaque::message::RegistrationUpload,
    text::Username,
    wire::rendezvous::{Name, NameGet},
};
use serde::{Deserialize, Serialize};

use super::{
    account,
    row::table,
    step::{Served, Step},
    usage::Counter,
    view::Fault,
};

/// A registered name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct NameRow {
    #[serde(rename = "a")]
    pub(crate) account: AccountId,
    #[serde(rename = "b")]
    pub(crate) binding: SignedBinding,
    #[serde(rename = "o")]
    pub(crate) password: RegistrationUpload,
    #[serde(rename = "h")]
    hidden: bool,
}

table!(Names: String => NameRow);
table!(Bindings: String => u64);

/// The name, if it is registered.
pub(crate) fn get(step: &Step<'_>, name: &Username) -> Served<Option<NameRow>> {
    Ok(step.get::<Names>(&key(name))?)
}

/// The name that an account has. Both rows are written together.
fn of_account(step: &Step<'_>, name: &Username) -> Served<NameRow> {
    get(step, name)?.ok_or_else(|| Fault::Damaged("an account's name is missing".into()).into())
}

/// The number that the next binding has, of whatever name: it tells nothing of the one that it is asked for. The time is in
/// it, so that it grows after a restore from a backup too; and where the clock was set back, it follows the highest one.
pub(crate) fn next_seq(step: &Step<'_>) -> Served<u64> {
    Ok(Counter::Binding.get(step)?.saturating_add(1).max(step.now_ms))
}

/// Whether a binding of a name with this number follows the last one.
pub(crate) fn follows(step: &Step<'_>, name: &Username, seq: u64) -> Served<bool> {
    Ok(step.get::<Bindings>(&key(name))?.is_none_or(|last| last < seq))
}

/// Gives a name to an account, or to the same one anew.
pub(crate) fn bind(
    step: &mut Step<'_>,
    claimed: &Binding,
    binding: SignedBinding,
    password: RegistrationUpload,
) -> Served<()> {
    let key = key(&claimed.name);
    let hidden = match step.get::<Names>(&key)? {
        Some(row) => row.hidden,
        None => {
            let names = Counter::Names.get(step)? + 1;
            Counter::Names.set(step, names);
            false
        }
    };
    let highest = Counter::Binding.get(step)?.max(claimed.seq);
    Counter::Binding.set(step, highest);
    step.put::<Bindings>(&key, &claimed.seq);
    step.put::<Names>(&key, &NameRow { account: claimed.account, binding, password, hidden });
    Ok(())
}

/// Sets another password.
pub(crate) fn set_password(step: &mut Step<'_>, name: &Username, password: RegistrationUpload) -> Served<()> {
    let row = of_account(step, name)?;
    step.put::<Names>(&key(name), &NameRow { password, ..row });
    Ok(())
}

/// Looks a name up. A hidden one looks as if it was not there.
pub(crate) fn look_up(step: &Step<'_>, wanted: &NameGet) -> Served<Name> {
    let row = get(step, &wanted.name)?.filter(|row| !row.hidden).ok_or(ErrorCode::NotFound)?;
    let account = account::named(step, &row.account)?;
    let mut public = account::public(step, &row.account, &account)?;
    if let Some(since) = wanted.since {
        account::add_since(step, &row.account, &since, &mut public)?;
    }
    Ok(Name { binding: row.binding, account: public })
}

/// Hides the name of an account, or shows it.
pub(crate) fn set_hidden(step: &mut Step<'_>, account: &AccountId, hidden: bool) -> Served<()> {
    let name = account::get(step, account)?.ok_or(ErrorCode::Denied)?.name;
    let row = of_account(step, &name)?;
    step.put::<Names>(&key(&name), &NameRow { hidden, ..row });
    Ok(())
}

/// Removes a name. The number of its last binding stays.
pub(crate) fn remove(step: &mut Step<'_>, name: &Username) -> Served<()> {
    let names = Counter::Names.get(step)?.saturating_sub(1);
    Counter::Names.set(step, names);
    step.remove::<Names>(&key(name));
    Ok(())
}

fn key(name: &Username) -> String {
    name.as_str().to_owned()
}
