//! "Which is the k-th marked slot?" in O(log n), so that paging through a million users is cheap.

/// A growing row of marks kept as a Fenwick tree of counts.
#[derive(Default)]
pub struct Ranks {
    tree: Vec<u32>,
    total: u32,
}

fn low_bit(i: usize) -> usize {
    i & i.wrapping_neg()
}

impl Ranks {
    /// Appends a slot.
    pub fn push(&mut self, marked: bool) {
        let place = self.tree.len() + 1;
        let mut sum = u32::from(marked);
        let mut child = place - 1;
        while child > place - low_bit(place) {
            sum += self.tree[child - 1];
            child -= low_bit(child);
        }
        self.tree.push(sum);
        self.total += u32::from(marked);
    }

    /// Marks a slot that was not marked, or clears one that was. The caller knows which it is.
    pub fn set(&mut self, slot: usize, marked: bool) {
        let step = |n: &mut u32| *n = if marked { *n + 1 } else { *n - 1 };
        step(&mut self.total);
        let mut place = slot + 1;
        while place <= self.tree.len() {
            step(&mut self.tree[place - 1]);
            place += low_bit(place);
        }
    }

    pub fn total(&self) -> usize {
        self.total as usize
    }
}

/// The slot holding the k-th mark (from 0) of several rows of equal length taken together.
pub fn select(rows: &[&Ranks], k: usize) -> Option<usize> {
    let length = rows.first()?.tree.len();
    let total: usize = rows.iter().map(|row| row.total()).sum();
    if k >= total {
        return None;
    }
    let mut left = k;
    let mut place = 0;
    let mut step = length.next_power_of_two();
    while step > 0 {
        let next = place + step;
        if next <= length {
            let marks: usize = rows.iter().map(|row| row.tree[next - 1] as usize).sum();
            if marks <= left {
                left -= marks;
                place = next;
            }
        }
        step /= 2;
    }
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_what_a_plain_scan_would() {
        let mut row = Ranks::default();
        let mut plain = Vec::new();
        for slot in 0..300 {
            row.push(slot % 3 != 1);
            plain.push(slot % 3 != 1);
        }
        for slot in (0..300).step_by(7) {
            plain[slot] = !plain[slot];
            row.set(slot, plain[slot]);
        }
        let marked: Vec<usize> = (0..300).filter(|slot| plain[*slot]).collect();
        assert_eq!(row.total(), marked.len());
        for (k, slot) in marked.iter().enumerate() {
            assert_eq!(select(&[&row], k), Some(*slot));
        }
        assert_eq!(select(&[&row], marked.len()), None);
    }
}
