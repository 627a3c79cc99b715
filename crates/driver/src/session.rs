//! One login and its token: when it is renewed, and what a client does when it is refused. Pure; every time is
//! CLOCK_MONOTONIC ns.

use std::collections::BTreeMap;

use revbench_model::event::SessionRole;
use revbench_model::settings::LONGEST_RETRY_PAUSE_MS;
use revbench_model::time::NS_PER_MS;

use crate::newest::is_newer;
use crate::plan::ClientModel;
use crate::schedule::{Rng, below};

/// Longest pause of a back-off.
const LONGEST_BACKOFF_NS: u64 = LONGEST_RETRY_PAUSE_MS * NS_PER_MS;

/// Tokens too old to live until their session's first renewal are renewed within this long.
const CATCH_UP_NS: u64 = 200_000_000;

/// The variable with the cookies of a session, as a `cookie` header has them.
pub(crate) const COOKIES: &str = "cookies";

/// Does the session renew its token?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It holds a token.
    Holding,
    /// A renewal is under way.
    Renewing,
    /// A renewal was refused; it goes on with the token it has.
    SignedOut,
}

/// What is asked of which resource server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) instance: u16,
    /// A permission of the trace; `None` for the scenario's own.
    pub(crate) asked: Option<u16>,
}

impl Question {
    /// The scenario's own permission.
    pub(crate) fn own(instance: u16) -> Question {
        Question { instance, asked: None }
    }
}

/// A request that was refused and is sent again with the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) question: Question,
    /// Is it one of the audit sweep, rather than of the background?
    pub(crate) audit: bool,
    /// When it was first meant to be sent: who asks waits from there on, through refusal and renewal.
    pub(crate) intended_ns: u64,
}

/// What a client does about a 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// A newer token has come since the request was sent: ask again at once.
    AskAgain,
    /// A renewal is under way or planned soon.
    Await,
    /// Renew at an instant.
    RenewAt(u64),
    /// Nothing: it is an attacker's, or it is signed out.
    Bear,
}

/// A session that is refused, CLOCK_MONOTONIC ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Out {
    /// When the first request that was refused was meant to be sent.
    pub(crate) since_ns: u64,
    /// When the last refusal came.
    pub(crate) refused_ns: u64,
}

/// One login.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) subject: u32,
    pub(crate) role: SessionRole,
    /// What sign-in and renewals captured.
    pub(crate) variables: BTreeMap<String, String>,
    /// The protected call with the current token: one for each instance, first for the scenario's permission, then
    /// for each that a trace asks for.
    pub(crate) requests: Vec<Vec<u8>>,
    /// The renewal with the current refresh token.
    pub(crate) renewal: Vec<u8>,
    /// When the current token was asked for; 0 for that of the sign-in.
    pub(crate) token_asked_ns: u64,
    /// When the current token came.
    pub(crate) token_since_ns: u64,
    /// How long it lives, as its answer said.
    pub(crate) expires_in_ns: Option<u64>,
    pub(crate) state: State,
    /// It keeps its token from now on.
    pub(crate) pinned: bool,
    /// Whose tokens it has a copy of, so that it has no sign-in and renews nothing by itself.
    pub(crate) copies: Option<u32>,
    /// Its change waits for the renewal under way.
    pub(crate) change_waits: bool,
    /// Tells the planned renewal from those planned before it.
    pub(crate) epoch: u32,
    /// Is the planned renewal one after a 401 or a failure?
    hurried: bool,
    /// When the first regular renewal is due, where one before it catches up for a token that was too old.
    first_due_ns: Option<u64>,
    /// Renewals that failed, in a row.
    failures: u32,
    /// Retries that were refused like the request before them, in a row.
    refusals: u32,
    pub(crate) waiting: Vec<Waiting>,
    /// When its subject was told to be reinstated; a renewal sent before was refused rightly and says nothing of now.
    reinstated_ns: u64,
    /// What is watched through it, for each instance; empty until its subject's change.
    pub(crate) watches: Vec<u32>,
    /// Is it refused? Noted for the crowd only, where changes are about everyone.
    pub(crate) out: Option<Out>,
}

