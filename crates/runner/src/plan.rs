//! From what was asked to what will be done: fleets, cells, sizes and the expected time, all before anything
//! is started.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use revbench_driver::plan::{Arrivals, PlannedStream};
use revbench_driver::trace;
use revbench_model::problem::Problem;
use revbench_model::scenario::{self, ArrivalsChoice, PlanFacts, Scenario};
use revbench_model::settings::SettingError;
use revbench_model::sweep::{named, points};
use revbench_model::time::{NS_PER_MS, ms_to_ns};
use revbench_model::{ChangeActor, Distribution, Fault, Orientation, Point, ScopeKind, Settings};
use revbench_oracle::closed_form::FleetLaw;
use revbench_oracle::{BoundFrom, requests_move};
use revbench_strategies::{
    Claimed, ClaimedUnderFault, Question, STREAM_SETTINGS, StrategyKind, claim_to, claim_under,
    rests_on_token_life,
};

use crate::fault::FleetFault;
use crate::options::Options;
use crate::own_system::OwnTarget;
use crate::profile::Sizes;
use crate::subjects;
use crate::system::{System, own_bound};

/// A stream is open at least this long before its subject's change.
const SHORTEST_LEAD_NS: u64 = 50 * NS_PER_MS;

/// After a change of everyone has taken effect, until the next one: the quiet second in which returns of the old answer
/// would be seen, and in which the crowd comes back.
const SETTLED_MS: f64 = 1_000.0;

/// Everything that one invocation will measure.
#[derive(Clone, Debug)]
pub struct RunPlan {
    /// What was asked for.
    pub options: Options,
    /// The questions, parsed.
    pub scenarios: Vec<Scenario>,
    /// The systems in the order of the tables: strategies, then targets.
    pub systems: Vec<System>,
    /// The fleets, block after block, in each block in a random order of its own.
    pub fleets: Vec<FleetPlan>,
    /// How many blocks there are; every strategy has a fleet in each, and one for each value of a swept setting.
    pub blocks: u32,
    /// What cannot be expressed.
    pub cannot: Vec<CannotPlan>,
    /// When background requests are sent; scenarios that share fleets share it, and the first one decides.
    pub traffic: Traffic,
}

/// A question that a system cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotPlan {
    /// Index in [`RunPlan::scenarios`].
    pub scenario: usize,
    /// What the strategy or target is called in results.
    pub system: String,
    /// With which of the swept values.
    pub swept: Point,
    /// Why not.
    pub why: String,
}

/// The instants of background requests, and of changes where a trace records them.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Of requests.
    pub arrivals: Arrivals,
    /// Of changes, ns since the start of the dense slice; empty: drawn uniformly.
    pub changes_ns: Vec<u64>,
}

/// One fleet of fresh processes with one strategy, shared by the scenarios that it can express; or a fresh set of subjects
/// of somebody's own system.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// The block that it belongs to, from 1.
    pub block: u32,
    /// What it runs.
    pub system: System,
    /// Resource servers.
    pub instances: u16,
    /// What goes wrong in its run. A fleet is asked all questions without a fault, or one with.
    pub fault: Option<FleetFault>,
    /// Is it the control once more, under another name? What the two differ by is the noise floor.
    pub is_twin: bool,
    /// The one scenario that it is for, where that shares no fleet: its changes are about everyone.
    pub alone: Option<String>,
    /// With which settings.
    pub settings: Settings,
    /// Those of them that are swept.
    pub swept: Point,
    /// Which of its strategy's points that is, from 0.
    pub point: u32,
    /// Its sizes.
    pub sizes: Sizes,
    /// Rate of a treated subject per instance.
    pub rate_per_s: f64,
    /// λT, where the strategy has a lifetime T.
    pub lambda_t: Option<f64>,
    /// The questions asked of it.
    pub cells: Vec<CellPlan>,
    /// Length of the dense slice, seconds: as long as the changes take at their rate, and at least one period of
    /// whatever timer the strategy has, so that changes meet every phase of it.
    pub dense_s: f64,
}

/// One question asked of a fleet.
#[derive(Clone, Debug)]
pub struct CellPlan {
    /// Index in [`RunPlan::scenarios`].
    pub scenario: usize,
    /// How many changes this fleet's block watches; none for the floor.
    pub changes: u32,
    /// How many more are asked about a single time at each instance.
    pub one_shots: u32,
    /// The claimed bound.
    pub bound: Option<Bound>,
    /// How long a change is watched, ns.
    pub horizon_ns: u64,
    /// How long after its acknowledgement a change is taken back, ms; `None`: it stays.
    pub undone_after_ms: Option<f64>,
}

