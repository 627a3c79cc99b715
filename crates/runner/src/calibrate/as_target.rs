//! The calibration server as a system of somebody's: the driver is told of it by a target file, and by nothing else.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use revbench_driver::plan::Plan;

use super::CalibrateError;
use super::plan::Place;
use crate::contact::Contact;
use crate::options::TargetSource;
use crate::own_system::{Callee, OwnTarget};

/// What is the same of every calibration server.
const REQUESTS: &str = include_str!("calibration.toml");

/// Has a plan call the server as its target file says.
pub(super) fn guide(plan: &mut Plan, place: &Place, contact: &Contact) -> Result<(), CalibrateError> {
    let folder = tempfile::tempdir().map_err(|error| CalibrateError::Described(error.to_string()))?;
    let callee = callee(folder.path(), place, contact).map_err(CalibrateError::Described)?;
    plan.target = callee.target;
    plan.authority = callee.authority;
    // A plan may leave some of them alone.
    plan.instances = callee.instances.into_iter().take(plan.instances.len()).collect();
    plan.transport = callee.transport;
    plan.limits = callee.limits;
    Ok(())
}

/// Writes the target file and what it names, and reads them as those of anybody; in words what is wrong with them.
fn callee(folder: &Path, place: &Place, contact: &Contact) -> Result<Callee, String> {
    let write =
        |name: &str, text: &str| fs::write(folder.join(name), text).map_err(|error| error.to_string());
    write("admin-token", &place.admin_token)?;
    let tls = contact.server();
    if let Some(tls) = &tls {
        write("authority.pem", &tls.authority_pem)?;
    }
    let source = TargetSource {
        file: "calibration.toml".to_owned(),
        text: text(place, contact, tls.map(|tls| tls.http2)),
        given: Some(folder.join("calibration.toml").display().to_string()),
    };
    let target = OwnTarget::read(&source, env!("CARGO_PKG_VERSION"))
        .map_err(|problems| told(problems, |problem| problem.message))?;
    Callee::open(&target, &[]).map_err(|problems| told(problems, |problem| problem.to_string()))
}

fn told<P>(problems: Vec<P>, words: fn(P) -> String) -> String {
    problems.into_iter().map(words).collect::<Vec<_>>().join("; ")
}

/// The target file: the requests, where they go and how.
fn text(place: &Place, contact: &Contact, over_tls_http2: Option<bool>) -> String {
    let mut text = format!("{REQUESTS}\n[authority]\naddress = \"{}\"\n", contact.url(place.authority, ""));
    for (address, name) in &place.instances {
        let address = contact.url(*address, "");
        let _ = write!(text, "\n[[instance]]\naddress = \"{address}\"\nname = \"{name}\"\n");
    }
    if let Some(http2) = over_tls_http2 {
        let version = if http2 { "2" } else { "1.1" };
        let _ = write!(text, "\n[transport]\nhttp = \"{version}\"\nca = \"authority.pem\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use revbench_driver::plan::EngineChoice;

    use super::*;
    use crate::options::TransportChoice;

    #[test]
    fn the_target_file_is_one_for_every_transport() {
        let check = |choice, engine, tls, http2| {
            let (mut place, folder) = (Place::nowhere(), tempfile::tempdir().expect("a folder"));
            place.instances.push((SocketAddr::from(([127, 0, 0, 1], 2)), "r1".to_owned()));
            let contact = Contact::new(choice).expect("random numbers");
            let callee = callee(folder.path(), &place, &contact).expect("a target file without mistakes");
            let names: Vec<&str> = callee.instances.iter().map(|(_, name)| name.as_str()).collect();
            assert_eq!((names, callee.authority.tls), (vec!["r0", "r1"], tls));
            assert_eq!((callee.transport.engine, callee.transport.http2), (engine, http2));
            assert_eq!(callee.transport.extra_authorities_pem.is_some(), tls);
            assert_eq!(callee.target.decided_at_header, None, "a black box does not say when it decided");
            assert_eq!(callee.target.variables["admin_token"], "a");
        };
        check(TransportChoice::Plain, EngineChoice::Fast, false, false);
        check(TransportChoice::Tls, EngineChoice::Hyper, true, false);
        check(TransportChoice::TlsHttp2, EngineChoice::Hyper, true, true);
    }
}
