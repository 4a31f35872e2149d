//! `/proc/net`: texts that the network publishes.

use crate::error::{Errno, Result};
use crate::fs::node::FileType;
use crate::fs::synthetic::{Directory, FIRST_COOKIE, Made, Visitor, visit_all};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use smp::SpinLock;

type Report = Arc<dyn Fn() -> String + Send + Sync>;

static REPORTS: SpinLock<Vec<(&'static str, Report)>> = SpinLock::new(Vec::new());

/// Makes `/proc/net/<name>` show what `report` says.
pub fn publish(name: &'static str, report: impl Fn() -> String + Send + Sync + 'static) {
    REPORTS.lock().push((name, Arc::new(report)));
}

pub struct Network;

impl Directory for Network {
    fn visit(&self, from: u64, visitor: &mut Visitor<'_>) -> Result<()> {
        // The visitor may sleep: not with the list locked.
        let name = |at: usize| Some((REPORTS.lock().get(at)?.0, FileType::Regular));
        visit_all(FIRST_COOKIE, (0..).map_while(name), from, visitor);
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Option<Made> {
        let known = REPORTS
            .lock()
            .iter()
            .any(|(known, _)| known.as_bytes() == name);
        let name = name.to_vec();
        // The report takes the network's locks: it is made outside this one.
        known.then(|| {
            Made::text(move || {
                let reports = REPORTS.lock();
                let found = reports.iter().find(|(known, _)| known.as_bytes() == name);
                let report = found
                    .map(|(_, report)| report.clone())
                    .ok_or(Errno::ENOENT)?;
                drop(reports);
                Ok(report())
            })
        })
    }
}