/// A claimed bound.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// In the names of the settings.
    pub formula: String,
    /// Milliseconds.
    pub ms: f64,
    /// The predicted distribution.
    pub predicted: Option<Distribution>,
    /// From when on it counts.
    pub from: BoundFrom,
    /// Why the strategy does not claim it under the fault of its fleet, where that is so: it is expected to be broken.
    pub unbounded: Option<String>,
}

impl Bound {
    /// What becomes of a bound under a fault. No law is predicted: laws are of servers that can do their work.
    fn under(self, claimed: ClaimedUnderFault) -> Bound {
        let same = Bound { predicted: None, ..self };
        match claimed {
            ClaimedUnderFault::Bound { formula, bound_ms } => Bound { formula, ms: bound_ms, ..same },
            ClaimedUnderFault::BoundAfter { formula, bound_ms } => {
                let formula = format!("{formula} after the fault");
                Bound { formula, ms: bound_ms, from: BoundFrom::Mending, ..same }
            }
            ClaimedUnderFault::Unbounded { why, .. } => Bound { unbounded: Some(why), ..same },
            ClaimedUnderFault::Unaffected | ClaimedUnderFault::NoClaim | ClaimedUnderFault::Cannot { .. } => {
                same
            }
        }
    }
}

impl Bound {
    /// The shorter of what is claimed and what a stress scenario demands.
    fn at_most(self, demanded_ms: Option<f64>) -> Bound {
        match demanded_ms.filter(|ms| *ms < self.ms) {
            Some(ms) => Bound { formula: "demanded by the scenario".to_owned(), ms, ..self },
            None => self,
        }
    }
}

impl RunPlan {
    /// Plans a run.
    ///
    /// # Errors
    /// All problems of all scenario files at once, those of form and those of meaning.
    pub fn new(options: Options) -> Result<RunPlan, Vec<Problem>> {
        let (scenarios, systems) = parse_all(&options)?;
        let traffic = traffic(&options, &scenarios);
        let blocks = options.blocks.unwrap_or(options.profile.sizes().blocks);
        let (fleets, cannot) = (Vec::new(), Vec::new());
        let mut plan = RunPlan { options, scenarios, systems, fleets, blocks, cannot, traffic };
        for system in plan.systems.clone() {
            plan.add_fleets(&system);
        }
        let problems = plan.semantic_problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        plan.repeat_in_blocks();
        Ok(plan)
    }

