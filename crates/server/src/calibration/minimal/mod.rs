//! Minimal strategies for the mutant zoo: each a real mechanism in a few dozen lines, with faults that somebody
//! made before.
//!
//! A name such as `cache` is the strategy as it should be, `cache!reads-prolong` the same with a fault. Faults are
//! values: twin and mutant run the same code but for the branch that is wrong. Whatever takes time is an instant,
//! so that what is demanded of the honest twin does not depend on when a thread wakes up. A machine too busy to answer
//! in time leaves too little to judge, which shows nothing; it does not make a twin guilty.

mod cache;
mod committing_lookup;
mod deny_list;
mod invalidated_cache;
mod lookup;
mod push;
mod revoked_before;
mod token_life;
mod token_version;

use super::CalibrationConfig;
use super::behaviour::Behaviour;
use cache::Cache;
use committing_lookup::CommittingLookup;
use deny_list::DenyList;
use invalidated_cache::InvalidatedCache;
use lookup::Lookup;
use push::Push;
use revoked_before::{Delivery, RevokedBefore};
use token_life::TokenLife;
use token_version::TokenVersion;

/// The strategy of this name, with the fault after the exclamation mark; `None` for one that nobody wrote.
pub(super) fn by_name(name: &str, config: &CalibrationConfig) -> Option<Box<dyn Behaviour>> {
    let (strategy, fault) = match name.split_once('!') {
        Some((strategy, fault)) => (strategy, Some(fault)),
        None => (name, None),
    };
    let instances = config.instances;
    Some(match strategy {
        "cache" => Box::new(Cache::new(fault)?),
        "committing-lookup" => Box::new(CommittingLookup::new(fault, instances)?),
        "deny-list" => Box::new(DenyList::new(fault, config.token_ttl_ms)?),
        "invalidated-cache" => Box::new(InvalidatedCache::new(fault, instances)?),
        "lookup" => Box::new(Lookup::new(fault)?),
        "push" => Box::new(Push::new(fault, config)?),
        "revoked-before" => Box::new(RevokedBefore::new(fault, Delivery::AtOnce)?),
        "revoked-before-out-of-order" => Box::new(RevokedBefore::new(fault, Delivery::OutOfOrder)?),
        "token-life" => Box::new(TokenLife::new(fault)?),
        "token-version" => Box::new(TokenVersion::new(fault, instances)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_has_a_name_and_refuses_faults_that_it_does_not_have() {
        let known = |name: &str| {
            let config = CalibrationConfig {
                behaviour: name.to_owned(),
                seed: 1,
                instances: 2,
                token_ttl_ms: 1_000,
                admin_token: String::new(),
            };
            by_name(name, &config).is_some()
        };
        let check = |strategy: &str, faults: &[&str]| {
            assert!(known(strategy), "{strategy}");
            for fault in faults {
                assert!(known(&format!("{strategy}!{fault}")), "{strategy}!{fault}");
            }
            assert!(!known(&format!("{strategy}!lies")) && !known(&format!("{strategy}!")), "{strategy}");
        };
        check("cache", &["reads-prolong", "reads-prolong-denials", "key-without-tenant"]);
        check("committing-lookup", &["acknowledges-first", "denies-everyone"]);
        check("deny-list", &["family-survives", "entry-expires-early"]);
        check("invalidated-cache", &["fills-unchecked"]);
        check("lookup", &["fails-open"]);
        check("push", &["one-unsubscribed", "no-resync"]);
        check("revoked-before", &["same-second-survives", "same-second-refused"]);
        check("revoked-before-out-of-order", &["older-overwrites-newer"]);
        check("token-life", &["leeway", "renewal-copies-claims"]);
        check("token-version", &["missing-is-current"]);
        assert!(!known("lies") && !known("") && !known("!reads-prolong"));
    }
}
