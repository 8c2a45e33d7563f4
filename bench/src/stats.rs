//! Medians and how far they can be trusted.

use serde::Serialize;

/// A median with the interval that holds the true one 19 times out of 20.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The middle of the samples.
    pub median: f64,
    /// Lower end of the 95 % confidence interval.
    pub low: f64,
    /// Upper end of the 95 % confidence interval.
    pub high: f64,
}

/// The median of `samples` and its 95 % confidence interval by order
/// statistics, which assumes nothing about the distribution: times have long
/// tails. With fewer than six samples the interval is the whole range (it can't
/// reach 95 %). `None` without samples.
#[must_use]
pub fn median(samples: &[f64]) -> Option<Estimate> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (first, last) = (sorted.first()?, sorted.last()?);
    let middle = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0;
    if n < 6 {
        return Some(Estimate { median: middle, low: *first, high: *last });
    }
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = {
        // Ranks n/2 ± 1.96·√n/2: the normal approximation of the binomial.
        let half = 1.96 * (n as f64).sqrt() / 2.0;
        ((n as f64 / 2.0 - half).floor().max(1.0) as usize) - 1
    };
    Some(Estimate { median: middle, low: sorted[rank], high: sorted[n - 1 - rank] })
}

/// The median of the paired ratios `a[i] / b[i]`: what slows the machine down
/// for a moment slows both of a pair, and cancels. `None` without pairs.
#[must_use]
pub fn paired_ratio(a: &[f64], b: &[f64]) -> Option<Estimate> {
    let ratios: Vec<f64> = a.iter().zip(b).map(|(a, b)| a / b).collect();
    median(&ratios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_few_and_many() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[2.0]), Some(Estimate { median: 2.0, low: 2.0, high: 2.0 }));
        assert_eq!(median(&[3.0, 1.0]), Some(Estimate { median: 2.0, low: 1.0, high: 3.0 }));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(median(&hundred), Some(Estimate { median: 50.5, low: 40.0, high: 61.0 }));
    }

    #[test]
    fn a_slow_moment_cancels_in_a_pair() {
        let ratio = paired_ratio(&[2.0, 20.0, 2.2], &[1.0, 10.0, 1.0]).unwrap();
        assert!((ratio.median - 2.0).abs() < 1e-9);
    }
}
