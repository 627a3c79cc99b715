//! A deny list in a shared store, asked on each request.
//!
//! Promises that a revoked token is refused from the acknowledgement on. Costs one `EXISTS` a request, one
//! entry per revoked token until the token would have died anyway (Little's law: rate × remaining life), and
//! an index of live tokens per subject, without which only tokens one holds in hand could be revoked. It
//! takes away and cannot give: a grant waits for the client to renew. RFC 7009 is its usual front door;
//! Keycloak, flask-jwt-extended and express-jwt ship the mechanism.
//!
//! Entries are keyed by issuer and token identifier, never by the token's text, which an attacker can rewrite
//! without breaking the signature (ECDSA's second signature, base64url variants). An entry outlives `exp` by
//! leeway and a second, because a verifier with leeway accepts the token for that long, and by one second more where
//! ends are whole seconds, because the second under way still counts. When it goes follows from the token alone, and not from when or by whose clock it was revoked: a second revocation cannot shorten the first,
//! and an authority whose clock is wrong stamps tokens and entries alike. What remains is the store's clock against
//! the verifiers': further apart than the second, and a revoked token is honoured for the rest.

use revbench_model::settings::{Hole, OnStoreDown};
use revbench_model::{Claims, Fault, Issuer, Now, Orientation, Reason, Settings, SubjectId};
use revbench_store::{Client, Command};

use std::sync::Arc;

use crate::kind::{Card, Claimed, EXACT_PER_REQUEST, Family, Question};
use crate::meters::Meters;
use crate::strategy::{AppliedChange, Decision, Held, Strategy, Unavailable, without_store};
use crate::truth::SubjectRecord;
use crate::under_fault::{Limit, Meanwhile, UnderFault};

/// What is to be known about it.
pub const CARD: Card = Card {
    family: Family::StateCheck,
    summary: "Revoked tokens are listed in a shared store until they would expire; each request asks the list.",
    promises: "A revoked token is refused with the acknowledgement. Grants cannot be expressed.",
    costs: "One store operation and one round trip a request; an index of live tokens at each issue.",
    fails: "The store down: 503, the database's record decides (ask-database), or revoked tokens are believed \
            (allow-from-token). It keeps no answer, so serve-stale refuses too. Eviction or a restart without persistence brings revoked tokens back.",
    needs: "A shared store that every resource server reaches, without eviction.",
    source_urls: &[
        "https://www.rfc-editor.org/rfc/rfc7009",
        "https://flask-jwt-extended.readthedocs.io/en/stable/blocklist_and_token_revoking.html",
        "https://cheatsheetseries.owasp.org/cheatsheets/JSON_Web_Token_for_Java_Cheat_Sheet.html",
    ],
    params: &["store_timeout", "on_store_down", "leeway", "deny_preload"],
    exact_costs: EXACT_PER_REQUEST,
};

/// How much longer than any verifier takes its token an entry lives: clocks are read and rounded twice.
pub(crate) const MARGIN_MS: u64 = 1_000;

/// How long after a token's `exp` what is noted about it lives, milliseconds: for as long as a verifier still takes the
/// token, by its leeway and by the grid of ends, and the margin.
pub(crate) fn kept_after_exp_ms(settings: &Settings) -> u64 {
    settings.leeway_ms + settings.expiry.grid_ms() + MARGIN_MS
}

/// Entries written per transaction when the list is loaded before a run.
const PRELOAD_BATCH: u32 = 1_000;

/// What it promises. A suspension denies tokens and not their holder, so that a reinstatement takes a renewal.
pub(crate) fn claim(settings: &Settings, question: &Question) -> Claimed {
    match question.orientation {
        Orientation::Revoke => Claimed::at_once(),
        Orientation::Grant if question.everything => Claimed::with_renewal(settings),
        Orientation::Grant => {
            Claimed::cannot("a deny list takes tokens away; it has no entry that gives a permission")
        }
    }
}

