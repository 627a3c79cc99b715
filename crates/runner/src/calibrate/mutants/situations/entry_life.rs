//! M13: a session is revoked and stays so for as long as anybody looks; then its entry is forgotten, long before
//! its tokens are dead. Only the audit sweep at the end asks that late.

use revbench_model::calibration::scaled::SHORT_ENTRY_MS;
use revbench_model::{Orientation, ScopeKind};

use super::super::setting::Setting;
use super::super::{Kill, Showing};
use crate::calibrate::{CalibrateError, Context};

/// Traffic and probes are over before the first entry is gone; when the audit begins the last one is.
const SETTING: Setting =
    Setting { scope: ScopeKind::Session, rest_ms: SHORT_ENTRY_MS - 800, ..Setting::ORDINARY };

pub(super) fn hunt(context: &mut Context<'_>) -> Result<Vec<Kill>, CalibrateError> {
    let mut resurrected = |behaviour| {
        let seen = SETTING.seen(context, behaviour)?;
        Ok::<_, CalibrateError>(seen.showing(Orientation::Revoke, |windows| {
            let late = windows.windows.iter().filter(|window| window.late_regressions > 0);
            Showing::seen(late.count() as u64, windows.windows.len() as u64)
        }))
    };
    let honest = resurrected("deny-list")?;
    let mutated = resurrected("deny-list!entry-expires-early")?;
    let mutant = "M13 a deny entry expires before its token";
    Ok(vec![Kill::by_changes(mutant, "audit sweep: late regressions", &mutated, &honest)])
}
