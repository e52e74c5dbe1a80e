//! `pilotage backup`.

use super::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form};
use crate::render::words::{size, thousands};

/// `backup`
pub async fn run(caller: &Caller) -> Result<Exit, Failure> {
    let made = caller.session.make_backup().await?;
    match caller.form {
        Form::Json => output::json(&made),
        Form::Text => output::lines([
            format!("{}: backup made, {} records, {}: {}", caller.session.context, thousands(made.records), size(made.bytes), output::safe(&made.path)),
            "next  copy it to another machine · to restore: pilotage-coordinator restore FILE --state NEW-FOLDER".to_owned(),
        ]),
    }
    Ok(Exit::Reached)
}
