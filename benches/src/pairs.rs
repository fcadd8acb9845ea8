//! Times of the same thing done in two ways, in turns, and how they are said.

use std::time::Duration;

use scenarios::blocked_session::Times;

/// The same thing done in two ways, in turns.
#[derive(Debug, Default)]
pub struct Pairs(Vec<(Duration, Duration)>);

impl Pairs {
    pub fn push(&mut self, ours: Duration, theirs: Duration) {
        self.0.push((ours, theirs));
    }

    pub fn sides(&self) -> (Times, Times) {
        let (mut ours, mut theirs) = (Times::default(), Times::default());
        for (our, their) in &self.0 {
            ours.push(*our);
            theirs.push(*their);
        }
        (ours, theirs)
    }

    /// The median of what ours takes longer, in seconds.
    pub fn difference(&self) -> f64 {
        let more = self.0.iter().map(|(ours, theirs)| ours.as_secs_f64() - theirs.as_secs_f64());
        let mut more: Vec<f64> = more.collect();
        more.sort_by(f64::total_cmp);
        more[more.len() / 2]
    }

    /// The median of the ratios: what disturbs the machine for a while disturbs both of a pair.
    pub fn ratio(&self) -> f64 {
        let ratios = self.0.iter().map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64());
        let mut ratios: Vec<f64> = ratios.collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    }
}

/// The median, and what the middle half lies between.
pub fn with_spread(times: &Times) -> String {
    let [low, median, high] = [25, 50, 75].map(|percent| times.percentile(percent));
    format!("{median:.2?} ({low:.2?} to {high:.2?})")
}
