//! One child process of a run: reads what it is to be, says where it listens, serves until its parent is gone.

use std::io::{BufRead, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, bail};
use revbench_model::settings::Algorithm;
use revbench_runner::child::{ChildConfig, LinkOrder, Ready, ServerTls, Switched};
use revbench_server::calibration::{CalibrationConfig, run_calibration};
use revbench_server::{
    AuthorityConfig, IssuerAccess, KeySource, Listening, Mutant, ResourceConfig, TlsConfig, run_authority,
    run_resource,
};
use revbench_store::{LinkConfig, LinkSwitch, link_switch, run_embedded, run_switched_link};
use revbench_strategies::StrategyKind;

use crate::console::{ColorChoice, Console, ProgressChoice};
use crate::exit::ExitCode;

/// Becomes what standard input says.
pub(super) fn execute(role: &str) -> anyhow::Result<ExitCode> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the configuration")?;
    let config: ChildConfig =
        serde_json::from_str(&line).context("the configuration cannot be understood")?;
    if config.role() != role {
        bail!("called as '{role}', configured as '{}'", config.role());
    }
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, config.port())).context("cannot listen on 127.0.0.1")?;
    say_ready(listener.local_addr()?)?;
    serve(listener, config)?;
    Ok(ExitCode::Done)
}

fn say_ready(listening: SocketAddr) -> anyhow::Result<()> {
    say(&Ready { listening })
}

/// One line to the parent.
fn say(words: &impl serde::Serialize) -> anyhow::Result<()> {
    let console = Console::new(true, 0, true, ColorChoice::Never, ProgressChoice::None);
    let line = serde_json::to_string(words)?;
    Ok(console.data(&format!("{line}\n"))?)
}

fn serve(listener: TcpListener, config: ChildConfig) -> anyhow::Result<()> {
    match config {
        ChildConfig::Authority {
            strategy,
            settings,
            store,
            database,
            admin_token,
            resource_token,
            hmac_secret,
            threads,
            tls,
        } => {
            let config = AuthorityConfig {
                strategy,
                settings,
                store,
                database,
                admin_token,
                resource_token: Some(resource_token),
                name: "authority".to_owned(),
                hs256_secret: hmac_secret,
            };
            run_authority(listening(listener, tls), config, threads)?;
        }
        ChildConfig::Resource {
            strategy,
            settings,
            store,
            database,
            instance,
            authority,
            resource_token,
            hmac_secret,
            mutant,
            threads,
            port: _,
            wall_offset_ms,
            tls,
        } => {
            revbench_server::clock::set_wall_offset_ms(wall_offset_ms);
            let keys = key_source(strategy, settings.algorithm, &contact_url(&tls, authority), hmac_secret);
            let named =
                |name: String| Mutant::from_name(&name).with_context(|| format!("unknown mutant '{name}'"));
            let mutant = mutant.map(named).transpose()?;
            let authority_pem = tls.as_ref().map(|tls| tls.authority_pem.clone());
            let issuer = Some(IssuerAccess { address: authority, bearer: resource_token, authority_pem });
            let config =
                ResourceConfig { strategy, settings, store, database, instance, mutant, keys, issuer };
            run_resource(listening(listener, tls), config, threads)?;
        }
        ChildConfig::EmbeddedStore { password, port: _ } => {
            end_with_stdin();
            run_embedded(listener, password)?;
        }
        ChildConfig::Link { upstream, one_way_delay_ns, overhead_ns, spin_ns } => {
            let (switch, orders) = link_switch().context("the link has no switch")?;
            std::thread::spawn(move || {
                // Whatever ends the talk ends the link: its parent is gone, or cannot be understood.
                let ended = obey_stdin(&switch);
                std::process::exit(i32::from(ended.map_or(ExitCode::Failed, |()| ExitCode::Done).number()));
            });
            let config = LinkConfig { one_way_delay_ns, overhead_ns, spin_ns };
            run_switched_link(listener, upstream, config, orders)?;
        }
        ChildConfig::Calibration { behaviour, seed, instances, token_ttl_ms, admin_token, tls } => {
            let config = CalibrationConfig { behaviour, seed, instances, token_ttl_ms, admin_token };
            run_calibration(listener, &config, tls.map(shown).as_ref())?;
        }
    }
    Ok(())
}

/// A socket, and what is shown to those who connect to it.
pub(super) fn listening(listener: TcpListener, tls: Option<ServerTls>) -> Listening {
    match tls {
        None => listener.into(),
        Some(tls) => Listening::over_tls(listener, shown(tls)),
    }
}

fn shown(ServerTls { certificate_pem, key_pem, authority_pem: _, http2 }: ServerTls) -> TlsConfig {
    TlsConfig { certificate_pem, key_pem, http2 }
}

/// The beginning of a server's addresses.
fn contact_url(tls: &Option<ServerTls>, address: SocketAddr) -> String {
    let scheme = if tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Where a resource server gets its verification keys.
pub(super) fn key_source(
    strategy: StrategyKind,
    algorithm: Algorithm,
    authority_url: &str,
    hmac_secret: Option<String>,
) -> KeySource {
    match (strategy, algorithm, hmac_secret) {
        (StrategyKind::Floor, ..) => KeySource::Unneeded,
        (_, Algorithm::HS256, Some(secret)) => KeySource::Secret(secret),
        _ => KeySource::JwksUrl(format!("{authority_url}/.well-known/jwks.json")),
    }
}

/// Does what each line of standard input says, until there are no more.
fn obey_stdin(switch: &LinkSwitch) -> anyhow::Result<()> {
    for line in std::io::stdin().lock().lines() {
        let order: LinkOrder = serde_json::from_str(&line?).context("an order that cannot be understood")?;
        say(&Switched { mono_ns: switch.set(order.traffic, order.mode)? })?;
    }
    Ok(())
}

/// Ends this process with its standard input, whose other end the parent holds: store and link serve forever, and
/// keep nothing that an orderly end would save.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let mut rest = [0; 256];
        while std::io::stdin().lock().read(&mut rest).is_ok_and(|length| length > 0) {}
        std::process::exit(i32::from(ExitCode::Done.number()));
    });
}