/// What is not on the list is honoured, so a list that is gone honours every token until it expires. Who is reinstated
/// needs a renewal, and that the authority and its store.
pub(crate) fn claim_under(fault: Fault, settings: &Settings, question: &Question) -> UnderFault {
    let (is_grant, renewal) = (question.orientation == Orientation::Grant, Limit::renewal(settings));
    match fault {
        Fault::StoreDown | Fault::StoreSlow => {
            UnderFault::unanswered(settings, if is_grant { renewal } else { Limit::none() })
        }
        Fault::StoreRestartsEmpty if is_grant => UnderFault::grant_lost(Meanwhile::DecidesUntilExpiry),
        Fault::StoreRestartsEmpty => {
            let why = "the entries of denied tokens and the index of live ones are gone";
            let at_most = Some(Limit::token_life(settings));
            UnderFault::unbounded(why, at_most, Meanwhile::DecidesUntilExpiry)
        }
        Fault::AuthorityDown if is_grant => UnderFault::after(renewal, Meanwhile::DecidesUntilExpiry),
        Fault::AuthorityDown => UnderFault::unaffected(Meanwhile::DecidesUntilExpiry),
        Fault::BusPartition | Fault::InstanceRestartsCold => UnderFault::unaffected(Meanwhile::Decides),
        Fault::ClockSkew if is_grant => UnderFault::unaffected(Meanwhile::RefusesSomeTokens),
        Fault::ClockSkew => UnderFault::note_under_skew(settings),
    }
}

/// What an entry says to the holder of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The token is over, and so is the session that it could be renewed from.
    Revoked,
    /// The token's claims are out of date; its session goes on.
    OutOfDate,
}

impl Entry {
    fn bytes(self) -> &'static [u8] {
        match self {
            Entry::Revoked => b"1",
            Entry::OutOfDate => b"r",
        }
    }

    /// Whatever else lies there is an entry too, and invites nobody back.
    fn from_bytes(bytes: &[u8]) -> Entry {
        if bytes == Entry::OutOfDate.bytes() { Entry::OutOfDate } else { Entry::Revoked }
    }
}

/// Asks the list before it believes the token.
#[derive(Clone)]
pub struct DenyList {
    client: Client,
    meters: Arc<Meters>,
    issuer: Issuer,
    policy: OnStoreDown,
    token_ttl_ms: u64,
    /// How long after its token's `exp` a member of the index is kept.
    kept_after_exp_ms: u64,
    /// The same of an entry, unless that is the hole.
    grace_ms: u64,
    preload: u32,
}

impl DenyList {
    /// Over a store; `issuer` is the one whose tokens are listed.
    pub fn new(client: Client, meters: Arc<Meters>, settings: &Settings, issuer: Issuer) -> Self {
        DenyList {
            client,
            meters,
            issuer,
            policy: settings.on_store_down,
            token_ttl_ms: settings.token_ttl_ms,
            kept_after_exp_ms: kept_after_exp_ms(settings),
            grace_ms: match settings.hole {
                Hole::EntryMargin => 0,
                _ => kept_after_exp_ms(settings),
            },
            preload: settings.deny_preload,
        }
    }

    /// The entry for a token that expires then. Whether that is still to come is the store's to say, and not the
    /// clock's of whoever revokes: what is over leaves the list at once.
    fn deny(&self, jti: &str, exp_ms: u64, entry: Entry) -> Command {
        let key = deny_key(self.issuer.as_str(), jti);
        Command::SetUntil { key, value: entry.bytes().to_vec(), until_ms: exp_ms + self.grace_ms }
    }

    /// What the list says of a token: one operation. `None`: it is not listed.
    pub(crate) async fn entry(&self, claims: &Claims) -> Result<Option<Entry>, Unavailable> {
        self.meters.asked_store();
        let key = deny_key(claims.iss.as_str(), claims.jti.as_str());
        Ok(self.client.get(&key).await?.as_deref().map(Entry::from_bytes))
    }

    /// Commands that deny every live token that a change is about; `says` decides what the tokens of a session are
    /// told. A token that was named is given back for good.
    pub(crate) async fn denials(
        &self,
        applied: &AppliedChange,
        now: Now,
        says: fn(&AppliedChange, &str) -> Entry,
    ) -> Result<Vec<Command>, Unavailable> {
        let index = live_key(&applied.subject);
        let members = self.client.members_scored_above(&index, self.dead_below_ms(now)).await?;
        let concerned = |sid: &str| applied.session.as_ref().is_none_or(|ended| ended.as_str() == sid);
        let live = members
            .iter()
            .filter_map(|member| parse_live(member))
            .filter(|&(sid, ..)| concerned(sid))
            .map(|(sid, jti, exp_ms)| self.deny(jti, exp_ms, says(applied, sid)));
        let named =
            applied.token.iter().map(|token| self.deny(token.jti.as_str(), token.exp_ms, Entry::Revoked));
        Ok(live.chain(named).collect())
    }

