//! The reference servers over HTTPS: by hand, under load, and in a run.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::call;

const PROGRAM: &str = env!("CARGO_BIN_EXE_revbench");

/// Servers that are gone when the test ends, however it ends.
struct Served {
    process: Child,
    resource: String,
    token: String,
}

impl Served {
    fn start(ca: &Path, more: &[&str]) -> Served {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "introspection", "--store", "embedded", "--param", "algorithm=ES256"]);
        command.args(["--print-token", "--json", "--tls", "--ca-out"]).arg(ca).args(more);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let said: Value = serde_json::Deserializer::from_reader(stdout).into_iter().next().unwrap().unwrap();
        let text = |key: &str| said[key].as_str().unwrap().to_owned();
        Served { process, resource: text("resource"), token: text("access_token") }
    }

    /// Loads what the token allows.
    fn load(&self, more: &[&str]) -> (i32, String, String) {
        let url = format!("{}/resource/orders:write", self.resource);
        let header = format!("Authorization: Bearer {}", self.token);
        let plain = ["--rate", "200", "--duration", "300ms", "--connections", "2", "--arrivals", "constant"];
        call(&[&["load", &url, "--header", &header, "--json"], &plain[..], more].concat())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn servers_over_https_can_be_tried_and_loaded() {
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    let served = Served::start(&ca, &["--http2"]);
    assert!(served.resource.starts_with("https://127.0.0.1:"), "{}", served.resource);
    let ca = ca.to_str().unwrap();
    for (more, transport) in
        [(&["--ca", ca][..], "https, HTTP/1.1"), (&["--ca", ca, "--http2"][..], "https, HTTP/2")]
    {
        let (code, stdout, stderr) = served.load(more);
        assert_eq!(code, 0, "{stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap();
        // Each of these was decided by asking the authority, over HTTPS too.
        assert_eq!(report["statuses"]["200"], 60, "{report}");
        assert_eq!(report["transport"], transport);
    }
    let (code, stdout, stderr) = served.load(&[]);
    assert_eq!((code, stdout.contains("UnknownIssuer")), (6, true), "{stdout} {stderr}");
}

#[test]
fn http_2_is_offered_only_where_it_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    let served = Served::start(&ca, &[]);
    let (code, stdout, _) = served.load(&["--ca", ca.to_str().unwrap(), "--http2"]);
    assert_eq!((code, stdout.contains("NoApplicationProtocol")), (6, true), "{stdout}");
}

/// The whole comparison: keys fetched, tokens shown to the issuer, counters scraped and subjects seeded over HTTPS.
#[test]
fn a_run_over_https_says_so_and_is_not_compared_with_a_plain_one() {
    let folder = TempDir::new().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name).to_str().unwrap().to_owned();
        let plain =
            ["run", "--profile", "smoke", "--scenario", "role-demoted", "--strategy", "introspection"];
        let small = ["--store", "embedded", "--store-rtt", "0", "--quiet", "--json", "--out", &out];
        let (code, stdout, stderr) = call(&[&plain[..], &small, more].concat());
        assert!([0, 5].contains(&code), "{code}: {stderr}");
        (out, serde_json::from_str::<Value>(&stdout).unwrap())
    };
    let (secure, summary) = run("secure", &["--tls", "--http2"]);
    assert_eq!(summary["transport"], "https, HTTP/2");
    assert!(summary["command"].as_str().unwrap().contains(" --tls --http2"), "{}", summary["command"]);
    let cells = summary["cells"].as_array().unwrap();
    let cell = cells.iter().find(|cell| cell["strategy"] == "introspection").unwrap();
    assert_eq!(cell["outcome"], "measured", "{cell}");
    assert_eq!(cell["staleness"]["never_converged"], 0, "{cell}");
    // On a busy machine the driver is late, and then there are no costs.
    if cell["validity"]["cost"] != "invalid" {
        assert!(cell["cost"]["authority_store_ops_per_1k"].as_f64().unwrap() > 0.0, "{cell}");
    }
    let page = std::fs::read_to_string(Path::new(&secure).join("report.md")).unwrap();
    assert!(page.contains("https, HTTP/2"), "{page}");
    let (plain, summary) = run("plain", &[]);
    assert_eq!(summary["transport"], "http, HTTP/1.1");
    let (code, _, stderr) = call(&["check", &secure, "--baseline", &plain]);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("transport is 'http, HTTP/1.1' in the baseline and 'https, HTTP/2' now"),
        "{stderr}"
    );
}

#[test]
fn http_2_needs_tls() {
    let (code, _, stderr) = call(&["run", "--http2", "--dry-run"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("--tls"), "{stderr}");
}
