//! Searching the masks of CPUs, the nearest first, and counting what that costs: each look at a
//! cache line that other CPUs write, by what it is after.

use percpu::CpuId;

use crate::cpu_mask::CpuMask;
use crate::map::Span;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::stats::bump;

/// What a look is after.
#[derive(Clone, Copy)]
pub(crate) enum Sought {
    /// Something to do, for the CPU that looks.
    Work,
    /// A CPU, for a thread.
    Cpu,
}

impl<P: Platform> Scheduler<P> {
    /// Counts cache lines that the calling CPU looked at and others write.
    pub(crate) fn probed(&self, sought: Sought, lines: u64) {
        let stats = &self.cpus[self.platform.cpu().index()].stats;
        let counter = match sought {
            Sought::Work => &stats.probes,
            Sought::Cpu => &stats.looks,
        };
        bump(counter, lines);
    }

    /// Those of the spans in which the mask has members, and these. The line above, if there is one,
    /// is asked which groups are worth a look. The caller has `seen` the line of one group already.
    #[inline(always)]
    pub(crate) fn found<'a, S>(
        &'a self,
        sought: Sought,
        mask: &'a CpuMask,
        spans: S,
        seen: Option<usize>,
    ) -> impl Iterator<Item = (&'a Span, u64)> + use<'a, P, S>
    where
        S: IntoIterator<Item = &'a Span>,
    {
        let mut above = u64::from(self.map.group_count() > 1);
        let mut here = seen;
        spans.into_iter().filter_map(move |span| {
            if here != Some(span.group) {
                self.probed(sought, core::mem::take(&mut above));
                if !mask.may_have(span.group) {
                    return None;
                }
                self.probed(sought, 1);
                here = Some(span.group);
            }
            let members = mask.search(span);
            (members != 0).then_some((span, members))
        })
    }

    /// The members of `mask` but `here`, the nearest first, for a CPU that has just become idle: the
    /// line of its group it has written, the one above it has looked at for surplus.
    pub(crate) fn others_in<'a>(
        &'a self,
        mask: &'a CpuMask,
        here: CpuId,
    ) -> impl Iterator<Item = CpuId> + use<'a, P> {
        let own = self.map.place(here).group;
        let spans = self.map.nearest(here).iter();
        let spans = spans.filter(|span| mask.may_have(span.group));
        let found = spans.map(move |span| {
            self.probed(Sought::Work, u64::from(span.group != own));
            (span.group, mask.search(span))
        });
        let members = found.flat_map(move |(group, word)| self.map.members(group, word, here));
        members.filter(move |&cpu| cpu != here)
    }

    /// All CPUs that are online, `from` first, then the nearest.
    pub(crate) fn online_from(&self, from: CpuId) -> impl Iterator<Item = CpuId> {
        let spans = self.map.nearest(from).iter();
        spans.flat_map(move |span| {
            let online = self.online.word(span.group) & span.bits;
            self.map.members(span.group, online, from)
        })
    }

    pub(crate) fn anybody_idle(&self) -> bool {
        let spans = self.map.nearest(self.platform.cpu());
        self.found(Sought::Cpu, &self.idle, spans, None)
            .next()
            .is_some()
    }
}
