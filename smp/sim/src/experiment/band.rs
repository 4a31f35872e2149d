//! What the seeds of a case say together.

use super::{Metric, Values};

/// A mean over seeds and half the width of its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Band {
    pub mean: f64,
    pub half: f64,
}

pub fn band(samples: &[Values], metric: Metric) -> Band {
    let count = samples.len() as f64;
    let of = |sample: &Values| sample[metric as usize];
    let mean = samples.iter().map(of).sum::<f64>() / count;
    if samples.len() < 2 {
        return Band { mean, half: 0.0 };
    }
    let squares: f64 = samples
        .iter()
        .map(|sample| (of(sample) - mean).powi(2))
        .sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let half = student(samples.len() - 1) * error;
    Band { mean, half }
}

/// Student's t, 97.5 %, by degrees of freedom.
fn student(freedom: usize) -> f64 {
    const T: [f64; 10] = [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];
    T.get(freedom - 1).copied().unwrap_or(2.0)
}
