//! Searching the masks of CPUs, the nearest first, and counting what that costs: each look at a
//! cache line that other CPUs write.

use percpu::CpuId;

use crate::cpu_mask::CpuMask;
use crate::map::Span;
use crate::platform::Platform;
use crate::scheduler::Scheduler;
use crate::stats::bump;

impl<P: Platform> Scheduler<P> {
    /// Counts cache lines that the calling CPU looked at and others write.
    pub(crate) fn probed(&self, lines: u64) {
        bump(&self.cpus[self.platform.cpu().index()].stats.probes, lines);
    }

    /// Those of the spans in which the mask has members, and these. The line of the first group is
    /// the caller's to count; the one above is asked of the others.
    #[inline(always)]
    pub(crate) fn found<'a, S>(
        &'a self,
        mask: &'a CpuMask,
        spans: S,
    ) -> impl Iterator<Item = (&'a Span, u64)> + use<'a, P, S>
    where
        S: IntoIterator<Item = &'a Span>,
    {
        let (mut here, mut above) = (None, 1);
        spans.into_iter().filter_map(move |span| {
            if *here.get_or_insert(span.group) != span.group {
                self.probed(core::mem::take(&mut above));
                if !mask.may_have(span.group) {
                    return None;
                }
                self.probed(1);
                here = Some(span.group);
            }
            let members = mask.search(span);
            (members != 0).then_some((span, members))
        })
    }

    /// The members of `mask` but `here`, the nearest first. The mask is searched after
    /// `overloaded`: the lines of the own group and above are here already.
    pub(crate) fn others_in<'a>(
        &'a self,
        mask: &'a CpuMask,
        here: CpuId,
    ) -> impl Iterator<Item = CpuId> + use<'a, P> {
        let own = self.map.place(here).group;
        let spans = self.map.nearest(here).iter();
        let spans = spans.filter(move |span| span.group == own || mask.may_have(span.group));
        let found = spans.map(move |span| {
            self.probed(u64::from(span.group != own));
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
        self.probed(1);
        let spans = self.map.nearest(self.platform.cpu());
        self.found(&self.idle, spans).next().is_some()
    }
}
