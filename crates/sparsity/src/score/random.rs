//! Numbers drawn by lot.

/// `len` uniform scores in `[0, 1)` for the parameter `name`, from its own random stream: the
/// baseline that any better score has to beat.
pub fn random(name: &str, len: usize, seed: u64) -> Vec<f32> {
    let mut stream = seed::stream(seed, &format!("prune/random/{name}"), 0);
    // 24 bits are an f32's whole mantissa: no score rounds up to 1.
    (0..len).map(|_| (stream.bits() >> 40) as f32 / (1_u32 << 24) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_follows_name_and_seed() {
        let scores = random("a", 1000, 1);
        assert_eq!(scores, random("a", 1000, 1));
        assert_ne!(scores, random("b", 1000, 1));
        assert_ne!(scores, random("a", 1000, 2));
        assert!(scores.iter().all(|s| (0.0..1.0).contains(s)));
        let low = scores.iter().filter(|s| **s < 0.3).count();
        assert!((250..350).contains(&low), "{low} of 1000 below 0.3");
    }
}
