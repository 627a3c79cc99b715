//! The calibration server over sockets: the contract of every other server, and a log that explains each answer.

use std::thread;
use std::time::Duration;

use revbench_model::DecisionClass;
use revbench_model::calibration::{Instance, Log};
use revbench_server::calibration::{CalibrationConfig, LAWS, run_calibration_until};
use revbench_server::{ServerError, Stop, bind};
use serde_json::{Value, json};

const ADMIN: &str = "admin";

fn config(behaviour: &str) -> CalibrationConfig {
    CalibrationConfig {
        behaviour: behaviour.to_owned(),
        seed: 1,
        instances: 2,
        token_ttl_ms: 60_000,
        admin_token: ADMIN.to_owned(),
    }
}

struct Client(ureq::Agent);

impl Client {
    fn new() -> Client {
        let agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false);
        Client(agent.timeout_global(Some(Duration::from_secs(10))).build().into())
    }

    fn get(&self, url: &str, bearer: &str) -> (u16, Option<u64>, Value) {
        let request = self.0.get(url).header("authorization", format!("Bearer {bearer}"));
        let mut answer = request.call().unwrap();
        let decided = answer.headers().get("x-decided-at").map(|at| at.to_str().unwrap().parse().unwrap());
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), decided, serde_json::from_str(&body).unwrap())
    }

    fn post(&self, url: &str, body: &str) -> (u16, Value) {
        let request = self.0.post(url).header("authorization", format!("Bearer {ADMIN}"));
        let mut answer = request.send(body).unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap(),
        )
    }
}

#[test]
fn answers_turn_as_the_log_says() {
    let listener = bind(0).unwrap();
    let authority = format!("http://{}", listener.local_addr().unwrap());
    let (handle, stop) = Stop::by_word();
    let server = thread::spawn(move || run_calibration_until(listener, &config(LAWS), None, stop));
    let client = Client::new();

    let instances = client.get(&format!("{authority}/calibration/instances"), ADMIN).2;
    let instances: Vec<Instance> = serde_json::from_value(instances).unwrap();
    assert_eq!(instances.iter().map(|instance| instance.name.as_str()).collect::<Vec<_>>(), ["r0", "r1"]);
    let subject = "calib-fixed-20ms-revoke-1";
    let seeds = json!({ "subjects": [{ "id": subject, "permissions": ["p"] }] });
    assert_eq!(client.post(&format!("{authority}/admin/subjects"), &seeds.to_string()).0, 200);
    let form = format!("grant_type=password&username={subject}&password={subject}");
    let token = client.post(&format!("{authority}/token"), &form).1["access_token"].clone();
    let token = token.as_str().unwrap().to_owned();

    let ask = |bearer: &str| client.get(&format!("http://{}/resource/p", instances[1].address), bearer);
    assert_eq!(ask("t99").0, 401);
    assert_eq!(ask(&token).0, 200);
    let change =
        json!({ "orientation": "revoke", "scope": { "subject": subject }, "permission": "p", "reason": "r" });
    assert_eq!(client.post(&format!("{authority}/admin/changes"), &change.to_string()).0, 200);
    let mut answers = vec![ask(&token)];
    while answers.last().unwrap().0 == 200 {
        answers.push(ask(&token));
    }

    let log: Log =
        serde_json::from_value(client.get(&format!("{authority}/calibration/log"), ADMIN).2).unwrap();
    let change = &log.changes[0];
    assert_eq!(change.turns_ns, vec![vec![change.commit_ns + 20_000_000]; 2]);
    assert_eq!(log.subjects[change.subject as usize], subject);
    // Every answer is a decision of the log, and turned where the log says.
    let logged: Vec<_> =
        log.decisions[1..].iter().map(|decision| (decision.decided_ns, decision.decision)).collect();
    let seen = answers.iter().map(|(status, decided_ns, _)| {
        let class = if *status == 200 { DecisionClass::Allow } else { DecisionClass::Deny };
        (decided_ns.unwrap(), class)
    });
    assert_eq!(seen.collect::<Vec<_>>(), logged);
    for (decided_ns, class) in logged {
        assert_eq!(class == DecisionClass::Deny, decided_ns >= change.turns_ns[1][0]);
    }
    drop(handle);
    server.join().unwrap().unwrap();
}

#[test]
fn a_store_can_be_cut_off_by_whom_it_belongs_to() {
    let listener = bind(0).unwrap();
    let authority = format!("http://{}", listener.local_addr().unwrap());
    let (handle, stop) = Stop::by_word();
    let server = thread::spawn(move || run_calibration_until(listener, &config("lookup"), None, stop));
    let client = Client::new();
    let instances = client.get(&format!("{authority}/calibration/instances"), ADMIN).2;
    let instances: Vec<Instance> = serde_json::from_value(instances).unwrap();
    let seeds = json!({ "subjects": [{ "id": "s", "permissions": ["p"] }] });
    client.post(&format!("{authority}/admin/subjects"), &seeds.to_string());
    let token = client.post(&format!("{authority}/token"), "grant_type=password&username=s&password=s").1;
    let token = token["access_token"].as_str().unwrap();
    let ask = || client.get(&format!("http://{}/resource/p", instances[0].address), token).0;
    let store = |state: &str| client.post(&format!("{authority}/calibration/store/{state}"), "").0;
    assert_eq!((ask(), store("cut"), ask(), store("whole"), ask()), (200, 200, 503, 200, 200));
    assert_eq!((store("torn"), ask()), (400, 200));
    let anyone = Client::new().0.post(format!("{authority}/calibration/store/cut")).send("").unwrap();
    assert_eq!((anyone.status().as_u16(), ask()), (401, 200));
    drop(handle);
    server.join().unwrap().unwrap();
}

#[test]
fn an_unknown_behaviour_or_fault_is_refused() {
    for unknown in ["lies", "lookup!lies", "laws!leeway"] {
        let (_handle, stop) = Stop::by_word();
        let refused = run_calibration_until(bind(0).unwrap(), &config(unknown), None, stop);
        assert!(matches!(refused, Err(ServerError::UnknownBehaviour { name }) if name == unknown));
    }
}
