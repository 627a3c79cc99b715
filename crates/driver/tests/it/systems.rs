//! Whole measurements of systems that are not ours: cookies, tokens in headers, subjects made known, own ways to change.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use revbench_driver::plan::{Plan, Progress, ScenarioExchanges};
use revbench_driver::{Recording, run};
use revbench_model::event::{ChangeOutcome, Purpose, SessionRole, SubjectRole};
use revbench_model::target::{Answers, Exchange, Party, Target};
use revbench_model::{DecisionClass, Orientation, ScopeKind};

use crate::fleet::{Fleet, Script, mono_ns};
use crate::http::{Reply, Request, serve};
use crate::measure::{MS, plan_of, requests};

/// A server that is authority and resource server in one, and what it was asked in which order.
pub(crate) struct System {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<(u64, Request)>>>,
}

impl System {
    /// `answer` is told how often the same path was asked for before.
    pub(crate) fn start(answer: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> System {
        let asked = Arc::new(Mutex::new(Vec::<(u64, Request)>::new()));
        let log = Arc::clone(&asked);
        let address = serve(move |request| {
            let mut log = log.lock().unwrap();
            let before = log.iter().filter(|(_, earlier)| earlier.path == request.path).count();
            log.push((mono_ns(), request.clone()));
            drop(log);
            answer(request, before)
        });
        System { address, asked }
    }

    /// The requests whose path begins so, in order, with the instants of their arrival.
    pub(crate) fn asked(&self, path: &str) -> Vec<(u64, Request)> {
        let log = self.asked.lock().unwrap();
        log.iter().filter(|(_, request)| request.path.starts_with(path)).cloned().collect()
    }

    fn paths(&self, of: &[&str]) -> Vec<String> {
        let all = self.asked("/").into_iter().map(|(_, request)| request.path);
        all.filter(|path| of.iter().any(|start| path.starts_with(start))).collect()
    }
}

pub(crate) fn exchange(
    at: Party,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
    captures: &[(&str, &str)],
) -> Exchange {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Exchange {
        at,
        method: method.to_owned(),
        path: path.to_owned(),
        headers: owned(headers),
        body: body.map(str::to_owned),
        captures: owned(captures).into_iter().collect(),
        accepts: Vec::new(),
    }
}

/// Sessions of cookies: no token, no renewal.
fn cookie_target() -> Target {
    let unused = exchange(Party::Authority, "GET", "/unused", &[], None, &[]);
    let json = ("content-type", "application/json");
    Target {
        sign_in: exchange(
            Party::Authority,
            "POST",
            "/sign-in",
            &[json],
            Some(r#"{"name":"{{subject}}","password":"{{password}}"}"#),
            &[("user", "/user/id")],
        ),
        refresh: None,
        protected: exchange(
            Party::Resource,
            "GET",
            "/things/{{user}}",
            &[("cookie", "{{cookies}}")],
            None,
            &[],
        ),
        stream: None,
        change: exchange(
            Party::Authority,
            "POST",
            "/admin/{{user}}/{{orientation}}",
            &[("x-key", "{{admin_key}}")],
            None,
            &[],
        ),
        own_change: unused.clone(),
        revoke_token: unused,
        answers: Answers { allow: vec![200], deny: vec![403], reauthenticate: vec![401] },
        instance_header: None,
        decided_at_header: None,
        reissued_header: None,
        token_permissions: None,
        variables: BTreeMap::from([("admin_key".to_owned(), "hunter2!".to_owned())]),
    }
}

/// One resource server at the same address; one connection for sign-ins, so that the pinned session comes first.
fn plan(system: &System, target: Target) -> Plan {
    let mut plan = plan_of(system.address, &[(system.address, "only".to_owned())]);
    plan.target = target;
    plan.connections.refresh = 1;
    plan.subjects.retain(|subject| subject.id.0 != "denied" && subject.id.0 != "unprobed");
    for subject in &mut plan.subjects {
        let password = format!("pass \"{}\"", subject.id);
        subject.values = BTreeMap::from([("password".to_owned(), password)]);
    }
    plan
}

fn field(request: &Request, name: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    body[name].as_str().unwrap().to_owned()
}

/// `sid` says who, and at which sign-in; a session without it is nobody's.
fn sid(request: &Request) -> Option<String> {
    let mut cookies = request.header("cookie").split("; ").filter_map(|pair| pair.split_once('='));
    cookies.find(|(name, _)| *name == "sid").map(|(_, value)| value.to_owned())
}

/// Signs in with a cookie, and answers every other call with another `cache` cookie.
fn cookie_system() -> System {
    let calls = Mutex::new(0_u32);
    let changed = Mutex::new(Vec::<String>::new());
    System::start(move |request, before| {
        let path: Vec<&str> = request.path.split('/').skip(1).collect();
        match path.as_slice() {
            ["sign-in"] => {
                let name = field(request, "name");
                let headers = format!(
                    "Set-Cookie: sid={name}.{before}; Path=/; HttpOnly\r\nset-cookie: old=1\r\n\
                     set-cookie: old=; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                );
                Reply::Answer { status: 200, headers, body: format!(r#"{{"user":{{"id":"u-{name}"}}}}"#) }
            }
            ["admin", user, "revoke"] => {
                changed.lock().unwrap().push((*user).to_owned());
                Reply::new(200, "")
            }
            ["things", user] => {
                let mut calls = calls.lock().unwrap();
                *calls += 1;
                let headers = match *calls % 2 {
                    0 => format!("set-cookie: cache={calls}; Max-Age=300\r\n"),
                    _ => String::new(),
                };
                let status = match sid(request) {
                    None => 401,
                    Some(_) if changed.lock().unwrap().iter().any(|changed| changed == user) => 403,
                    Some(_) => 200,
                };
                Reply::Answer { status, headers, body: String::new() }
            }
            _ => Reply::new(404, ""),
        }
    })
}

#[test]
fn a_session_of_cookies_is_driven_like_any_other() {
    let system = cookie_system();
    let mut plan = plan(&system, cookie_target());
    for place in [&mut plan.authority, &mut plan.instances[0].0] {
        place.host = "app.example:8443".to_owned();
    }
    let recording = run(&plan, &Progress::default()).unwrap();
    let all = system.asked("/");
    assert!(all.iter().all(|(_, request)| request.header("host") == "app.example:8443"));
    let signed_in = system.asked("/sign-in");
    assert_eq!(signed_in.len(), 5, "two sessions of who is changed, and one of each other");
    assert_eq!(field(&signed_in[0].1, "password"), "pass \"treated\"");
    assert_eq!(system.paths(&["/admin"]), ["/admin/u-treated/revoke"]);
    assert_eq!(system.asked("/admin")[0].1.header("x-key"), "hunter2!");
    assert!(system.asked("/things").iter().all(|(_, request)| sid(request).is_some()));
    assert!(all.iter().all(|(_, request)| !request.header("cookie").contains("old=")), "ended at once");
    assert_eq!(recording.token_bytes_mean, None);
    assert_eq!(recording.history.changes[0].outcome, ChangeOutcome::Ok);
    let refreshes = recording.history.requests.iter().filter(|r| r.purpose == Purpose::Refresh);
    assert_eq!(refreshes.count(), 0);
    let control = requests(&recording, 1, SessionRole::Honest, Purpose::Background);
    assert!(control.len() > 5 && control.iter().all(|r| r.decision == DecisionClass::Allow));
    let probes = requests(&recording, 0, SessionRole::Pinned, Purpose::Probe);
    assert!(probes.iter().any(|r| r.decision == DecisionClass::Deny));
}

#[test]
fn cookies_that_calls_set_are_kept_but_by_a_pinned_session() {
    let system = cookie_system();
    let recording = run(&plan(&system, cookie_target()), &Progress::default()).unwrap();
    let changed_ns = system.asked("/admin")[0].0;
    // The pinned session signed in first.
    let caches = |sid: &str, after_ns: u64| {
        let calls = system.asked("/things").into_iter().filter(|(at_ns, _)| *at_ns > after_ns);
        let mut caches: Vec<String> = calls
            .filter(|(_, request)| self::sid(request).as_deref() == Some(sid))
            .map(|(_, request)| request.header("cookie").to_owned())
            .collect();
        caches.dedup();
        caches
    };
    let honest = caches("allowed.2", 0);
    assert!(honest.len() >= 3 && honest[1].starts_with("sid=allowed.2; cache="), "{honest:?}");
    assert_eq!(caches("treated.0", changed_ns + 20 * MS).len(), 1, "what it had at the change");
    let reissues = &recording.history.reissues;
    assert!(reissues.iter().any(|reissue| reissue.subject == 1 && reissue.session == SessionRole::Honest));
    let mut pinned = reissues.iter().filter(|reissue| reissue.session == SessionRole::Pinned);
    let submitted_ns = recording.history.changes[0].submitted_ns;
    assert!(pinned.all(|reissue| reissue.received_ns <= submitted_ns));
}

/// The first cookie of a session is honoured for 0.4 s only; a renewal gives one that lives on.
fn renewing_system() -> System {
    let started_ns = mono_ns();
    System::start(move |request, before| {
        let set = |name: &str| format!("set-cookie: sid={name}\r\n");
        match (request.path.as_str(), sid(request)) {
            ("/sign-in", _) => {
                let name = field(request, "name");
                let headers = set(&format!("{name}.{before}"));
                Reply::Answer { status: 201, headers, body: r#"{"user":{"id":"u"}}"#.to_owned() }
            }
            ("/renew", Some(sid)) => {
                Reply::Answer { status: 204, headers: set(&format!("{sid}.new")), body: String::new() }
            }
            (_, Some(sid)) if sid.ends_with(".new") || mono_ns() < started_ns + 400 * MS => {
                Reply::new(200, "")
            }
            _ => Reply::new(401, ""),
        }
    })
}

#[test]
fn cookies_are_renewed_where_there_is_a_way_to_and_only_there() {
    let answers = |refresh: Option<Exchange>| {
        let system = renewing_system();
        let mut plan = plan(&system, Target { refresh, ..cookie_target() });
        plan.subjects.retain(|subject| subject.role != SubjectRole::Treated);
        let recording = run(&plan, &Progress::default()).unwrap();
        let renewals = requests(&recording, 0, SessionRole::Honest, Purpose::Refresh);
        let renewed = renewals.iter().filter(|r| r.decision == DecisionClass::Allow).count();
        let audit = requests(&recording, 0, SessionRole::Honest, Purpose::Audit);
        (renewals.len(), renewed, audit.last().unwrap().decision)
    };
    let renew = exchange(Party::Authority, "POST", "/renew", &[("cookie", "{{cookies}}")], None, &[]);
    assert_eq!(answers(Some(renew)), (1, 1, DecisionClass::Allow));
    assert_eq!(answers(None), (0, 0, DecisionClass::Reauthenticate));
}

#[test]
fn tokens_come_in_headers_and_cookies_and_statuses_are_the_targets_own() {
    let system = System::start(|request, _| match request.path.as_str() {
        "/login" => {
            let name = request.body.strip_prefix("user=").unwrap();
            let headers = format!(
                "X-Token: t-{name}\r\nset-cookie: csrf=c-{name}; Path=/\r\nlocation: http://elsewhere.example/\r\n"
            );
            Reply::Answer { status: 302, headers, body: "no json".to_owned() }
        }
        "/things" => {
            let name = request.bearer.strip_prefix("t-").unwrap_or_default();
            let right = !name.is_empty() && request.header("x-csrf") == format!("c-{name}");
            Reply::new(if right { 202 } else { 400 }, "")
        }
        _ => Reply::new(200, ""),
    });
    let mut target = cookie_target();
    target.sign_in = exchange(
        Party::Authority,
        "POST",
        "/login",
        &[("content-type", "application/x-www-form-urlencoded")],
        Some("user={{subject}}"),
        &[("access_token", "header x-token"), ("csrf", "cookie csrf")],
    );
    target.sign_in.accepts = vec![302];
    let headers = [("authorization", "Bearer {{access_token}}"), ("x-csrf", "{{csrf}}")];
    target.protected = exchange(Party::Resource, "GET", "/things", &headers, None, &[]);
    target.change.path = "/change".to_owned();
    target.change.accepts = vec![204];
    target.answers.allow = vec![202];
    let recording = run(&plan(&system, target), &Progress::default()).unwrap();
    assert!(recording.token_bytes_mean.unwrap() > 5.0);
    let calls = recording.history.requests.iter();
    assert!(calls.clone().count() > 20 && calls.clone().all(|r| r.decision == DecisionClass::Allow));
    assert_eq!(recording.history.changes[0].outcome, ChangeOutcome::Info, "200 is not what it accepts");
}

#[test]
fn a_token_that_must_be_there_is_missed() {
    let system = System::start(|_, _| Reply::new(200, r#"{"token":null,"key":"hunter2!"}"#));
    let mut target = cookie_target();
    target.sign_in.captures = BTreeMap::from([("access_token".to_owned(), "/token".to_owned())]);
    let error = run(&plan(&system, target.clone()), &Progress::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot sign in treated: there is no access token where the target says; the answer was status 200: \
         (not shown: it may have the token)"
    );
    target.sign_in.captures = BTreeMap::from([("user".to_owned(), "user.id".to_owned())]);
    let error = run(&plan(&system, target), &Progress::default()).unwrap_err();
    assert!(error.to_string().contains("`user.id` says no place in an answer"), "{error}");
}

/// Whoever is not known cannot sign in; what is withheld is not in the token.
fn directory(known: &'static str) -> System {
    System::start(move |request, _| {
        let path: Vec<&str> = request.path.split('/').skip(1).collect();
        match path.as_slice() {
            ["users"] => {
                let name = field(request, "name");
                let status = if known == "all" || known == name { 201 } else { 409 };
                Reply::new(status, &format!(r#"{{"id":"id-{name}","said":"{}"}}"#, request.header("x-key")))
            }
            ["sign-in"] => {
                let name = field(request, "name");
                let headers = format!("set-cookie: sid={name}\r\n");
                Reply::Answer { status: 200, headers, body: format!(r#"{{"user":{{"id":"u-{name}"}}}}"#) }
            }
            _ => Reply::new(200, ""),
        }
    })
}

fn seeding() -> Exchange {
    let headers = [("content-type", "application/json"), ("x-key", "{{admin_key}}")];
    let body = r#"{"name":"{{subject}}","may":"{{permission}}"}"#;
    exchange(Party::Authority, "POST", "/users", &headers, Some(body), &[("id", "/id")])
}

fn own(make: &str, undo: Option<&str>, withhold: Option<&str>) -> Option<ScenarioExchanges> {
    let post = |path: &str| exchange(Party::Resource, "POST", path, &[], None, &[]);
    Some(ScenarioExchanges { make: post(make), undo: undo.map(post), withhold: withhold.map(post) })
}

#[test]
fn subjects_are_made_known_and_lose_what_is_to_be_given_before_they_sign_in() {
    let system = directory("all");
    let mut plan = plan(&system, cookie_target());
    plan.seeding = Some(seeding());
    plan.scenarios[0].orientation = Orientation::Grant;
    plan.scenarios[0].exchanges = own("/give/{{id}}", None, Some("/take/{{id}}/{{permission}}"));
    plan.subjects[0].withheld = true;
    let recording = run(&plan, &Progress::default()).unwrap();
    let first = system.paths(&["/users", "/sign-in", "/take", "/give"]);
    let expected = ["/users", "/users", "/users", "/users", "/take/id-treated/p"];
    assert_eq!(first[..5], expected);
    assert_eq!(first[5..].iter().filter(|path| *path == "/sign-in").count(), 5);
    assert_eq!(first.last().unwrap(), "/give/id-treated");
    assert_eq!(field(&system.asked("/users")[0].1, "may"), "p");
    assert_eq!(recording.history.changes[0].outcome, ChangeOutcome::Ok);
}

#[test]
fn what_only_a_sign_in_tells_is_withheld_after_it_and_followed_by_another() {
    let system = directory("all");
    let mut plan = plan(&system, cookie_target());
    plan.scenarios[0].orientation = Orientation::Grant;
    plan.scenarios[0].exchanges = own("/give/{{user}}", None, Some("/take/{{user}}"));
    plan.subjects[0].withheld = true;
    run(&plan, &Progress::default()).unwrap();
    let order: Vec<String> = system.paths(&["/sign-in", "/take", "/give"]);
    let expected: Vec<&str> =
        [vec!["/sign-in"; 5], vec!["/take/u-treated"], vec!["/sign-in"; 2], vec!["/give/u-treated"]].concat();
    assert_eq!(order, expected);
}

#[test]
fn who_is_to_be_reinstated_keeps_the_session_it_had() {
    let system = directory("all");
    let mut plan = plan(&system, cookie_target());
    plan.scenarios[0].orientation = Orientation::Grant;
    plan.scenarios[0].changed = None;
    plan.scenarios[0].exchanges =
        own("/give/{{subject}}", None, Some("/take/{{subject}}/{{permission_json}}"));
    plan.subjects[0].withheld = true;
    run(&plan, &Progress::default()).unwrap();
    let order = system.paths(&["/sign-in", "/take", "/give"]);
    let expected: Vec<&str> = [vec!["/sign-in"; 5], vec!["/take/treated/null", "/give/treated"]].concat();
    assert_eq!(order, expected);
}

#[test]
fn a_change_is_taken_back_in_the_scenarios_own_way() {
    let system = directory("all");
    let mut plan = plan(&system, cookie_target());
    plan.scenarios[0].scope = ScopeKind::All;
    plan.scenarios[0].undone_after_ns = Some(50 * MS);
    plan.scenarios[0].exchanges = own("/lock", Some("/unlock/{{orientation}}"), None);
    let recording = run(&plan, &Progress::default()).unwrap();
    assert_eq!(system.paths(&["/lock", "/unlock"]), ["/lock", "/unlock/grant"]);
    let outcomes: Vec<_> = recording.history.changes.iter().map(|change| change.outcome).collect();
    assert_eq!(outcomes, [ChangeOutcome::Ok; 2]);
}

#[test]
fn who_cannot_be_made_known_is_named_and_no_secret_is() {
    let system = directory("treated");
    let mut plan = plan(&system, cookie_target());
    plan.seeding = Some(seeding());
    plan.connections.change = 1;
    let error = run(&plan, &Progress::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot make known allowed: it was refused; the answer was status 409: {\"id\":\"id-allowed\",\"said\":\"***\"}"
    );
    assert_eq!(system.asked("/sign-in").len(), 0);
}

fn signed_in() -> Reply {
    let headers = "set-cookie: sid=s-1\r\n".to_owned();
    Reply::Answer { status: 200, headers, body: r#"{"user":{"id":"u"}}"#.to_owned() }
}

#[test]
fn what_a_refused_sign_in_says_again_is_masked() {
    let system =
        System::start(|request, _| Reply::new(422, &format!("wrong: {}", field(request, "password"))));
    let error = run(&plan(&system, cookie_target()), &Progress::default()).unwrap_err().to_string();
    assert!(error.ends_with("the answer was status 422: wrong: ***"), "{error}");
}

#[test]
fn what_the_seed_does_not_say_is_missed_there() {
    let system = System::start(|_, _| Reply::new(201, r#"{"number":7}"#));
    let mut plan = plan(&system, cookie_target());
    plan.seeding = Some(seeding());
    let error = run(&plan, &Progress::default()).unwrap_err().to_string();
    assert!(error.contains("`id` is not in its answer where the target says"), "{error}");
    assert_eq!(system.asked("/sign-in").len(), 0);
}

/// A form shows itself again with status 200, and sets nothing.
#[test]
fn a_sign_in_that_sets_no_cookie_is_none_where_cookies_are_shown() {
    let system = System::start(|_, _| Reply::new(200, r#"{"user":{"id":"u"}}"#));
    let error = run(&plan(&system, cookie_target()), &Progress::default()).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "cannot sign in treated: no cookie came with it, and the protected call shows cookies"
        ),
        "{error}"
    );
}

#[test]
fn cookies_that_come_with_a_refusal_are_no_new_token() {
    let system = System::start(|request, before| match request.path.as_str() {
        "/sign-in" => signed_in(),
        "/things/u" => {
            let status = if before > 30 { 401 } else { 200 };
            Reply::Answer { status, headers: format!("set-cookie: route={before}\r\n"), body: String::new() }
        }
        _ => Reply::new(200, ""),
    });
    let mut target = cookie_target();
    target.refresh = Some(Exchange { path: "/renew".to_owned(), ..target.sign_in.clone() });
    run(&plan(&system, target), &Progress::default()).unwrap();
    assert!(!system.asked("/renew").is_empty(), "a session that is refused renews");
}

#[test]
fn redirects_are_told_and_never_followed() {
    let elsewhere = System::start(|_, _| Reply::new(200, r#"{"user":{"id":"u"}}"#));
    let there = elsewhere.address;
    let moved = move |status| Reply::Answer {
        status,
        headers: format!("Location: http://{there}/sign-in?next=hunter2!\r\n"),
        body: String::new(),
    };
    let system = System::start(move |_, _| moved(307));
    let error = run(&plan(&system, cookie_target()), &Progress::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot sign in treated: it was redirected to {there}, and redirects are not followed; the answer was \
             status 307: "
        )
    );
    let system = System::start(move |request, _| match request.path.as_str() {
        "/sign-in" => signed_in(),
        _ => moved(302),
    });
    let recording = run(&plan(&system, cookie_target()), &Progress::default()).unwrap();
    let calls = &recording.history.requests;
    assert!(calls.len() > 20 && calls.iter().all(|r| (r.decision, r.status) == (DecisionClass::Error, 302)));
    assert_eq!(recording.history.changes[0].outcome, ChangeOutcome::Info);
    assert_eq!(elsewhere.asked("/").len(), 0);
}

/// What is recorded of a system that from 0.4 s on answers its protected calls so.
fn failing(how: fn() -> Reply) -> Recording {
    let fleet = Fleet::start(Script::default());
    let started_ns = mono_ns();
    let resource =
        serve(move |_| if mono_ns() < started_ns + 400 * MS { Reply::new(200, "") } else { how() });
    let mut plan = plan_of(fleet.authority, &[(resource, "r0".to_owned())]);
    plan.target.instance_header = None;
    plan.request_timeout_ns = 200 * MS;
    let recording = run(&plan, &Progress::default()).unwrap();
    assert!(!recording.interrupted && recording.start_mono_ns > 0);
    let (before, after): (Vec<_>, Vec<_>) = recording
        .history
        .requests
        .iter()
        .partition(|r| r.received_ns + recording.start_mono_ns < started_ns + 400 * MS);
    assert!(before.iter().any(|r| r.decision == DecisionClass::Allow));
    let errors = after.iter().filter(|r| r.decision == DecisionClass::Error).count();
    assert!(errors > 5 && after.last().unwrap().decision == DecisionClass::Error, "{errors} errors");
    assert!(recording.loads.iter().any(|load| load.statuses.contains_key(&0)));
    recording
}

#[test]
fn a_system_that_fails_midway_leaves_errors_and_a_recording() {
    let changes = |recording: Recording| recording.history.changes.len();
    assert_eq!(changes(failing(|| Reply::Die)), 2);
    assert_eq!(changes(failing(|| Reply::Half)), 2);
    assert_eq!(changes(failing(|| Reply::Silence)), 2);
    failing(|| {
        std::thread::sleep(Duration::from_millis(400));
        Reply::new(200, "")
    });
}

#[test]
fn a_whole_system_that_dies_midway_leaves_its_changes_unanswered() {
    let system = System::start(|request, before| match request.path.as_str() {
        "/things/u" if before > 30 => Reply::Die,
        "/sign-in" => signed_in(),
        _ => Reply::new(200, ""),
    });
    let progress = Progress::default();
    let recording = run(&plan(&system, cookie_target()), &progress).unwrap();
    assert_eq!(recording.history.changes[0].outcome, ChangeOutcome::Info);
    assert!(progress.errors.load(Relaxed) > 20);
}