    /// Scores below this belong to tokens that no verifier accepts any more.
    fn dead_below_ms(&self, now: Now) -> f64 {
        now.wall_ms.saturating_sub(self.kept_after_exp_ms) as f64
    }
}

/// Where a token is listed.
fn deny_key(issuer: &str, jti: &str) -> String {
    format!("deny:{issuer}:{jti}")
}

/// Where a subject's live tokens are indexed, by expiry.
pub(crate) fn live_key(subject: &SubjectId) -> String {
    format!("live:{subject}")
}

/// A member of the index of live tokens. Identifiers are base64url, so the bar separates.
pub(crate) fn live_member(claims: &Claims) -> String {
    format!("{}|{}|{}", claims.sid, claims.jti, claims.exp_ms())
}

pub(crate) fn parse_live(member: &str) -> Option<(&str, &str, u64)> {
    let mut parts = member.rsplitn(3, '|');
    let exp_ms = parts.next()?.parse().ok()?;
    let jti = parts.next()?;
    Some((parts.next()?, jti, exp_ms))
}

impl Strategy for DenyList {
    async fn prepare(&self, now: Now) -> Result<(), Unavailable> {
        let exp_ms = now.wall_ms + self.token_ttl_ms;
        let entries: Vec<Command> =
            (0..self.preload).map(|n| self.deny(&format!("unrelated-{n}"), exp_ms, Entry::Revoked)).collect();
        for batch in entries.chunks(PRELOAD_BATCH as usize) {
            self.client.transaction(batch.to_vec()).await?;
        }
        Ok(())
    }

    async fn issued(
        &self,
        claims: &mut Claims,
        _subject: &SubjectRecord,
        now: Now,
    ) -> Result<Vec<Command>, Unavailable> {
        let key = live_key(&claims.sub);
        let life_ms = self.token_ttl_ms + self.kept_after_exp_ms;
        Ok(vec![
            Command::AddScored {
                key: key.clone(),
                member: live_member(claims),
                score: claims.exp_ms() as f64,
            },
            Command::RemoveScoredBelow { key: key.clone(), below: self.dead_below_ms(now) },
            Command::Expire { key, ms: life_ms },
        ])
    }

    async fn held(&self, claims: &Claims, _now: Now) -> Result<Held, Decision> {
        self.meters.asked_store();
        let key = deny_key(claims.iss.as_str(), claims.jti.as_str());
        match self.client.count_existing(&[&key]).await {
            Ok(0) => Ok(Held::InToken),
            Ok(_) => Err(Decision::Reauthenticate(Reason::Revoked)),
            Err(_) => without_store(self.policy),
        }
    }

    /// Denies every live token that the change is about. A refreshed one carries the new authority, so a
    /// demotion costs its subject a renewal and no sign-in.
    async fn propagate(&self, applied: &AppliedChange, now: Now) -> Result<Vec<Command>, Unavailable> {
        if applied.change.orientation == Orientation::Grant {
            return Ok(Vec::new());
        }
        self.denials(applied, now, |_, _| Entry::Revoked).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::fixtures::claims;

    #[test]
    fn index_members_read_back() {
        let claims = claims(&[]);
        assert_eq!(parse_live(&live_member(&claims)), Some(("s1", "j1", 1_700_000_010_000)));
        for broken in ["", "s|j", "s|j|x", "s|j|-1"] {
            assert_eq!(parse_live(broken), None, "{broken}");
        }
    }

    #[test]
    fn entries_read_back_and_garbage_invites_nobody() {
        for entry in [Entry::Revoked, Entry::OutOfDate] {
            assert_eq!(Entry::from_bytes(entry.bytes()), entry);
        }
        for garbage in [&b""[..], b"0", b"refresh", b"\xff"] {
            assert_eq!(Entry::from_bytes(garbage), Entry::Revoked, "{garbage:?}");
        }
    }

    #[test]
    fn keys_name_issuer_and_token() {
        assert_ne!(deny_key("a", "j"), deny_key("b", "j"));
        assert_eq!(deny_key("https://a", "j"), "deny:https://a:j");
    }
}