    /// From one fleet for each strategy to all blocks, the control twice in each where there are several.
    fn repeat_in_blocks(&mut self) {
        let mut once = std::mem::take(&mut self.fleets);
        let is_control = |fleet: &&FleetPlan| fleet.system.is(StrategyKind::None) && fleet.fault.is_none();
        let controls = once.iter().filter(is_control).filter(|_| self.blocks > 1);
        let control = controls.min_by_key(|fleet| fleet.alone.is_some());
        once.extend(control.cloned().map(|control| FleetPlan { is_twin: true, ..control }));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.options.seed);
        for block in 1..=self.blocks {
            let mut fleets: Vec<FleetPlan> =
                once.iter().map(|fleet| FleetPlan { block, ..fleet.clone() }).collect();
            fleets.shuffle(&mut rng);
            self.fleets.append(&mut fleets);
        }
    }

    /// Expected time of the whole run, seconds.
    pub fn expected_s(&self) -> f64 {
        self.fleets.iter().map(FleetPlan::expected_s).sum()
    }

    /// One fleet for all scenarios that can share one. What is broken is broken for everyone in a fleet, and what changes
    /// everyone changes all that is in it: each of these has a fleet of its own.
    /// A strategy that has a swept setting has them all once more for each value.
    fn add_fleets(&mut self, system: &System) {
        let shares = |index: &usize| {
            let scenario = &self.scenarios[*index];
            scenario.fault.is_none() && scenario.scope != ScopeKind::All
        };
        let (together, apart): (Vec<usize>, Vec<usize>) = (0..self.scenarios.len()).partition(shares);
        for (number, point) in self.points(system).iter().enumerate() {
            let at = (number as u32, point);
            self.add_fleet(system, at, &together);
            apart.iter().for_each(|&index| self.add_fleet(system, at, &[index]));
        }
    }

    /// The combinations of swept values that a system is measured at; one of one's own has none of these settings.
    pub fn points(&self, system: &System) -> Vec<Point> {
        let its_own = self.options.sweeps.iter();
        points(its_own.filter(|sweep| {
            matches!(system, System::Strategy(kind) if is_shaped_by(*kind, &self.scenarios, &sweep.name))
        }))
    }

    fn add_fleet(&mut self, system: &System, (number, point): (u32, &Point), asked: &[usize]) {
        let of_everyone = |&index: &usize| self.scenarios[index].scope == ScopeKind::All;
        let alone = asked.iter().find(|index| of_everyone(index));
        let alone = alone.map(|&index| self.scenarios[index].name.clone());
        let broken = asked.first().and_then(|&index| self.scenarios[index].fault).map(|fault| fault.kind);
        let settings = settings_at(&self.options, &self.scenarios, system, broken, point);
        let (sizes, instances) = (self.sizes(system), self.instances(system));
        let time_scale_ms = system.time_scale_ms(&settings);
        let rate_per_s = sizes.lambda_t * 1_000.0 / time_scale_ms.unwrap_or(sizes.cache_ttl_ms as f64);
        let fault =
            asked.first().and_then(|&index| FleetFault::of(&self.scenarios[index], settings.backstop_ms));
        let mut fleet = FleetPlan {
            block: 1,
            system: system.clone(),
            instances,
            fault,
            is_twin: false,
            alone,
            settings,
            swept: point.clone(),
            point: number,
            sizes,
            rate_per_s,
            lambda_t: None,
            cells: Vec::new(),
            dense_s: 0.0,
        };
        fleet.rate_per_s = rate_per_s.min(self.highest_rate_per_s(&fleet, asked));
        fleet.lambda_t = time_scale_ms.map(|t_ms| fleet.rate_per_s * t_ms / 1_000.0);
        for &index in asked {
            match fleet.cell(index, &self.scenarios[index], self.options.changes) {
                Ok(cell) => fleet.cells.push(cell),
                Err(why) => {
                    let (system, swept) = (system.name(), point.clone());
                    self.cannot.push(CannotPlan { scenario: index, system, swept, why });
                }
            }
        }
        if !fleet.cells.is_empty() {
            if fleet.alone.is_some() {
                // Room for two changes, after each of which everybody comes back.
                fleet.sizes.background_s = fleet.sizes.background_s.max(2.0 * fleet.turn_s());
            }
            fleet.dense_s = fleet.dense_s(&self.scenarios);
            self.fleets.push(fleet);
        }
    }

    /// The rate at which the usual number of changed subjects of all scenarios stays under the profile's limit: all
    /// have traffic from warm-up on, so a fleet that is asked every scenario would else be tried for its strength.
    fn highest_rate_per_s(&self, fleet: &FleetPlan, asked: &[usize]) -> f64 {
        let usual = asked.iter().map(|&index| fleet.usual_changes(&self.scenarios[index])).sum::<u32>();
        let asking = usual.div_ceil(self.blocks) * u32::from(fleet.instances);
        fleet.sizes.treated_rate_per_s / f64::from(asking.max(1))
    }

    /// How many subjects a fleet has.
    pub fn subjects(&self, fleet: &FleetPlan) -> usize {
        subjects::count(fleet, &self.scenarios)
    }

    /// Resource servers of a system: as many as asked for, or as its own file names.
    pub(crate) fn instances(&self, system: &System) -> u16 {
        match system {
            System::Strategy(_) => self.options.instances,
            System::Target(target) => target.file.instances.len() as u16,
        }
    }

    fn sizes(&self, system: &System) -> Sizes {
        let mut sizes = Sizes { blocks: self.blocks, ..self.options.profile.sizes() };
        let asked = self.scenarios.iter().find_map(|scenario| scenario.rate_per_s);
        sizes.rate_per_s = self.options.rate_per_s.or(asked).unwrap_or(sizes.rate_per_s);
        match system {
            System::Strategy(_) => sizes,
            System::Target(target) => sizes.within(&target.file.limits, self.instances(system)),
        }
    }

    /// Watches that end before a bound, percentiles that the changes cannot support.
    fn semantic_problems(&self) -> Vec<Problem> {
        let check = |(index, scenario): (usize, &Scenario)| {
            let cells = self.fleets.iter().flat_map(|fleet| {
                fleet.cells.iter().filter(|cell| cell.scenario == index).map(move |cell| (fleet, cell))
            });
            let mut facts =
                PlanFacts { changes_by_flag: self.options.changes.is_some(), ..PlanFacts::default() };
            for (fleet, cell) in cells {
                facts.changes = facts.changes.max(cell.changes * self.blocks);
                if let Some(bound) = &cell.bound {
                    facts.bounds_ms.push((fleet.name(), bound.ms));
                }
            }
            let source = &self.options.scenarios[index];
            scenario::check_against(scenario, &source.text, &facts)
        };
        self.scenarios.iter().enumerate().flat_map(check).collect()
    }
}

