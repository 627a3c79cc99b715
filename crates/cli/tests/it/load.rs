//! `load` against a server of this test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::call;

/// Answers every request with a status, and tells what it was asked.
struct Server {
    address: SocketAddr,
    requests: Receiver<String>,
}

impl Server {
    fn start(status: &'static str) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (told, requests) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = told.clone();
                thread::spawn(move || answer(stream, status, &told));
            }
        });
        Server { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Serves one connection until it ends.
fn answer(mut stream: TcpStream, status: &str, told: &Sender<String>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let _ = told.send(head);
        if stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok").as_bytes()).is_err() {
            return;
        }
    }
}

fn json(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
}

#[test]
fn figures_are_complete_and_plausible() {
    let server = Server::start("200 OK");
    let url = server.url("/a?b=c");
    let arguments = ["--rate", "200", "--connections", "4", "--duration", "500ms", "--json", "--quiet"];
    let (code, stdout, stderr) = call(&[&["load", &url, "--header", "X-Mine: yes"], &arguments[..]].concat());
    assert_eq!((code, stderr.as_str()), (0, ""));
    let report = json(&stdout);
    let requests = report["requests"].as_u64().unwrap();
    assert!((50..=160).contains(&requests), "{requests}");
    assert_eq!(report["errors"], 0);
    assert_eq!(report["statuses"]["200"], requests);
    for rate in ["offered", "achieved"] {
        assert!(report["rate_per_s"][rate].as_f64().unwrap() > 50.0, "{rate}");
    }
    for family in ["latency_us", "service_us", "send_lag_us"] {
        let at = |key: &str| report[family][key].as_f64().unwrap();
        let ordered = ["p50", "p90", "p99", "p999", "max"].map(at);
        assert!(ordered.is_sorted(), "{family}: {ordered:?}");
    }
    assert!(
        report["latency_us"]["p50"].as_f64().unwrap() >= report["service_us"]["p50"].as_f64().unwrap() * 0.5
    );
    assert!(report["client_cpu_us_per_request"].as_f64().unwrap() > 0.0);
    assert!(report["spin_cpu_us_per_request"].as_f64().unwrap() >= 0.0);
    let asked = server.requests.recv().unwrap();
    assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("x-mine: yes\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains(&format!("host: {}\r\n", server.address)), "{asked}");
    assert_eq!(server.requests.try_iter().count() as u64 + 1, requests);
}

#[test]
fn words_and_figures_go_apart() {
    let server = Server::start("200 OK");
    let (code, stdout, stderr) =
        call(&["load", &server.url("/"), "--rate", "max", "--connections", "2", "--duration", "300ms"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("client CPU") && stdout.contains("send lag"), "{stdout}");
    assert!(stderr.contains("revbench: "), "{stderr}");
}

#[test]
fn a_trace_decides_how_much_is_sent() {
    let server = Server::start("200 OK");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("friday.csv");
    std::fs::write(&file, "time_s,subject\n0,ann\n0.1,bob\n0.1,ann\n0.2,cid\n").unwrap();
    let url = server.url("/");
    let arguments =
        ["load", &url, "--arrivals", file.to_str().unwrap(), "--duration", "400ms", "--json", "-q"];
    let (code, stdout, stderr) = call(&arguments);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(json(&stdout)["requests"], 4);
    std::fs::write(&file, "time_s,subject\n0,ann\nsoon,bob\n").unwrap();
    let (code, _, stderr) = call(&arguments);
    assert_eq!(code, 2);
    assert!(stderr.contains("friday.csv:3:1: error[E014]"), "{stderr}");
}

#[test]
fn a_load_that_nobody_serves_is_invalid() {
    let server = Server::start("503 Service Unavailable");
    let (code, stdout, stderr) =
        call(&["load", &server.url("/"), "--rate", "100", "--duration", "200ms", "--json"]);
    assert_eq!(code, 5, "{stderr}");
    let report = json(&stdout);
    assert_eq!(report["errors"], report["requests"]);
    assert!(stderr.contains("× 503"), "{stderr}");
}

#[test]
fn an_interrupted_load_prints_what_it_has() {
    let server = Server::start("200 OK");
    let url = server.url("/");
    let mut command = Command::new(env!("CARGO_BIN_EXE_revbench"));
    command.args(["load", &url, "--rate", "200", "--duration", "60s", "--json", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    server.requests.recv().unwrap();
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(json(&stdout)["interrupted"], true);
}

#[test]
fn an_unreachable_server_is_told_apart_from_wrong_usage() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (code, stdout, stderr) = call(&["load", &url, "--duration", "1s"]);
    assert_eq!((code, stdout.as_str()), (6, ""), "{stderr}");
    assert!(stderr.contains("help: is the server running"), "{stderr}");
    let (code, stdout, _) = call(&["load", &url, "--duration", "1s", "--json"]);
    let listed = json(&stdout);
    assert_eq!((code, &listed[0]["code"]), (6, &"E201".into()));
    assert!(listed[0]["message"].as_str().unwrap().contains(&url), "{listed}");
    assert_eq!(listed[0]["help"], "is the server running, and on this port?");
}

#[test]
fn only_this_machine_may_be_loaded() {
    for url in ["http://10.0.0.1/", "http://example.org/", "https://10.0.0.1/", "127.0.0.1:80"] {
        let (code, _, stderr) = call(&["load", url]);
        assert_eq!(code, 2, "{url}: {stderr}");
    }
}

#[test]
fn an_engine_is_chosen_by_what_it_speaks() {
    let check = |arguments: &[&str], expected: &str| {
        let (code, _, stderr) = call(&[&["load"], arguments].concat());
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    let speaks = "value 'fast' of --engine speaks neither TLS nor HTTP/2";
    check(&["https://127.0.0.1/", "--engine", "fast"], speaks);
    check(&["http://127.0.0.1/", "--http2", "--engine", "fast"], speaks);
    check(&["http://127.0.0.1/", "--engine", "warp"], "value 'warp' of --engine is not an engine");
    check(&["https://127.0.0.1/", "--ca", "/nowhere.pem"], "cannot read '/nowhere.pem' of --ca");
    let server = Server::start("200 OK");
    let url = server.url("/");
    let (code, stdout, stderr) =
        call(&["load", &url, "--engine", "hyper", "--rate", "100", "--duration", "200ms", "--json", "-q"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert_eq!(json(&stdout)["transport"], "http, HTTP/1.1");
}

#[test]
fn all_wrong_values_are_told_at_once() {
    let (code, _, stderr) = call(&[
        "load",
        "http://10.0.0.1/",
        "--rate",
        "fast",
        "--connections",
        "0",
        "--duration",
        "5",
        "--timeout",
        "0",
        "--arrivals",
        "sometimes",
        "--header",
        "nothing",
        "--method",
        "GET IT",
        "--seed",
        "x",
    ]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(stderr);
}
