//! `tapesilo reload`: has the running server read its configuration anew.

use crate::control::ControlClient;

use super::{Context, Failure};

pub(super) fn run(context: &mut Context<'_>) -> Result<(), Failure> {
    let config = context.look()?;
    let report = ControlClient::new(&config.server.control_socket).reload()?;
    let out = &mut context.out;
    if out.json {
        return out.json(&report);
    }
    for line in &report.applied {
        out.line(&format!("applied   {line}"))?;
    }
    for line in &report.deferred {
        out.line(&format!("deferred  {line}"))?;
    }
    if report.applied.is_empty() && report.deferred.is_empty() {
        out.line("nothing has changed")?;
    }
    Ok(())
}
