//! A single exchange, and all that is said of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use revbench_driver::plan::{Place, Transport};
use revbench_driver::{DriverError, Exchanged, exchange_once};
use revbench_model::target::{Exchange, Party};

use crate::http::{Reply, serve};
use crate::systems::exchange;

fn sign_in() -> Exchange {
    exchange(
        Party::Authority,
        "POST",
        "/sign-in",
        &[("content-type", "application/json"), ("cookie", "{{cookies}}")],
        Some(r#"{"name":"{{subject}}"}"#),
        &[("id", "/user/id"), ("token", "header x-token"), ("csrf", "cookie csrf"), ("other", "/other")],
    )
}

fn ask(address: SocketAddr, variables: &[(&str, &str)]) -> Result<Exchanged, DriverError> {
    let place = Place { host: "app.example".to_owned(), ..Place::from(address) };
    let owned = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    exchange_once(&place, &Transport::default(), &sign_in(), &owned.collect::<BTreeMap<_, _>>())
}

#[test]
fn everything_is_told_of_a_single_exchange() {
    let address = serve(|_| Reply::Answer {
        status: 201,
        headers: "X-Token: abc\r\nset-cookie: csrf=9; Path=/\r\nset-cookie: old=; Max-Age=0\r\n".to_owned(),
        body: r#"{"user":{"id":7}}"#.to_owned(),
    });
    let got = ask(address, &[("subject", "a \"b\""), ("cookies", "old=1; kept=2")]).unwrap();
    assert_eq!(
        got.request,
        "POST /sign-in HTTP/1.1\r\nhost: app.example\r\ncontent-type: application/json\r\ncookie: old=1; kept=2\r\n\
         content-length: 18\r\n\r\n{\"name\":\"a \\\"b\\\"\"}"
    );
    assert_eq!((got.status, got.body.as_slice()), (201, br#"{"user":{"id":7}}"#.as_slice()));
    let names: Vec<&str> = got.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["X-Token", "set-cookie", "set-cookie", "content-length"]);
    let captured: Vec<(&str, &str)> = got.captured.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(captured, [("csrf", "9"), ("id", "7"), ("token", "abc")]);
    assert_eq!(
        (got.missing.as_slice(), got.cookies.as_str()),
        (["other".to_owned()].as_slice(), "kept=2; csrf=9")
    );
    assert!(got.redirected_to.is_none() && got.duration_ns > 0);
}

#[test]
fn a_redirect_is_an_answer_and_names_its_host() {
    let moved = |location: &'static str| {
        let headers = format!("location: {location}\r\n");
        let address =
            serve(move |_| Reply::Answer { status: 302, headers: headers.clone(), body: String::new() });
        ask(address, &[("subject", "ann")]).unwrap()
    };
    let got = moved("https://login.example/?u=1");
    assert_eq!((got.status, got.redirected_to.as_deref()), (302, Some("login.example")));
    assert_eq!(moved("/elsewhere").redirected_to, None);
}

#[test]
fn no_answer_is_told_as_such() {
    let check = |reply: fn() -> Reply, expected: &str| {
        let error = ask(serve(move |_| reply()), &[("subject", "ann")]).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let closed = "app.example did not answer: the connection was closed before the answer was complete";
    check(|| Reply::Close, closed);
    check(|| Reply::Half, closed);
    let error = ask(serve(|_| Reply::Close), &[]).unwrap_err();
    assert!(
        matches!(&error, DriverError::Template { problem, .. } if problem.contains("`subject`")),
        "{error}"
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = ask(free, &[("subject", "ann")]).unwrap_err();
    assert!(matches!(&error, DriverError::Connect { address, .. } if *address == free), "{error}");
}