impl Session {
    /// Not signed in yet.
    pub(crate) fn new(subject: u32, role: SessionRole) -> Session {
        Session {
            subject,
            role,
            variables: BTreeMap::from([(COOKIES.to_owned(), String::new())]),
            requests: Vec::new(),
            renewal: Vec::new(),
            token_asked_ns: 0,
            token_since_ns: 0,
            expires_in_ns: None,
            state: State::Holding,
            pinned: false,
            copies: None,
            change_waits: false,
            epoch: 0,
            hurried: false,
            first_due_ns: None,
            failures: 0,
            refusals: 0,
            waiting: Vec::new(),
            reinstated_ns: 0,
            watches: Vec::new(),
            out: None,
        }
    }

    /// The cookies that its answers have set.
    pub(crate) fn cookies(&self) -> &str {
        self.variables.get(COOKIES).map_or("", String::as_str)
    }

    /// A token came: when it is renewed, if ever.
    pub(crate) fn token_came(&mut self, now_ns: u64, client: &ClientModel) -> Option<u64> {
        self.token_since_ns = now_ns;
        self.failures = 0;
        self.state = State::Holding;
        self.plan_renewal();
        let due_ns = now_ns + self.life_ns(client)?;
        Some(self.first_due_ns.take().filter(|first_ns| *first_ns > now_ns).unwrap_or(due_ns))
    }

    /// Does the session hold a token that the answer to a request sent at `sent_ns` cannot know of, and that is not
    /// older than the `token` in it?
    pub(crate) fn has_overtaken(&self, token: &str, sent_ns: u64) -> bool {
        let present = self.variables.get("access_token");
        sent_ns < self.token_since_ns && present.is_some_and(|present| !is_newer(token, present))
    }

    /// Has what another session has now.
    pub(crate) fn copy(&mut self, from: &Session) {
        self.variables.clone_from(&from.variables);
        self.requests.clone_from(&from.requests);
        self.renewal.clone_from(&from.renewal);
        self.token_since_ns = from.token_since_ns;
        self.expires_in_ns = from.expires_in_ns;
    }

    /// It renews its copy by itself from now on: when first, at a random phase of the token's life.
    pub(crate) fn goes_alone(&mut self, now_ns: u64, client: &ClientModel, rng: &mut Rng) -> Option<u64> {
        self.copies = None;
        self.plan_renewal();
        Some(now_ns + below(rng, self.life_ns(client)?.max(1)))
    }

    /// The first renewal: at a uniform phase of a token's life in use after the start, however long signing in
    /// took, so that from then on tokens have every age with equal probability. A session keeps its phase for
    /// good. Where the token would expire before, it is renewed once more: soon after the start, spread so that
    /// the authority is not asked by all at once, and then at its phase.
    pub(crate) fn first_renewal_ns(
        &mut self,
        start_ns: u64,
        client: &ClientModel,
        rng: &mut Rng,
    ) -> Option<u64> {
        let life_ns = self.life_ns(client)?;
        let first_ns = start_ns + 1 + below(rng, life_ns);
        if first_ns < self.token_since_ns + self.expires_in_ns? {
            return Some(first_ns);
        }
        let catch_up_ns = start_ns + below(rng, life_ns.min(CATCH_UP_NS));
        self.first_due_ns = Some(first_ns).filter(|first_ns| catch_up_ns < *first_ns);
        Some(catch_up_ns.min(first_ns))
    }

    /// How long a token is used; for ever where it says no end or cannot be renewed.
    fn life_ns(&self, client: &ClientModel) -> Option<u64> {
        self.expires_in_ns
            .filter(|_| !self.renewal.is_empty())
            .map(|ns| (ns as f64 * client.refresh_at) as u64)
    }

    fn plan_renewal(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.hurried = false;
    }

    /// May the renewal planned under `epoch` be sent? It counts as sent then. A session that is not `in_use`
    /// any more renews only after a 401.
    pub(crate) fn begin_renewal(&mut self, epoch: u32, in_use: bool) -> bool {
        let planned = epoch == self.epoch && (in_use || self.hurried);
        let begins = planned && self.state == State::Holding && !self.pinned;
        if begins {
            self.state = State::Renewing;
        }
        begins
    }

    /// A renewal failed without an answer that says why: when to try again.
    pub(crate) fn renewal_failed(&mut self, now_ns: u64, client: &ClientModel) -> u64 {
        self.state = State::Holding;
        self.plan_renewal();
        self.hurried = true;
        self.failures += 1;
        now_ns + backoff_ns(self.failures, client)
    }