fn traffic(options: &Options, scenarios: &[Scenario]) -> Traffic {
    let recorded = options.scenarios.iter().find_map(|source| source.trace.as_deref());
    if let Some(entries) = recorded.and_then(|text| trace::parse_trace(text).ok()) {
        let is_change = |entry: &&trace::TraceEntry| entry.what.as_deref() == Some("change");
        let changes_ns = entries.iter().filter(is_change).map(|entry| entry.at_ns).collect();
        return Traffic { arrivals: trace::arrivals(&entries), changes_ns };
    }
    let constant = scenarios.first().is_some_and(|first| first.arrivals == ArrivalsChoice::Constant);
    let arrivals = if constant { Arrivals::Constant } else { Arrivals::Poisson };
    Traffic { arrivals, changes_ns: Vec::new() }
}

/// Parses every file; all problems of all files at once.
fn parse_all(options: &Options) -> Result<(Vec<Scenario>, Vec<System>), Vec<Problem>> {
    let known: Vec<&str> = StrategyKind::ALL.iter().map(|kind| kind.name()).collect();
    let (mut scenarios, mut problems) = (Vec::new(), Vec::new());
    for source in &options.scenarios {
        match scenario::parse(&source.file, &source.text, &known) {
            Ok(scenario) => scenarios.push(scenario),
            Err(mut found) => problems.append(&mut found),
        }
    }
    let mut systems: Vec<System> = options.strategies.iter().copied().map(System::Strategy).collect();
    for source in &options.targets {
        match OwnTarget::read(source, &options.version) {
            Ok(target) => systems.push(System::Target(Arc::new(target))),
            Err(mut found) => problems.append(&mut found),
        }
    }
    if problems.is_empty() { Ok((scenarios, systems)) } else { Err(problems) }
}

/// A strategy's settings: the profile's, the strain of a stress scenario, then every `--param`. Tokens are short where
/// what is claimed with these settings, also under the fleet's fault, rests on their life; a watch would else last as
/// long as they do. A time to live that the strategy does not use is left alone, so that `token_ttl` shortens only
/// tokens on whose life something rests. None of them is a system's of one's own; how its clients renew their tokens is
/// the profile's.
///
/// # Errors
/// The first parameter that is unknown or of the wrong form.
pub fn settings(
    options: &Options,
    scenarios: &[Scenario],
    system: &System,
    fault: Option<Fault>,
) -> Result<Settings, SettingError> {
    let System::Strategy(strategy) = *system else { return Ok(options.profile.settings(false)) };
    let asked = |short_tokens: bool| -> Result<Settings, SettingError> {
        let mut settings = options.profile.settings(short_tokens);
        scenarios.iter().filter_map(|scenario| scenario.stress.as_ref()).for_each(|s| s.apply(&mut settings));
        for (name, value) in &options.params {
            let is_life = matches!(name.as_str(), "token_ttl" | "cache_ttl");
            let is_used = strategy.card().params.contains(&name.as_str());
            if !is_life || is_used || (short_tokens && name == "token_ttl") {
                settings.set(name, value)?;
            }
        }
        Ok(settings)
    };
    let outliving = asked(false)?;
    if rests_on_token_life(strategy, fault, &outliving) { asked(true) } else { Ok(outliving) }
}

/// The same with these of the swept values.
pub(crate) fn settings_at(
    options: &Options,
    scenarios: &[Scenario],
    system: &System,
    fault: Option<Fault>,
    point: &Point,
) -> Settings {
    let swept = point.iter().map(|(name, value)| (name.clone(), value.clone()));
    let params = options.params.iter().cloned().chain(swept).collect();
    let options = Options { params, ..options.clone() };
    let mut settings =
        settings(&options, scenarios, system, fault).expect("parameters were checked with the flags");
    for (name, value) in point {
        settings.set(name, value).expect("swept values were checked with the flags");
    }
    settings
}

