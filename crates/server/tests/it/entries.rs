//! How long an entry of a deny list lives: as long as any verifier takes its token, whoever revokes it, when, and by
//! whose clock.

use std::sync::Arc;
use std::time::Duration;

use revbench_model::settings::{Expiry, Hole};
use revbench_model::{Change, Claims, Now, Orientation, Scope, Settings};
use revbench_server::clock;
use revbench_server::config::issuer;
use revbench_store::{Client, Command, Limits};
use revbench_strategies::truth::read_subject;
use revbench_strategies::{
    AllowList, AppliedChange, DenyAndRefresh, DenyList, Meters, Strategy, StrategyKind, SubjectRecord,
    TokenRef, ValidAfter,
};
use serde_json::json;

use crate::fleet::{Fleet, quick};
use crate::stores;

/// Long enough that a busy machine asks within it.
const LEEWAY_MS: u64 = 1_500;

/// What the holder of a revoked token is told, one reason after another, until the token is over.
async fn told(kind: StrategyKind, hole: Hole) -> Vec<String> {
    let settings = Settings { token_ttl_ms: 300, leeway_ms: LEEWAY_MS, hole, ..quick() };
    let store = stores::embedded();
    let fleet = Fleet::new(kind, settings, &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    fleet.revoke_token(&ann.access).await;
    let (mut reasons, start_ns) = (Vec::new(), clock::mono_ns());
    while reasons.last().is_none_or(|reason| reason != "expired") {
        assert!(clock::mono_ns() - start_ns < 20_000_000_000, "it never ends: {reasons:?}");
        reasons.push(fleet.call(&ann.access, "orders:write").await.reason().to_owned());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    reasons.dedup();
    reasons
}

#[tokio::test]
async fn an_entry_that_goes_with_its_token_lets_it_rise_from_the_dead() {
    for kind in [StrategyKind::DenyList, StrategyKind::DenyAndRefresh] {
        assert_eq!(told(kind, Hole::None).await, ["revoked", "expired"], "{kind:?}");
        assert_eq!(told(kind, Hole::EntryMargin).await, ["revoked", "allowed", "expired"], "{kind:?}");
    }
}

/// The end of a session, and of a token of it that expires then.
fn ended(exp_ms: u64) -> AppliedChange {
    AppliedChange {
        change: Change {
            orientation: Orientation::Revoke,
            scope: Scope::Token("j".into()),
            permission: None,
            reason: "test".to_owned(),
        },
        subject: "ann".into(),
        record: SubjectRecord::default(),
        session: Some("s".into()),
        token: Some(TokenRef { jti: "j".into(), exp_ms }),
    }
}

/// What a list writes for a token that expires at `exp_ms` where the clock of whoever revokes it says `now_ms`.
async fn written(list: &DenyList, exp_ms: u64, now_ms: u64) -> Vec<Command> {
    list.propagate(&ended(exp_ms), Now { wall_ms: now_ms, mono_ns: 0 }).await.unwrap()
}

/// How long what a strategy notes about a token is kept, ms from now: of whatever it writes when the token is issued and
/// when it is revoked.
async fn kept_ms(strategy: &impl Strategy) -> Vec<u64> {
    let now = Now { wall_ms: 1_700_000_000_000, mono_ns: 0 };
    let exp_ms = now.wall_ms + 60_000;
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    let mut claims = Claims {
        iss: issuer(),
        aud: "resources".to_owned(),
        sub: "ann".into(),
        sid: "s".into(),
        jti: "j".into(),
        client_id: "client".to_owned(),
        iat: seconds(now.wall_ms),
        exp: seconds(exp_ms),
        permissions: Vec::new(),
        ver: None,
        tenant: None,
    };
    let mut commands = strategy.issued(&mut claims, &SubjectRecord::default(), now).await.unwrap();
    commands.extend(strategy.propagate(&ended(exp_ms), now).await.unwrap());
    let kept = |command: &Command| match command {
        Command::SetUntil { until_ms, .. } => Some(until_ms - now.wall_ms),
        Command::Set { expire_ms, .. } => *expire_ms,
        Command::Expire { ms, .. } => Some(*ms),
        // A member goes when the end of its token lies so far back.
        Command::RemoveScoredBelow { below, .. } => Some(now.wall_ms - *below as u64),
        _ => None,
    };
    commands.iter().filter_map(kept).collect()
}

/// A token whose end is a whole second is taken until that second is over. What is noted about it is kept for as much
/// longer, or nothing would be left of the margin.
#[tokio::test]
async fn whole_seconds_leave_the_margin_of_notes_as_it_is() {
    let store = stores::embedded();
    let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
    let client = Client::connect(&store.address, limits).await.unwrap();
    let (c, m) = (|| client.clone(), Arc::<Meters>::default);
    let [ms, s] = Expiry::ALL.map(|expiry| Settings { expiry, ..Settings::default() });
    let check = |kind: StrategyKind, millisecond: Vec<u64>, second: Vec<u64>| {
        let longer: Vec<u64> = millisecond.iter().map(|kept_ms| kept_ms + s.expiry.grid_ms()).collect();
        assert!(!longer.is_empty(), "{kind:?}");
        assert_eq!(second, longer, "{kind:?}");
    };
    let of = async |settings: &Settings| kept_ms(&DenyList::new(c(), m(), settings, issuer())).await;
    check(StrategyKind::DenyList, of(&ms).await, of(&s).await);
    let of = async |settings: &Settings| kept_ms(&DenyAndRefresh::new(c(), m(), settings, issuer())).await;
    check(StrategyKind::DenyAndRefresh, of(&ms).await, of(&s).await);
    let of = async |settings: &Settings| kept_ms(&AllowList::new(c(), m(), settings, issuer())).await;
    check(StrategyKind::AllowList, of(&ms).await, of(&s).await);
    let of = async |settings: &Settings| kept_ms(&ValidAfter::new(c(), m(), settings)).await;
    check(StrategyKind::ValidAfter, of(&ms).await, of(&s).await);
}

/// The record's own list of ended sessions, which lookups and databases go by, likewise.
#[tokio::test]
async fn an_ended_session_is_remembered_until_its_last_second_is_over() {
    let store = stores::embedded();
    let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
    let client = Client::connect(&store.address, limits).await.unwrap();
    let settings = Settings { token_ttl_ms: 60_000, expiry: Expiry::Second, ..quick() };
    let fleet = Fleet::new(StrategyKind::Lookup, settings, &store.address).await;
    fleet.seed("ann", &["orders:write"]).await;
    let ann = fleet.sign_in("ann").await;
    fleet.change(Orientation::Revoke, json!({ "session": ann.session }), None).await;
    let after_ms = clock::now().wall_ms;
    let record = read_subject(&client, &"ann".into()).await.unwrap().unwrap();
    let [ended] = &record.ended[..] else { panic!("{record:?}") };
    // Ended before `after_ms`, by less than the margin.
    let (life_ms, margin_ms) = (60_000 + Expiry::Second.grid_ms(), 1_000);
    let kept_ms = ended.until_ms - (after_ms - margin_ms);
    assert!(kept_ms > life_ms + margin_ms, "{kept_ms}");
}

/// A life counted from the revoker's clock is too short where that clock is ahead, and the second of two revocations
/// would overwrite the first's.
#[tokio::test]
async fn an_entrys_end_is_its_tokens_and_not_its_revokers() {
    let store = stores::embedded();
    let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
    let client = Client::connect(&store.address, limits).await.unwrap();
    let settings = Settings { leeway_ms: LEEWAY_MS, ..Settings::default() };
    let list = DenyList::new(client.clone(), Arc::new(Meters::default()), &settings, issuer());
    let now_ms = clock::now().wall_ms;
    let exp_ms = now_ms + 60_000;
    let expected = written(&list, exp_ms, now_ms).await;
    assert!(
        matches!(&expected[..], [Command::SetUntil { until_ms, .. }] if *until_ms >= exp_ms + LEEWAY_MS),
        "{expected:?}"
    );
    for ahead_ms in [-600_000_i64, -1, 1, 60_000, 600_000] {
        let commands = written(&list, exp_ms, now_ms.saturating_add_signed(ahead_ms)).await;
        assert_eq!(commands, expected, "the revoker's clock is {ahead_ms} ms ahead");
        client.transaction(commands).await.unwrap();
    }
    let key = format!("deny:{}:j", issuer());
    assert_eq!(client.count_existing(&[&key]).await.unwrap(), 1);
    // Of a token that nobody takes any more the store keeps nothing.
    client.transaction(written(&list, now_ms - 60_000, now_ms).await).await.unwrap();
    assert_eq!(client.count_existing(&[&key]).await.unwrap(), 0);
}

/// A list that is long before anything is revoked: its entries are there when the servers are, and mean nobody.
#[tokio::test]
async fn a_list_that_is_loaded_before_stands_there_and_denies_nobody() {
    const PRELOAD: u32 = 2_500;
    for kind in [StrategyKind::DenyList, StrategyKind::DenyAndRefresh] {
        let store = stores::embedded();
        let settings = Settings { deny_preload: PRELOAD, ..quick() };
        let fleet = Fleet::new(kind, settings, &store.address).await;
        let limits = Limits { connect_timeout_ms: 1_000, response_timeout_ms: 1_000 };
        let client = Client::connect(&store.address, limits).await.unwrap();
        let key = |number: u32| format!("deny:{}:unrelated-{number}", issuer());
        let there: Vec<String> = [0, 999, 1_000, PRELOAD - 1].map(key).to_vec();
        let there: Vec<&str> = there.iter().map(String::as_str).collect();
        assert_eq!(client.count_existing(&there).await.unwrap(), 4, "{kind:?}");
        assert_eq!(client.count_existing(&[&key(PRELOAD)]).await.unwrap(), 0, "{kind:?}");
        fleet.seed("ann", &["orders:write"]).await;
        let ann = fleet.sign_in("ann").await;
        assert_eq!(fleet.call(&ann.access, "orders:write").await.status, 200, "{kind:?}");
    }
}
