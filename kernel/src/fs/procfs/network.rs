//! `/proc/net`: texts that the network publishes.

use crate::error::Errno;
use crate::fs::node::FileType;
use crate::fs::synthetic::{Child, Directory, FIRST_COOKIE, Made};
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
    fn list(&self) -> Vec<Child> {
        let reports = REPORTS.lock();
        let child = |(cookie, (name, _)): (u64, &(&str, Report))| Child {
            name: name.as_bytes().to_vec(),
            file_type: FileType::Regular,
            cookie,
        };
        (FIRST_COOKIE..).zip(reports.iter()).map(child).collect()
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