/// Does this setting, named without unit, make a difference to a strategy that is asked these questions?
pub fn is_shaped_by(strategy: StrategyKind, scenarios: &[Scenario], name: &str) -> bool {
    let has_stream = scenarios.iter().any(|scenario| scenario.stream);
    strategy.has_setting(name) || (has_stream && STREAM_SETTINGS.contains(&name))
}

impl FleetPlan {
    fn cell(&self, index: usize, scenario: &Scenario, changes: Option<u32>) -> Result<CellPlan, String> {
        let changes = changes.or(scenario.changes).unwrap_or_else(|| self.usual_changes(scenario));
        let bound = self.bound(scenario)?;
        // A change from before a fault is watched through it.
        let fault_ms = self.fault.as_ref().map_or(0.0, |fault| 1_000.0 * fault.dense_s());
        let watch_ms = scenario.watch_ms.unwrap_or_else(|| self.watch_ms(bound.as_ref()) + fault_ms);
        // What was taken back is over.
        let undone_after_ms = scenario.undone_after_ms;
        let watch_ms = watch_ms.min(undone_after_ms.unwrap_or(f64::INFINITY));
        let changes = if self.system.is(StrategyKind::Floor) { 0 } else { changes };
        let changes = changes.div_ceil(self.sizes.blocks);
        let one_shots = if changes > 0 { self.one_shots(scenario).div_ceil(self.sizes.blocks) } else { 0 };
        let horizon_ns = ms_to_ns(watch_ms);
        Ok(CellPlan { scenario: index, changes, one_shots, bound, horizon_ns, undone_after_ms })
    }

    /// Changes over all blocks, unless somebody asked for another number.
    fn usual_changes(&self, scenario: &Scenario) -> u32 {
        let sizes = &self.sizes;
        let of_orientation = match scenario.orientation {
            Orientation::Revoke => sizes.revoke_changes,
            Orientation::Grant => sizes.grant_changes,
        };
        match (scenario.scope, self.is_main(scenario)) {
            (ScopeKind::All, _) => of_orientation.min(sizes.everyone_changes),
            (_, true) => of_orientation,
            (_, false) => of_orientation.min(sizes.other_changes),
        }
    }

    fn is_main(&self, scenario: &Scenario) -> bool {
        self.sizes.main_scenarios.contains(&scenario.name.as_str())
    }

    /// How changed subjects listen, where the scenario has them listen: for a while before the change that is long
    /// enough for a look at any phase of the interval.
    pub(crate) fn stream(&self, scenario: &Scenario) -> Option<PlannedStream> {
        scenario.stream.then(|| PlannedStream {
            every_ns: self.sizes.stream_gap_ns(),
            shortest_lead_ns: SHORTEST_LEAD_NS,
            longest_lead_ns: SHORTEST_LEAD_NS + self.settings.stream_interval_ms * NS_PER_MS,
        })
    }

    /// One-shot changes over all blocks.
    fn one_shots(&self, scenario: &Scenario) -> u32 {
        if self.is_main(scenario) && self.fault.is_none() { self.sizes.one_shot_changes } else { 0 }
    }

    /// What its strategy is called in the run: `lookup`, `cached-lookup[cache_ttl=300ms]`.
    pub fn name(&self) -> String {
        named(&self.system.name(), &self.swept)
    }

    /// What it is called among the fleets of its block: `lookup`, `none-again`, `lookup.store-down`,
    /// `cached-lookup[cache_ttl=300ms]`.
    pub fn label(&self) -> String {
        let again = if self.is_twin { "-again" } else { "" };
        let of_fault = self.fault.as_ref().map(|fault| &fault.scenario);
        let apart = of_fault.or(self.alone.as_ref()).map(|scenario| format!(".{scenario}"));
        let name = format!("{}{again}", self.system.name());
        format!("{}{}", named(&name, &self.swept), apart.unwrap_or_default())
    }

    /// Its folder below `history/`, and the name of its record: in a run of one block the label alone.
    pub fn folder(&self) -> String {
        if self.sizes.blocks == 1 {
            self.label()
        } else {
            format!("block-{:02}/{}", self.block, self.label())
        }
    }

