//! `serve`: by hand, and as a child of a run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use revbench_runner::child::{self, ChildConfig, LinkOrder};
use revbench_store::{Mode, Traffic};
use serde_json::Value;

use crate::call;

const PROGRAM: &str = env!("CARGO_BIN_EXE_revbench");

/// A process that is killed when the test ends, however it ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status_line(address: &str, path: &str, token: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_strategy_can_be_tried_by_hand() {
    let mut command = Command::new(PROGRAM);
    command.args([
        "serve",
        "lookup",
        "--store",
        "embedded",
        "--param",
        "algorithm=ES256",
        "--print-token",
        "--json",
    ]);
    let mut served = Killed(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let stdout = BufReader::new(served.0.stdout.take().unwrap());
    let fleet: Value = serde_json::Deserializer::from_reader(stdout).into_iter().next().unwrap().unwrap();
    assert!(fleet["store"].as_str().unwrap().starts_with("embedded at 127.0.0.1:"), "{fleet}");
    let resource = fleet["resource"].as_str().unwrap().strip_prefix("http://").unwrap();
    let token = fleet["access_token"].as_str().unwrap();
    assert_eq!(status_line(resource, "/resource/orders:write", token), "HTTP/1.1 200 OK");
    assert_eq!(status_line(resource, "/resource/nothing:known", token), "HTTP/1.1 403 Forbidden");
    assert_eq!(status_line(resource, "/resource/orders:write", "none"), "HTTP/1.1 401 Unauthorized");
}

#[test]
fn a_port_in_use_is_told_as_such() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = call(&["serve", "lookup", "--store", "embedded", "--listen", &address]);
    assert_eq!((code, stdout.as_str()), (6, ""), "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on {address}")), "{stderr}");
}

#[test]
fn what_is_printed_can_be_tried_and_ctrl_c_is_the_normal_end() {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "lookup", "--store", "embedded", "--param", "algorithm=ES256", "--print-token"]);
    let mut served = Killed(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(served.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let calls: Vec<String> = said
        .by_ref()
        .take_while(|line| line != "Ctrl-C ends it.")
        .filter(|line| line.starts_with("  curl"))
        .collect();
    let [call, change] = &calls[..] else { panic!("{calls:?}") };
    let url = |line: &str| line.split(' ').find(|word| word.starts_with("http://")).unwrap().to_owned();
    let token = call.split("Bearer ").nth(1).unwrap().split('"').next().unwrap();
    let url_of_call = url(call);
    let (resource, path) = url_of_call.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let answer = || status_line(resource, &format!("/{path}"), token);
    assert_eq!(answer(), "HTTP/1.1 200 OK", "{call}");
    let quoted: Vec<&str> = change.split('\'').collect();
    let mut post = ureq::post(url(change));
    for header in [quoted[1], quoted[3]] {
        let (name, value) = header.split_once(": ").unwrap();
        post = post.header(name, value);
    }
    assert_eq!(post.send(quoted[5]).unwrap().status(), 200, "{change}");
    assert_eq!(answer(), "HTTP/1.1 403 Forbidden");
    let process = nix::unistd::Pid::from_raw(served.0.id() as i32);
    // Some wrappers pass a Ctrl-C on that the terminal has sent already.
    for _ in 0..2 {
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
    }
    assert_eq!(served.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_store_that_does_not_answer_comes_with_its_remedy() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("redis://127.0.0.1:{port}");
    let (code, stdout, stderr) = call(&["serve", "lookup", "--store", &url, "--json"]);
    assert_eq!(code, 6, "{stderr}");
    let listed: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(listed[0]["code"], "E201");
    assert!(listed[0]["message"].as_str().unwrap().contains("store"), "{listed}");
    let help = listed[0]["help"].as_str().unwrap();
    assert!(
        help.contains(&format!("redis-server --port {port}")) && help.contains("--store embedded"),
        "{help}"
    );
}

#[test]
fn only_this_machine_is_served() {
    for address in ["0.0.0.0:0", "10.0.0.1:80", "8080", "127.0.0.1:99999"] {
        let (code, _, stderr) = call(&["serve", "lookup", "--listen", address]);
        assert_eq!(code, 2, "{address}: {stderr}");
    }
}

fn ping(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"*1\r\n$4\r\nPING\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[test]
fn store_and_link_run_as_children() {
    let store =
        child::Child::spawn(Path::new(PROGRAM), &ChildConfig::EmbeddedStore { password: None, port: 0 }, &[])
            .unwrap();
    assert_eq!(ping(store.address), "+PONG\r\n");
    let link = ChildConfig::Link {
        upstream: store.address,
        one_way_delay_ns: 1_000_000,
        overhead_ns: 0,
        spin_ns: 0,
    };
    let mut link = child::Child::spawn(Path::new(PROGRAM), &link, &[]).unwrap();
    assert_eq!(ping(link.address), "+PONG\r\n");
    let down = link.order(LinkOrder { traffic: Traffic::All, mode: Mode::Down }).unwrap();
    let mut refused = TcpStream::connect(link.address).unwrap();
    let _ = refused.write_all(b"*1\r\n$4\r\nPING\r\n");
    assert!(!matches!(refused.read(&mut [0; 8]), Ok(1..)));
    let up = link.order(LinkOrder { traffic: Traffic::All, mode: Mode::Pass }).unwrap();
    assert!(down.mono_ns < up.mono_ns);
    assert_eq!(ping(link.address), "+PONG\r\n");
}

#[test]
fn a_child_ends_with_its_standard_input() {
    let mut command = Command::new(PROGRAM);
    command.args(["serve", "--role", "embedded-store"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut served = Killed(command.spawn().unwrap());
    let mut stdin = served.0.stdin.take().unwrap();
    stdin.write_all(b"{\"embedded-store\":{\"password\":null}}\n").unwrap();
    let mut line = String::new();
    BufReader::new(served.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("{\"listening\":\"127.0.0.1:"), "{line}");
    drop(stdin);
    assert!(served.0.wait().unwrap().success());
}

#[test]
fn a_child_that_cannot_start_says_why_to_its_parent() {
    let config = ChildConfig::Resource {
        strategy: revbench_strategies::StrategyKind::Lookup,
        settings: revbench_model::Settings::default(),
        store: None,
        database: None,
        instance: "r0".to_owned(),
        authority: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        resource_token: "t".to_owned(),
        hmac_secret: None,
        mutant: None,
        threads: 1,
        port: 0,
        wall_offset_ms: 0,
        tls: None,
    };
    let mut child = child::Child::spawn(Path::new(PROGRAM), &config, &[]).unwrap();
    let how = loop {
        match child.exited() {
            Some(how) => break how,
            None => std::thread::yield_now(),
        }
    };
    assert!(how.starts_with("exit status: 1: error: "), "{how}");
}

#[test]
fn a_role_needs_its_configuration() {
    let output = crate::revbench().args(["serve", "--role", "link"]).write_stdin("{}\n").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the configuration cannot be understood"));
    let store = "{\"embedded-store\":{\"password\":null}}\n";
    let output = crate::revbench().args(["serve", "--role", "link"]).write_stdin(store).output().unwrap();
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("called as 'link', configured as 'embedded-store'")
    );
}