    /// A renewal was refused: when to try again, where it was sent before the subject was reinstated.
    pub(crate) fn renewal_refused(&mut self, sent_ns: u64, now_ns: u64, client: &ClientModel) -> Option<u64> {
        if sent_ns < self.reinstated_ns {
            return Some(self.renewal_failed(now_ns, client));
        }
        self.state = State::SignedOut;
        None
    }

    /// The subject was told that it is back: what was refused so far need not be any more, and is tried again.
    pub(crate) fn reinstated(&mut self, now_ns: u64) {
        self.reinstated_ns = now_ns;
        self.refusals = 0;
        if self.state == State::SignedOut {
            self.state = State::Holding;
            self.plan_renewal();
        }
    }

    /// A request was answered 401; `again`: it was itself a retry.
    pub(crate) fn refused(
        &mut self,
        sent_ns: u64,
        now_ns: u64,
        again: bool,
        client: &ClientModel,
        rng: &mut Rng,
    ) -> Reaction {
        let bears = self.pinned || self.copies.is_some();
        if bears || self.state == State::SignedOut || self.renewal.is_empty() {
            return Reaction::Bear;
        }
        if sent_ns < self.token_since_ns {
            return Reaction::AskAgain;
        }
        if self.state == State::Renewing || self.hurried {
            return Reaction::Await;
        }
        self.refusals += u32::from(again);
        self.plan_renewal();
        self.hurried = true;
        let jitter_ns = below(rng, client.jitter_ns.saturating_add(1));
        Reaction::RenewAt(now_ns + jitter_ns + backoff_ns(self.refusals, client))
    }

    /// A request with the current token was not answered 401.
    #[inline]
    pub(crate) fn accepted(&mut self) {
        self.refusals = 0;
    }
}