    /// Seed of everything that is drawn for it: the same for the same fleet of a run, whatever is resumed.
    pub(crate) fn seed(&self, run: u64) -> u64 {
        let of_block = u64::from(self.block - 1) << 32;
        let of_fault = self.fault.as_ref().map_or(0, |fault| 1 + fault.planned.kind as u64) << 16;
        run ^ self.system.number()
            ^ of_block
            ^ of_fault
            ^ (u64::from(self.point) << 40)
            ^ (u64::from(self.is_twin) << 63)
            ^ (u64::from(self.alone.is_some()) << 62)
    }

    fn bound(&self, scenario: &Scenario) -> Result<Option<Bound>, String> {
        match &self.system {
            System::Strategy(strategy) => self.claimed(*strategy, scenario),
            System::Target(target) => own_bound(&target.file, scenario),
        }
    }

    fn claimed(&self, strategy: StrategyKind, scenario: &Scenario) -> Result<Option<Bound>, String> {
        let question = Question {
            orientation: scenario.orientation,
            scope: scenario.scope,
            everything: scenario.changed.is_none(),
            is_theft: scenario.actor == ChangeActor::Thief,
            undone: scenario.undone_after_ms.is_some(),
            rate_per_s: self.rate_per_s,
        };
        match claim_to(strategy, &self.settings, &question, scenario.stream) {
            Claimed::Bound { formula, bound_ms, predicted } => {
                // Where probes renew what they look at, they follow no law of the traffic.
                let predicted = predicted.filter(|&law| !requests_move(law));
                let bound = Bound { formula, ms: bound_ms, predicted, ..Bound::default() };
                let under = |fault: &FleetFault| {
                    claim_under(strategy, fault.planned.kind, &self.settings, &question).claimed
                };
                let demanded_ms = scenario.stress.as_ref().and_then(|stress| stress.at_most_ms);
                let bound = bound.at_most(demanded_ms);
                Ok(Some(match self.fault.as_ref().map(under) {
                    Some(claimed) => bound.under(claimed),
                    None => bound,
                }))
            }
            Claimed::NoClaim => Ok(None),
            Claimed::Cannot { why } => Err(why),
        }
    }

    /// Three times the predicted maximum, and a second beyond the bound; never under a second and a half,
    /// which the settled probes need. Without a bound, what fades with a fact's life is watched for two lives and a
    /// second.
    fn watch_ms(&self, bound: Option<&Bound>) -> f64 {
        let Some(bound) = bound else {
            let fades_ms = self.system.time_scale_ms(&self.settings).map_or(0.0, |t_ms| 2.0 * t_ms + 1_000.0);
            return fades_ms.max(self.sizes.unbounded_watch_s * 1_000.0);
        };
        let predicted_max_ms = bound.predicted.map_or(0.0, |law| FleetLaw::new(law, 1).far_end());
        (3.0 * predicted_max_ms).max(bound.ms + 1_000.0).max(1_500.0)
    }

    /// Changes of all its cells in the dense slice, watched or asked about once.
    pub fn changes(&self) -> u32 {
        self.cells.iter().map(|cell| cell.changes + cell.one_shots).sum()
    }

    /// Changes per second in the dense slice: the profile's, or as many as keep the probes under their limit.
    pub fn dense_changes_per_s(&self, scenarios: &[Scenario]) -> f64 {
        let instances = self.instances;
        if self.changes() == 0 {
            return self.sizes.changes_per_s;
        }
        let probes_of = |cell: &CellPlan| {
            let sessions = match scenarios[cell.scenario].orientation {
                Orientation::Revoke => 1.0,
                Orientation::Grant => 2.0,
            };
            let stale_ns = match &cell.bound {
                Some(bound) if bound.ms == 0.0 => 2e6,
                Some(bound) => ms_to_ns(bound.ms) as f64,
                None => cell.horizon_ns as f64,
            };
            if let Some(stream) = self.stream(&scenarios[cell.scenario]) {
                let heard_ns = stale_ns + stream.longest_lead_ns as f64;
                return f64::from(cell.changes) * f64::from(instances) * heard_ns / stream.every_ns as f64;
            }
            // Even gaps up to there, then growing ones.
            let even_ns = self.sizes.min_gap_ns as f64 / self.sizes.grid_ratio;
            let grown = (stale_ns / even_ns).max(1.0).ln() / (1.0 + self.sizes.grid_ratio).ln();
            let grid = 1.0 / self.sizes.grid_ratio + grown;
            let once = f64::from(cell.one_shots) * f64::from(instances);
            f64::from(cell.changes) * sessions * f64::from(instances) * (grid + 10.0) + once
        };
        let per_change = self.cells.iter().map(probes_of).sum::<f64>() / f64::from(self.changes());
        self.sizes.changes_per_s.min(self.sizes.probes_per_s / per_change)
    }

