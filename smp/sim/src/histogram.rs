//! Many times in little room: buckets an eightieth of their value wide.

/// Steps per doubling: the relative error is below 1 / 64.
const STEPS: usize = 64;
const BUCKETS: usize = STEPS * 48;

#[derive(Clone)]
pub struct Histogram {
    buckets: Vec<u32>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

/// Values below `STEPS` have a bucket each; above, `STEPS` buckets per power of two.
fn bucket(value: u64) -> usize {
    let Some(shift) = (63 - value.max(1).leading_zeros()).checked_sub(STEPS.ilog2()) else {
        return value as usize;
    };
    let index = STEPS * shift as usize + (value >> shift) as usize;
    index.min(BUCKETS - 1)
}

fn value_of(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    ((bucket - STEPS * shift) as u64) << shift
}

impl Histogram {
    pub fn add(&mut self, value: u64) {
        self.buckets[bucket(value)] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn max(&self) -> u64 {
        self.max
    }

    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.count.max(1) as f64
    }

    /// The value that the given share (0 to 1) of all does not exceed; 0 when empty.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return value_of(index).min(self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_sixty_fourth() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|value| histogram.add(value * 37));
        for share in [0.001, 0.5, 0.99, 0.999] {
            let (exact, found) = (37e5 * share, histogram.quantile(share) as f64);
            assert!((found / exact - 1.0).abs() < 1.0 / 64.0, "{share}: {found}");
        }
        assert_eq!(histogram.mean(), 37.0 * 50_000.5);
    }
}
