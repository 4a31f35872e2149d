//! When each CPU has something to do next: a tournament tree, the winner on top.
//!
//! Setting one time costs the logarithm of the number of entries, the earliest is read at once.
//! Equal times: the smallest entry goes first, so that runs can be repeated.

const NEVER: u64 = u64::MAX;

pub struct Calendar {
    /// A binary heap-shaped tree; leaves are the second half. Node 0 is unused.
    tree: Box<[u64]>,
    leaves: usize,
}

impl Calendar {
    pub fn new(entries: usize) -> Self {
        let leaves = entries.next_power_of_two();
        let tree = vec![NEVER; 2 * leaves].into_boxed_slice();
        Self { tree, leaves }
    }

    pub fn set(&mut self, entry: usize, at: Option<u64>) {
        let mut node = self.leaves + entry;
        self.tree[node] = at.unwrap_or(NEVER);
        while node > 1 {
            node /= 2;
            let least = self.tree[2 * node].min(self.tree[2 * node + 1]);
            if self.tree[node] == least {
                break;
            }
            self.tree[node] = least;
        }
    }

    /// The earliest time and whose it is.
    pub fn first(&self) -> Option<(u64, usize)> {
        let at = self.tree[1];
        if at == NEVER {
            return None;
        }
        let mut node = 1;
        while node < self.leaves {
            node = 2 * node + usize::from(self.tree[2 * node] != at);
        }
        Some((at, node - self.leaves))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_wins_and_the_first_of_equals() {
        let mut calendar = Calendar::new(5);
        assert_eq!(calendar.first(), None);
        calendar.set(4, Some(7));
        calendar.set(2, Some(7));
        calendar.set(3, Some(9));
        assert_eq!(calendar.first(), Some((7, 2)));
        calendar.set(2, None);
        assert_eq!(calendar.first(), Some((7, 4)));
        calendar.set(4, Some(10));
        assert_eq!(calendar.first(), Some((9, 3)));
    }

    #[test]
    fn one_entry_is_enough() {
        let mut calendar = Calendar::new(1);
        calendar.set(0, Some(3));
        assert_eq!(calendar.first(), Some((3, 0)));
    }
}