    /// From one change of everyone to the earliest instant of the next: what the change needs at most, until it is
    /// taken back, and time for everybody to come back.
    fn rest_s(&self) -> f64 {
        let of = |cell: &CellPlan| {
            let bound_ms = cell.bound.as_ref().map_or(0.0, |bound| bound.ms);
            bound_ms + cell.undone_after_ms.unwrap_or(0.0) + self.settings.refresh_jitter_ms as f64
        };
        SETTLED_MS / 1_000.0 + self.cells.iter().map(of).fold(0.0, f64::max) / 1_000.0
    }

    /// Does what is claimed rest on the life of tokens? Then they are short, and end windows by the wall clock.
    pub(crate) fn rests_on_token_life(&self) -> bool {
        let fault = self.fault.as_ref().map(|fault| fault.planned.kind);
        matches!(self.system, System::Strategy(kind) if rests_on_token_life(kind, fault, &self.settings))
    }

    /// The period of whatever timer the strategy has, seconds: changes meet every phase of it.
    pub fn period_s(&self) -> f64 {
        self.system.time_scale_ms(&self.settings).unwrap_or(0.0) / 1_000.0
    }

    /// How much of a slice one change of everyone has for itself, seconds.
    pub fn turn_s(&self) -> f64 {
        self.rest_s() + self.period_s()
    }

    /// The dense slice's length, seconds.
    fn dense_s(&self, scenarios: &[Scenario]) -> f64 {
        if self.changes() == 0 {
            return 0.0;
        }
        if self.alone.is_some() {
            return f64::from(self.changes()) * self.turn_s();
        }
        let period_s = self.period_s();
        let fault_s = self.fault.as_ref().map_or(0.0, FleetFault::dense_s);
        (f64::from(self.changes()) / self.dense_changes_per_s(scenarios)).max(period_s).max(fault_s)
    }

    /// Warm-up: caches need three times T + 1/λ to reach equilibrium, tokens one renewal.
    pub fn warm_up_s(&self) -> f64 {
        let Some(t_ms) = self.system.time_scale_ms(&self.settings) else { return self.sizes.warm_up_s };
        let t_s = t_ms / 1_000.0;
        // Tokens have every age once each session has renewed at its own phase.
        let equilibrium_s = match self.system {
            System::Strategy(StrategyKind::ShortTtl | StrategyKind::RefreshRotation) => {
                self.settings.refresh_at * t_s
            }
            _ => 3.0 * (t_s + 1.0 / self.rate_per_s),
        };
        self.sizes.warm_up_s.max(equilibrium_s)
    }

    /// Longest watch of its cells, ns.
    pub fn drain_ns(&self) -> u64 {
        let watched = self.cells.iter().filter(|cell| cell.changes > 0);
        watched.map(|cell| cell.horizon_ns).max().unwrap_or(0)
    }

    /// Expected time with start-up and signing in, seconds.
    pub fn expected_s(&self) -> f64 {
        let start_up_s = 2.0;
        let slices_s = self.warm_up_s() + self.sizes.plain_s + self.dense_s + self.drain_ns() as f64 / 1e9;
        start_up_s + slices_s + self.sizes.background_s + self.sizes.audit_s
    }

    /// Settings of production that these short durations stand for, at equal λT.
    pub fn stands_for(&self) -> BTreeMap<String, serde_json::Value> {
        let production = |name: &str, ms: u64| BTreeMap::from([(name.to_owned(), ms.into())]);
        let System::Strategy(strategy) = self.system else { return BTreeMap::new() };
        match strategy {
            StrategyKind::CachedLookup | StrategyKind::CachedIntrospection => {
                production("cache_ttl_ms", self.settings.cache_ttl_ms * 60)
            }
            StrategyKind::KeyRotation => production("jwks_ttl_ms", self.settings.jwks_ttl_ms * 600),
            StrategyKind::Push => production("backstop_ms", self.settings.backstop_ms * 60),
            StrategyKind::ShortTtl | StrategyKind::RefreshRotation => {
                production("token_ttl_ms", self.settings.token_ttl_ms * 100)
            }
            _ => BTreeMap::new(),
        }
    }
}