/// None before the first setback, then doubling.
fn backoff_ns(setbacks: u32, client: &ClientModel) -> u64 {
    let Some(doublings) = setbacks.checked_sub(1) else { return 0 };
    client.backoff_ns.saturating_mul(1 << doublings.min(30)).min(LONGEST_BACKOFF_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{Stream, rng};

    const CLIENT: ClientModel =
        ClientModel { refresh_at: 0.5, jitter_ns: 10, backoff_ns: 1_000, refresh_timeout_ns: 1_000 };

    fn session() -> (Session, Rng) {
        let mut session = Session::new(0, SessionRole::Honest);
        session.expires_in_ns = Some(10_000);
        session.renewal = b"renew".to_vec();
        (session, rng(1, Stream::Running, 0))
    }

    #[test]
    fn a_token_is_renewed_at_its_fraction_and_first_at_a_random_phase() {
        let (mut session, mut rng) = session();
        assert_eq!(session.token_came(100, &CLIENT), Some(5_100));
        for _ in 0..100 {
            let first = session.first_renewal_ns(1_000, &CLIENT, &mut rng).unwrap();
            assert!((1_001..=6_000).contains(&first), "{first}");
        }
        session.expires_in_ns = None;
        assert_eq!(session.token_came(100, &CLIENT), None);
    }

    #[test]
    fn phases_are_uniform_however_long_signing_in_took() {
        let (_, mut rng) = session();
        let (start_ns, life_ns, sessions) = (30_000, 5_000, 20_000);
        let mut deciles = [0_u32; 10];
        for number in 0..sessions {
            // Signed in up to two lives of a token ago: half of the tokens are past their renewal or dead.
            let (mut session, _) = self::session();
            session.token_came(start_ns - number % 20_000, &CLIENT);
            let mut at_ns = session.first_renewal_ns(start_ns, &CLIENT, &mut rng).unwrap();
            let dies_ns = session.token_since_ns + 10_000;
            assert!(at_ns < dies_ns.max(start_ns + life_ns), "renewed while it lives, or at once");
            if session.first_due_ns.is_some() {
                at_ns = session.token_came(at_ns, &CLIENT).unwrap();
            }
            assert_eq!(session.first_due_ns, None);
            assert!((start_ns + 1..=start_ns + life_ns).contains(&at_ns), "{at_ns}");
            deciles[(at_ns - start_ns - 1) as usize / 500] += 1;
            assert_eq!(session.token_came(at_ns, &CLIENT), Some(at_ns + life_ns), "the phase is kept");
        }
        // 2 000 in each, less five standard deviations.
        assert!(deciles.iter().all(|count| count.abs_diff(2_000) < 215), "{deciles:?}");
    }

    #[test]
    fn a_session_out_of_use_renews_only_after_a_401() {
        let (mut session, mut rng) = session();
        session.token_came(100, &CLIENT);
        assert!(!session.begin_renewal(session.epoch, false));
        assert!(matches!(session.refused(200, 300, false, &CLIENT, &mut rng), Reaction::RenewAt(_)));
        assert!(session.begin_renewal(session.epoch, false));
    }

    #[test]
    fn one_renewal_at_a_time_and_none_when_pinned() {
        let (mut session, mut rng) = session();
        session.token_came(100, &CLIENT);
        let Reaction::RenewAt(at) = session.refused(200, 300, false, &CLIENT, &mut rng) else { panic!() };
        assert!((300..=310).contains(&at));
        assert_eq!(session.refused(210, 305, false, &CLIENT, &mut rng), Reaction::Await);
        assert!(!session.begin_renewal(0, true), "the one planned before");
        assert!(session.begin_renewal(session.epoch, true));
        assert!(!session.begin_renewal(session.epoch, true));
        session.token_came(400, &CLIENT);
        assert_eq!(session.refused(350, 410, false, &CLIENT, &mut rng), Reaction::AskAgain);
        session.pinned = true;
        assert_eq!(session.refused(500, 510, false, &CLIENT, &mut rng), Reaction::Bear);
        assert!(!session.begin_renewal(session.epoch, true));
    }

    #[test]
    fn setbacks_double_the_pause_until_they_end() {
        let (mut session, mut rng) = session();
        session.token_came(0, &CLIENT);
        assert_eq!(session.renewal_failed(0, &CLIENT), 1_000);
        assert_eq!(session.renewal_failed(0, &CLIENT), 2_000);
        session.token_came(1, &CLIENT);
        let Reaction::RenewAt(at) = session.refused(5, 10, true, &CLIENT, &mut rng) else { panic!() };
        assert!((1_010..=1_020).contains(&at), "{at}");
        session.token_came(5_000, &CLIENT);
        session.accepted();
        let Reaction::RenewAt(at) = session.refused(6_000, 6_000, false, &CLIENT, &mut rng) else { panic!() };
        assert!(at <= 6_010, "{at}");
        assert_eq!(session.renewal_refused(6_900, 7_000, &CLIENT), None);
        assert_eq!(session.refused(7_000, 7_000, false, &CLIENT, &mut rng), Reaction::Bear);
    }

    /// R8: everyone is refused at one instant. What they send is spread by the jitter, and comes at once without.
    #[test]
    fn a_herd_is_as_dense_as_its_jitter_is_short() {
        let peak_over_mean = |jitter_ns: u64| {
            let client = ClientModel { jitter_ns, ..CLIENT };
            let mut bins = [0_u32; 20];
            let (_, mut rng) = session();
            for _ in 0..10_000 {
                let (mut session, _) = session();
                session.token_came(0, &client);
                match session.refused(1_000, 2_000, false, &client, &mut rng) {
                    Reaction::RenewAt(at_ns) => bins[((at_ns - 2_000) / 1_000) as usize] += 1,
                    other => panic!("{other:?}"),
                }
            }
            f64::from(*bins.iter().max().unwrap()) / (10_000.0 / bins.len() as f64)
        };
        // 500 in each of 20 bins, plus five standard deviations; without, one bin has all.
        assert!(peak_over_mean(19_999) < 1.25, "{}", peak_over_mean(19_999));
        assert_eq!(peak_over_mean(0), 20.0);
    }

    #[test]
    fn who_is_told_to_be_back_tries_again() {
        let (mut session, mut rng) = session();
        session.token_came(0, &CLIENT);
        assert!(matches!(session.refused(5, 10, false, &CLIENT, &mut rng), Reaction::RenewAt(_)));
        assert!(session.begin_renewal(session.epoch, true));
        assert_eq!(session.renewal_refused(20, 30, &CLIENT), None);
        assert_eq!(session.refused(40, 50, false, &CLIENT, &mut rng), Reaction::Bear);
        session.reinstated(60);
        assert!(matches!(session.refused(70, 80, false, &CLIENT, &mut rng), Reaction::RenewAt(_)));
        assert!(session.begin_renewal(session.epoch, true));
        // One that was under way all the while is refused for what was true then.
        session.reinstated(100);
        assert_eq!(session.renewal_refused(90, 110, &CLIENT), Some(1_110));
        assert!(session.begin_renewal(session.epoch, true));
        assert_eq!(session.renewal_refused(120, 130, &CLIENT), None);
    }
}
