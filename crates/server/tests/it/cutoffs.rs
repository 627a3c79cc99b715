//! Cut-offs and tokens of the same instant, over real stores and with a clock that stands where it is told to: who
//! came first must not be lost.

use std::sync::Arc;

use revbench_model::settings::CutoffRule;
use revbench_model::{Change, Claims, Now, Orientation, Reason, Scope, Settings};
use revbench_store::{Client, Command, Limits};
use revbench_strategies::{
    AppliedChange, Decision, Held, Meters, Strategy, StrategyKind, SubjectRecord, ValidAfter,
};
use serde_json::json;

use crate::fleet::{Fleet, quick};
use crate::stores::{self, Store};

/// The beginning of a second.
const NOON_MS: u64 = 1_800_000_000_000;

const STRICT: [CutoffRule; 2] = [CutoffRule::Millisecond, CutoffRule::Second];

fn at(ms: u64) -> Now {
    Now { wall_ms: NOON_MS + ms, mono_ns: 0 }
}

/// One strategy as both servers use it; its store is new.
struct Scene {
    strategy: ValidAfter,
    client: Client,
}

impl Scene {
    async fn new(store: &Store, rule: CutoffRule) -> Scene {
        let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
        let client = Client::connect(&store.address, limits).await.unwrap();
        let settings = Settings { cutoff_rule: rule, ..Settings::default() };
        let strategy = ValidAfter::new(client.clone(), Arc::new(Meters::default()), &settings);
        Scene { strategy, client }
    }

    async fn mint(&self, subject: &str, session: &str, ms: u64) -> Claims {
        let now = at(ms);
        let iat = now.wall_ms as f64 / 1_000.0;
        let mut claims = Claims {
            iss: "https://authority.test".into(),
            aud: "resources".to_owned(),
            sub: subject.into(),
            sid: session.into(),
            jti: "j".into(),
            client_id: "client".to_owned(),
            iat,
            exp: iat + 900.0,
            permissions: Vec::new(),
            ver: None,
            tenant: None,
        };
        let commands = self.strategy.issued(&mut claims, &SubjectRecord::default(), now).await.unwrap();
        self.client.transaction(commands).await.unwrap();
        claims
    }

    /// A cut-off of the session, or of the subject.
    async fn cut(&self, subject: &str, session: Option<&str>, ms: u64) {
        let commands = self.writes(subject, session, ms).await;
        self.client.transaction(commands).await.unwrap();
    }

    /// What is written for one.
    async fn writes(&self, subject: &str, session: Option<&str>, ms: u64) -> Vec<Command> {
        let scope = match session {
            Some(session) => Scope::Session(session.into()),
            None => Scope::Subject(subject.into()),
        };
        let applied = AppliedChange {
            change: Change {
                orientation: Orientation::Revoke,
                scope,
                permission: None,
                reason: "test".to_owned(),
            },
            subject: subject.into(),
            record: SubjectRecord::default(),
            session: session.map(Into::into),
            token: None,
        };
        self.strategy.propagate(&applied, at(ms)).await.unwrap()
    }

    async fn honours(&self, token: &Claims) -> bool {
        match self.strategy.held(token, at(0)).await {
            Ok(Held::InToken) => true,
            Err(Decision::Reauthenticate(Reason::Revoked)) => false,
            other => panic!("{other:?}"),
        }
    }
}

