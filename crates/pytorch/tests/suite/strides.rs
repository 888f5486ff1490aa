//! Views against their definition, for random shapes, strides and offsets.

use artifact::tensors::Tensor;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::read;
use crate::writer::{bytes, dict, legacy, storage, tensor, zipped};

/// Sizes with strides, and an offset.
fn views() -> impl Strategy<Value = (Vec<(usize, usize)>, usize)> {
    (prop::collection::vec((0..5_usize, 0..7_usize), 0..5), 0..9_usize)
}

/// The places that a view sees, by the definition: offset + sum of index times stride.
fn places(dims: &[(usize, usize)], offset: usize) -> Vec<usize> {
    let Some(((size, stride), inner)) = dims.split_first() else { return vec![offset] };
    (0..*size).flat_map(|i| places(inner, offset + i * stride)).collect()
}

/// Property tests of 200 cases, the same ones at each run.
pub fn cases() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(42);
    ProptestConfig { cases: 200, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_view_reads_what_its_strides_say((dims, offset) in views()) {
        let places = places(&dims, offset);
        let count = places.iter().max().map_or(0, |last| last + 1);
        let (shape, stride): (Vec<_>, Vec<_>) = dims.into_iter().unzip();
        let data = bytes(&(0..count).map(|i| i as f32).collect::<Vec<_>>());
        let top = dict(&[("w", tensor(storage("FloatStorage", "0", count), offset, &shape, &stride))]);
        let expected = Tensor::f32(&shape, places.iter().map(|p| *p as f32).collect());
        prop_assert_eq!(&read(&zipped(&top, &[("0", data.clone())]), None).tensors["w"], &expected);
        let old = legacy(&top, &[("0", count as u64, data)]);
        prop_assert_eq!(&read(&old, None).tensors["w"], &expected);
    }
}
