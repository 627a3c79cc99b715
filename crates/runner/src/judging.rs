//! From what fleets have left to the run's documents: a strategy's cells judged anew with each of its fleets, and the
//! summary of all that is known so far.

use revbench_model::summary::{CellDetail, Summary, Verdict};
use revbench_oracle::blocks::Recorded;

use crate::assemble::{self, Twin};
use crate::cells;
use crate::plan::{FleetPlan, RunPlan};
use crate::run::Event;
use crate::run_dir::{Manifest, RunDir, RunDirError};

/// What is known of a run's cells.
pub(crate) struct Judging<'a> {
    plan: &'a RunPlan,
    dir: &'a RunDir,
    details: Vec<CellDetail>,
    /// The control once more.
    twin: Option<Twin>,
}

impl<'a> Judging<'a> {
    /// Nothing yet.
    pub(crate) fn new(plan: &'a RunPlan, dir: &'a RunDir) -> Judging<'a> {
        Judging { plan, dir, details: Vec::new(), twin: None }
    }

    /// Has no fleet left anything?
    pub(crate) fn has_nothing(&self) -> bool {
        self.details.is_empty() && self.twin.is_none()
    }

    /// Judges every strategy of a run that goes on.
    pub(crate) fn all(&mut self, watcher: &mut dyn FnMut(Event<'_>)) -> Result<(), RunDirError> {
        for fleet in self.plan.fleets.iter().filter(|fleet| fleet.block == 1) {
            if self.recorded(fleet).next().is_some() {
                self.strategy_of(fleet, watcher)?;
            }
        }
        Ok(())
    }

    /// Judges a fleet's strategy from what all its fleets have left so far, and writes that.
    pub(crate) fn strategy_of(
        &mut self,
        fleet: &FleetPlan,
        watcher: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), RunDirError> {
        let records = self.recorded(fleet).map(|other| self.dir.read_record(other));
        let blocks: Vec<Recorded> = records.collect::<Result<_, _>>()?;
        if fleet.is_twin {
            let detail = cells::judge(self.plan, fleet, 0, &blocks);
            let is_invalid = detail.cell.validity.latency == Some(Verdict::Invalid);
            self.twin = Some(Twin { blocks: detail.blocks, is_invalid, swept: detail.cell.swept });
            return Ok(());
        }
        for number in 0..fleet.cells.len() {
            let detail = cells::judge(self.plan, fleet, number, &blocks);
            if number == 0 {
                self.dir.write_histograms(&fleet.label(), &believed(&blocks, &detail))?;
            }
            self.dir.write_cell(&detail)?;
            watcher(Event::CellDone(&detail.cell));
            self.add(detail);
        }
        Ok(())
    }

    /// The fleets of the same name that have left something, block after block.
    fn recorded<'b>(&'b self, fleet: &'b FleetPlan) -> impl Iterator<Item = &'a FleetPlan> + 'b {
        let (plan, dir) = (self.plan, self.dir);
        plan.fleets.iter().filter(move |other| other.label() == fleet.label() && dir.has_record(other))
    }

    /// A strategy that could not be measured at all leaves cells that say so. The fleet stays without a record, so
    /// that resuming measures it again.
    pub(crate) fn failed(&mut self, fleet: &FleetPlan, why: &str, watcher: &mut dyn FnMut(Event<'_>)) {
        watcher(Event::Warning(format!("{} failed: {why}", fleet.label())));
        let failed = (0..fleet.cells.len()).map(|number| cells::failed(self.plan, fleet, number, why));
        let new: Vec<CellDetail> =
            failed.filter(|one| !self.details.iter().any(|d| is_same(d, one))).collect();
        if !fleet.is_twin {
            new.into_iter().for_each(|detail| self.add(detail));
        }
    }

    fn add(&mut self, detail: CellDetail) {
        self.details.retain(|other| !is_same(other, &detail));
        self.details.push(detail);
    }

    /// Writes the summary of what is known so far.
    pub(crate) fn save(&self, manifest: &Manifest) -> Result<Summary, RunDirError> {
        let twin = self.twin.as_ref();
        let summary = assemble::summary(self.plan, manifest, &self.details, twin, self.is_complete());
        self.dir.write_summary(&summary, &self.details)?;
        Ok(summary)
    }

    /// The summary for good; where nothing is missing, the records have done their work.
    pub(crate) fn finish(&self, manifest: &Manifest) -> Result<Summary, RunDirError> {
        let summary = self.save(manifest)?;
        if self.is_complete() {
            self.dir.remove_records()?;
        }
        Ok(summary)
    }

    fn is_complete(&self) -> bool {
        self.plan.fleets.iter().all(|fleet| self.dir.has_record(fleet))
    }
}

fn is_same(one: &CellDetail, other: &CellDetail) -> bool {
    (&one.cell.scenario, one.cell.name()) == (&other.cell.scenario, other.cell.name())
}

/// The blocks whose latency counts.
fn believed<'a>(blocks: &'a [Recorded], detail: &CellDetail) -> Vec<&'a Recorded> {
    let counts = |block: &&Recorded| {
        let figures = detail.blocks.iter().find(|figures| figures.block == block.block);
        detail.blocks.len() == 1 || figures.is_some_and(|figures| figures.latency_us.is_some())
    };
    blocks.iter().filter(counts).collect()
}