/// Under a lenient rule a token from before the change survives it for its whole life; under a rule that is strict
/// and no more, the login after it is refused.
#[tokio::test]
async fn a_mint_and_a_change_of_the_same_instant_keep_their_order() {
    for store in stores::all() {
        for rule in CutoffRule::ALL {
            let scene = Scene::new(&store, rule).await;
            let (subject, survives) = (rule.name(), rule == CutoffRule::SecondLenient);
            let before = scene.mint(subject, "s", 400).await;
            scene.cut(subject, None, 400).await;
            let after = scene.mint(subject, "s", 400).await;
            assert_eq!(scene.honours(&before).await, survives, "{rule:?}");
            assert!(scene.honours(&after).await, "{rule:?}");
            // Another change in the same instant is one that came later.
            scene.cut(subject, None, 400).await;
            let last = scene.mint(subject, "s", 400).await;
            assert_eq!(scene.honours(&after).await, survives, "{rule:?}");
            assert!(scene.honours(&last).await, "{rule:?}");
            // Seconds later no rule is in doubt.
            scene.cut(subject, None, 2_400).await;
            for token in [&before, &after, &last] {
                assert!(!scene.honours(token).await, "{rule:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_must_be_good_by_every_cut_off() {
    let store = stores::embedded();
    for rule in CutoffRule::ALL {
        let scene = Scene::new(&store, rule).await;
        for session_first in [false, true] {
            let subject = format!("{}-{session_first}", rule.name());
            let (s1, s2) = (format!("{subject}-1"), format!("{subject}-2"));
            let cuts = if session_first { [Some(s1.as_str()), None] } else { [None, Some(s1.as_str())] };
            let (early, other) = (scene.mint(&subject, &s1, 0).await, scene.mint(&subject, &s2, 0).await);
            scene.cut(&subject, cuts[0], 10_000).await;
            let between = scene.mint(&subject, &s1, 15_000).await;
            assert!(scene.honours(&between).await, "{rule:?} {cuts:?}");
            assert_eq!(
                scene.honours(&other).await,
                session_first,
                "{rule:?}: a session's is not the subject's"
            );
            scene.cut(&subject, cuts[1], 20_000).await;
            let late = scene.mint(&subject, &s2, 25_000).await;
            for token in [&early, &between, &other] {
                assert!(!scene.honours(token).await, "{rule:?} {cuts:?}");
            }
            assert!(scene.honours(&late).await, "{rule:?} {cuts:?}");
        }
    }
}

/// Two changes whose order is lost on the way, or a clock that was set back.
#[tokio::test]
async fn a_cut_off_does_not_lower_another() {
    let store = stores::embedded();
    for rule in CutoffRule::ALL {
        let scene = Scene::new(&store, rule).await;
        let token = scene.mint(rule.name(), "s", 15_000).await;
        scene.cut(rule.name(), None, 20_000).await;
        assert!(!scene.honours(&token).await, "{rule:?}");
        scene.cut(rule.name(), None, 10_000).await;
        assert!(!scene.honours(&token).await, "{rule:?}");
    }
}

/// Where the clock was set back, tokens from before the cut-off live for as much longer by it, and so must the cut-off.
#[tokio::test]
async fn a_cut_off_ahead_of_the_clock_lives_for_so_much_longer() {
    let store = stores::embedded();
    let life_ms = async |scene: &Scene, subject: &str, ms: u64| match &scene.writes(subject, None, ms).await[..]
    {
        [Command::Set { expire_ms: Some(life_ms), .. }] => *life_ms,
        other => panic!("{other:?}"),
    };
    for rule in CutoffRule::ALL {
        let scene = Scene::new(&store, rule).await;
        let ordinary_ms = life_ms(&scene, rule.name(), 20_000).await;
        scene.cut(rule.name(), None, 20_000).await;
        let ahead_ms = life_ms(&scene, rule.name(), 10_000).await;
        assert!(ahead_ms >= ordinary_ms + 10_000, "{rule:?}: {ahead_ms} after {ordinary_ms} ms");
    }
}

#[tokio::test]
async fn who_comes_back_right_after_a_change_is_let_in() {
    let store = stores::embedded();
    for rule in STRICT {
        let settings = Settings { cutoff_rule: rule, ..quick() };
        let fleet = Fleet::new(StrategyKind::ValidAfter, settings, &store.address).await;
        let subject = rule.name();
        fleet.seed(subject, &["orders:write"]).await;
        let tokens = fleet.sign_in(subject).await;
        fleet.change(Orientation::Revoke, json!({ "subject": subject }), Some("orders:write")).await;
        let refused = fleet.call(&tokens.access, "orders:write").await;
        assert_eq!((refused.status, refused.reason()), (401, "revoked"), "{rule:?}");
        let renewed = fleet.refresh(&tokens).await.unwrap();
        for (permission, status) in [("orders:write", 403), ("extra:000", 200)] {
            let answer = fleet.call(&renewed.access, permission).await;
            assert_eq!(answer.status, status, "{rule:?} {permission} {}", answer.reason());
        }
    }
}
