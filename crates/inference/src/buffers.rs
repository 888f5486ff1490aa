//! Which values share memory: a buffer is free again when its value has been read for the last
//! time.

/// Buffers for values that are written one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Buffers {
    /// The buffer of each value.
    pub of: Vec<usize>,
    /// How long each buffer must be.
    pub lens: Vec<usize>,
}

/// Assigns buffers to values of `lens`, written in this order; value `v` is read while the values
/// `readers[v]` are written. A value that nobody reads is kept to the end.
pub(crate) fn assign(lens: &[usize], readers: &[Vec<usize>]) -> Buffers {
    let mut all = Buffers { of: Vec::new(), lens: Vec::new() };
    let mut free: Vec<usize> = Vec::new();
    for (value, &len) in lens.iter().enumerate() {
        // The nearest in size, so that small values do not take the large buffers.
        let best = (0..free.len()).min_by_key(|&i| all.lens[free[i]].abs_diff(len));
        let buffer = best.map_or_else(
            || {
                all.lens.push(0);
                all.lens.len() - 1
            },
            |i| free.swap_remove(i),
        );
        all.lens[buffer] = all.lens[buffer].max(len);
        all.of.push(buffer);
        let last = |v: &usize| readers[*v].iter().max() == Some(&value);
        free.extend((0..value).filter(last).map(|v| all.of[v]));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_after_the_last_read() {
        // 0 is read by 1 and 3, as in a residual block.
        let found = assign(&[8, 8, 8, 8, 2], &[vec![1, 3], vec![2], vec![3], vec![4], vec![]]);
        assert_eq!(found.of, [0, 1, 2, 1, 0]);
        assert_eq!(found.lens, [8, 8, 8]);
    }

    #[test]
    fn no_two_living_values_share_one() {
        let readers = [vec![1, 4], vec![2, 3], vec![4], vec![4], vec![5], vec![]];
        let found = assign(&[1, 2, 3, 4, 5, 6], &readers);
        for (a, readers) in readers.iter().enumerate() {
            let until = readers.iter().max().copied().unwrap_or(5);
            for b in a + 1..=until {
                assert_ne!(found.of[a], found.of[b], "{a} and {b}");
            }
        }
    }
}
