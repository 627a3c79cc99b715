//! A history by subject, so that no question scans every request.

use revbench_model::Orientation;
use revbench_model::event::{ChangeOutcome, ChangeRecord, History, RequestRecord, SubjectRole};

/// A history whose requests and changes can be looked up by subject.
pub(crate) struct Index<'a> {
    pub(crate) history: &'a History,
    /// Requests in order of subject; `starts[s]..starts[s + 1]` are those of subject `s`.
    order: Vec<u32>,
    starts: Vec<u32>,
    /// Changes of each subject in order of submission.
    changes: Vec<Vec<usize>>,
}

impl<'a> Index<'a> {
    pub(crate) fn new(history: &'a History) -> Index<'a> {
        let subjects = history.subjects.len();
        let mut starts = vec![0_u32; subjects + 1];
        for request in &history.requests {
            starts[request.subject as usize + 1] += 1;
        }
        for subject in 0..subjects {
            starts[subject + 1] += starts[subject];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; history.requests.len()];
        for (position, request) in history.requests.iter().enumerate() {
            let slot = &mut next[request.subject as usize];
            order[*slot as usize] = position as u32;
            *slot += 1;
        }
        let mut changes = vec![Vec::new(); subjects];
        for (position, change) in history.changes.iter().enumerate() {
            changes[change.subject as usize].push(position);
        }
        for own in &mut changes {
            own.sort_by_key(|&position| history.changes[position].submitted_ns);
        }
        Index { history, order, starts, changes }
    }

    /// Every request of a subject.
    pub(crate) fn requests(&self, subject: u32) -> impl Iterator<Item = &'a RequestRecord> + '_ {
        let subject = subject as usize;
        let range = self.starts[subject] as usize..self.starts[subject + 1] as usize;
        self.order[range].iter().map(|&position| &self.history.requests[position as usize])
    }

    /// Changes of a scenario and orientation whose subject has one of `roles`, whatever became of them.
    pub(crate) fn changes(
        &self,
        scenario: u16,
        orientation: Orientation,
        roles: &'static [SubjectRole],
    ) -> impl Iterator<Item = (usize, &'a ChangeRecord)> + '_ {
        self.history.changes.iter().enumerate().filter(move |(_, change)| {
            let subject = &self.history.subjects[change.subject as usize];
            subject.scenario == scenario && roles.contains(&subject.role) && change.orientation == orientation
        })
    }

    /// The first change of a subject, whatever became of it.
    pub(crate) fn first_change(&self, subject: u32) -> Option<&'a ChangeRecord> {
        self.changes[subject as usize].first().map(|&position| &self.history.changes[position])
    }

    /// Is the change the first of its subject?
    pub(crate) fn is_first(&self, change: usize) -> bool {
        self.changes[self.history.changes[change].subject as usize].first() == Some(&change)
    }

    /// When the subject's authority may change again: the next submission that is not known to have failed.
    pub(crate) fn next_submission_ns(&self, change: usize) -> u64 {
        let own = &self.changes[self.history.changes[change].subject as usize];
        own.iter()
            .skip_while(|&&position| position != change)
            .skip(1)
            .map(|&position| &self.history.changes[position])
            .find(|next| next.outcome != ChangeOutcome::Fail)
            .map_or(u64::MAX, |next| next.submitted_ns)
    }
}
