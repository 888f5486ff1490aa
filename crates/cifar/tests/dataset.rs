//! A dataset artifact as stages see it: opened, split, batched; refused where anything is off.

use std::path::{Path, PathBuf};

use artifact::manifest::{self, Manifest};
use artifact::record;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::yaml::{self, Value};
use artifact::{Begun, Finished, Staging, Timings, file, names};
use cifar::store::{self, Normaliser, Split};
use cifar::{
    Augment, Augmented, Dataset, ImageShape, Images, Keep, Normalise, Part, Raw, Size, View, batch,
    order,
};

const SPLIT: Split = Split { validation: 0.25, seed: 3, normaliser: Normaliser::Measured };

/// The pixels of `n` images.
fn bytes(n: usize) -> Vec<u8> {
    (0..n * 48).map(|i| (i * 37 % 251) as u8).collect()
}

/// The view of images as they are.
fn plain(normalise: &Normalise, side: usize) -> View<'_> {
    View { normalise, size: Size::square(side), augmented: None }
}

/// The bytes of image `i`.
fn image(part: &Part, i: usize) -> Vec<u8> {
    part.image(i, &mut vec![]).expect("reads").to_vec()
}

/// Forty 4 x 4 training images and ten test images of two classes.
fn raw() -> Raw {
    let images = |n: usize| Images {
        pixels: bytes(n).into(),
        labels: (0..n).map(|i| (i % 2) as u16).collect(),
    };
    let classes = vec!["a".into(), "b".into()];
    Raw {
        train: images(40),
        test: images(10),
        ..Raw::empty("binary", classes, ImageShape::square(4))
    }
}

/// Commits `raw()` under `dir` after its tensors and its record were changed; as earlier versions did,
/// without a copy of the record beside the images.
fn commit(dir: &Path, stage: &str, change: impl Fn(&mut Tensors, &mut record::Dataset)) -> PathBuf {
    let dropped = |tensors: &mut Tensors, record: &mut record::Dataset, _: &mut Option<String>| {
        change(tensors, record);
    };
    commit_of((&raw(), false), dir, stage, dropped)
}

/// Commits a set under `dir` after its tensors, its record and the copy of that were changed; the copy is
/// left out where it is not `noted`.
fn commit_of(
    (raw, noted): (&Raw, bool),
    dir: &Path,
    stage: &str,
    change: impl Fn(&mut Tensors, &mut record::Dataset, &mut Option<String>),
) -> PathBuf {
    let begun =
        Begun { stage: stage.into(), seed: 1, config: Value::Null, inputs: vec![], fresh: true };
    let staging = Staging::open(&dir.join("d"), &begun).expect("opens");
    let mut record = store::describe(raw, &SPLIT).expect("fine");
    store::write(staging.folder(), raw, &record).expect("writes");
    let path = staging.folder().join(names::DATASET);
    let (mut named, written) = tensors::read(&path).expect("reads");
    let mut kept = written.filter(|_| noted);
    change(&mut named, &mut record, &mut kept);
    tensors::write(&path, &named, kept.as_deref()).expect("writes");
    let manifest = Manifest {
        format: manifest::FORMAT,
        stage: stage.into(),
        version: "0".into(),
        seed: 1,
        network: None,
        inputs: vec![],
        outputs: vec![],
        config: Value::Null,
        result: yaml::value(&record),
    };
    staging
        .commit(Finished { manifest, timings: &Timings::default() }, &[names::DATASET.into()])
        .expect("commits");
    dir.join("d")
}

fn good() -> Dataset {
    let dir = tempfile::tempdir().expect("a temporary folder");
    Dataset::open(&commit(dir.path(), "data-cifar", |_, _| ())).expect("opens")
}

fn refused(change: impl Fn(&mut Tensors, &mut record::Dataset), code: u8, expected: &str) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let error = Dataset::open(&commit(dir.path(), "data-cifar", change)).expect_err("refused");
    let text = error.to_string();
    assert!(text.contains(expected), "{text} lacks {expected}");
    assert_eq!(error.exit_code(), code, "{text}");
}

#[test]
fn parts_hold_every_image_once() {
    let (data, raw) = (good(), raw());
    assert_eq!([data.train.len(), data.validation.len(), data.test.len()], [30, 10, 10]);
    let mut seen: Vec<Vec<u8>> = [&data.train, &data.validation]
        .iter()
        .flat_map(|p| (0..p.len()).map(|i| [image(p, i), vec![p.label(i) as u8]].concat()))
        .collect();
    let pixels = bytes(40);
    let all = pixels.chunks(48).zip(&raw.train.labels);
    let mut all: Vec<Vec<u8>> =
        all.map(|(image, label)| [image, &[*label as u8]].concat()).collect();
    seen.sort();
    all.sort();
    assert_eq!(seen, all);
    assert_eq!(image(&data.test, 9), bytes(10)[9 * 48..]);
}

#[test]
fn training_images_are_normalised_to_mean_0_and_deviation_1() {
    let data = good();
    let all: Vec<usize> = (0..data.train.len()).collect();
    let normalise = Normalise::from(&data.info);
    let batch = batch(&data.train, &all, &plain(&normalise, 4)).expect("in memory");
    for c in 0..3 {
        let of_channel = |x: &[f32]| x[16 * c..16 * (c + 1)].to_vec();
        let values: Vec<f32> = batch.images.chunks(48).flat_map(of_channel).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let square = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
        assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-5, "{mean} {square}");
    }
}

#[test]
fn a_batch_depends_on_seed_epoch_and_index_alone() {
    let data = good();
    let normalise = Normalise::from(&data.info);
    let augment = Augment { padding: 1, flip: true, cutout: 2, erasing: 0.5 };
    let take = |indices: &[usize], seed, epoch| {
        let augmented = Some(Augmented { augment, seed, epoch });
        let view = View { augmented, ..plain(&normalise, 4) };
        batch(&data.train, indices, &view).expect("in memory")
    };
    let indices = order(1, 0, 30);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| take(&indices, 1, 0))
    };
    assert_eq!(on(1), on(2));
    let alone = take(&indices[7..8], 1, 0);
    assert_eq!(alone.images[..], on(1).images[7 * 48..8 * 48]);
    assert_ne!(take(&indices, 1, 1), on(1));
    assert_ne!(take(&indices, 2, 0), on(1));
    assert_ne!(order(1, 1, 30), indices);
}

#[test]
fn what_does_not_fit_the_manifest_is_refused() {
    let set = |t: &mut Tensors, name: &str, tensor| drop(t.insert(name.into(), tensor));
    refused(|t, _| set(t, "extra", Tensor::u8(&[1], vec![0])), 5, "tensor extra is surplus");
    refused(|t, _| drop(t.remove("test.labels")), 5, "tensor test.labels is missing");
    refused(
        |t, _| set(t, "test.labels", Tensor::u8(&[2, 5], vec![0; 10])),
        5,
        "test.labels has shape [2, 5]; expected [10]",
    );
    refused(
        |t, _| set(t, "test.labels", Tensor::f32(&[10], vec![0.0; 10])),
        5,
        "is neither U8 nor U16",
    );
    refused(
        |t, _| set(t, "test.images", Tensor::u8(&[10, 3, 2, 8], vec![0; 480])),
        5,
        "test.images has shape [10, 3, 2, 8]; expected [10, 3, 4, 4]",
    );
    refused(
        |t, _| set(t, "test.labels", Tensor::u8(&[10], vec![2; 10])),
        5,
        "test.labels: image 0 has label 2; expected below 2",
    );
    refused(|t, _| set(t, "test.labels", Tensor::u8(&[10], vec![1; 10])), 5, "the manifest says");
    refused(|_, r| r.images.test = 9, 5, "images");
    refused(|_, r| r.images.train = 29, 5, "images");
    refused(|_, r| r.std[1] = 0.0, 3, "deviations above 0");
    refused(|_, r| r.std[1] = 2.0, 3, "and at most 1");
    refused(|_, r| r.mean[0] = 5.0, 3, "means from 0 to 1");
    refused(|_, r| r.mean[0] = f64::NAN, 3, "means from 0 to 1");
    refused(|_, r| r.mean.truncate(2), 3, "one number for each of 3 channels");
    refused(|_, r| r.classes[1] = "a".into(), 3, "class 1 is named");
    refused(|_, r| r.validation = 1.5, 3, "validation 1.5");
}

#[test]
fn other_artifacts_and_changed_files_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let open = |folder: &Path| Dataset::open(folder).expect_err("refused");
    assert_eq!(open(&dir.path().join("none")).exit_code(), 4);
    let other = commit(dir.path(), "trainer", |_, _| ());
    assert!(open(&other).to_string().contains("made by trainer; expected a dataset"));
    let folder = commit(dir.path(), "data-cifar", |_, _| ());
    let path = folder.join(names::DATASET);
    let mut bytes = file::read(&path).expect("reads");
    *bytes.last_mut().expect("not empty") ^= 1;
    file::write(&path, &bytes).expect("writes");
    assert_eq!(open(&folder).exit_code(), 5);
}

#[test]
fn sets_that_cannot_be_trained_on_are_not_described() {
    let check = |change: fn(&mut Raw), expected: &str| {
        let mut raw = raw();
        change(&mut raw);
        let error = store::describe(&raw, &SPLIT);
        let text = error.expect_err("refused").to_string();
        assert!(text.contains(expected), "{text} lacks {expected}");
    };
    check(|r| r.test = Images::default(), "no test images");
    check(|r| r.train.pixels = vec![7; 40 * 48].into(), "channel 0 has the same value");
    check(|r| r.train.labels.truncate(1), "leaves a part empty");
}

#[test]
fn other_sizes_are_resized_after_the_crop() {
    let data = good();
    let normalise = Normalise::from(&data.info);
    let augment = Augment { padding: 1, flip: true, cutout: 0, erasing: 0.0 };
    let take = |side| {
        let augmented = Some(Augmented { augment, seed: 1, epoch: 0 });
        let view = View { augmented, ..plain(&normalise, side) };
        batch(&data.train, &[3, 4], &view).expect("in memory")
    };
    let (small, large) = (take(4), take(8));
    assert_eq!((large.shape, large.images.len()), (ImageShape::square(8), 4 * small.images.len()));
    // A mean of four neighbours in the large image is near a weighted mean around the small pixel.
    let mean = |all: &[f32]| all.iter().sum::<f32>() / all.len() as f32;
    let (a, b) = (mean(&small.images), mean(&large.images));
    assert!((a - b).abs() < 0.02, "{a} {b}");
    assert_eq!(take(8), large);
}

#[test]
fn imagenets_constants_on_request() {
    let split = Split { normaliser: Normaliser::ImageNet, ..SPLIT };
    let record = store::describe(&raw(), &split).expect("fine");
    assert_eq!((record.mean[0], record.std[2]), (0.485, 0.225));
}

#[test]
fn a_record_that_was_edited_is_noticed() {
    let changed = |change: fn(&mut record::Dataset)| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let edit = |_: &mut Tensors, r: &mut record::Dataset, _: &mut Option<String>| change(r);
        Dataset::open(&commit_of((&raw(), true), dir.path(), "data-cifar", edit))
    };
    assert!(changed(|_| ()).is_ok());
    let refused = |change, expected: &str| {
        let error = changed(change).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error} lacks {expected}");
        assert_eq!(error.exit_code(), 5);
    };
    refused(|r| r.mean[0] = 0.5, "were written with mean [");
    refused(|r| r.std[2] = 0.5, "were written with std [");
    refused(
        |r| r.classes.swap(0, 1),
        "were written with classes [\"a\",\"b\"]; the manifest says [\"b\"",
    );
    refused(|r| r.split_seed = 4, "were written with split_seed 3; the manifest says 4");
    refused(|r| r.validation = 0.5, "were written with validation 0.25");
}

/// `raw()` with its first five test images as a validation part, and `test` images left for testing.
fn with_validation(test: usize) -> Raw {
    let mut raw = raw();
    let of = |n: usize| Images { pixels: bytes(n).into(), labels: raw.test.labels[..n].to_vec() };
    (raw.validation, raw.test) = (Some(of(5)), of(test));
    raw
}

fn opened(raw: &Raw) -> Dataset {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = commit_of((raw, true), dir.path(), "data-cifar", |_, _, _| ());
    Dataset::open(&folder).expect("opens")
}

#[test]
fn a_validation_part_of_its_own_validates_and_all_else_trains() {
    let data = opened(&with_validation(3));
    assert_eq!([data.train.len(), data.validation.len(), data.test.len()], [40, 5, 3]);
    assert_eq!(image(&data.validation, 4), bytes(5)[4 * 48..]);
    assert!(data.has_test() && data.info.validation == 0.0);
    let counts: Vec<_> = data.info.counts.iter().map(|c| (c.train, c.test)).collect();
    assert_eq!(counts, [(23, 2), (22, 1)]);
}

#[test]
fn without_test_images_the_validation_images_are_scored() {
    let data = opened(&with_validation(0));
    assert_eq!([data.train.len(), data.validation.len(), data.test.len()], [40, 5, 5]);
    assert!(!data.has_test() && data.info.images.test == 0);
    assert!(data.test.shares_pixels(&data.validation));
}

#[test]
fn labels_of_more_than_256_classes_have_16_bits() {
    let mut many = raw();
    many.classes = (0..300).map(|i| format!("c{i}")).collect();
    many.train.labels[7] = 299;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = commit_of((&many, true), dir.path(), "data-cifar", |_, _, _| ());
    let (tensors, _) = tensors::read(&folder.join(names::DATASET)).expect("reads");
    assert_eq!(tensors["train.labels"], Tensor::u16(&[40], many.train.labels.clone()));
    let data = Dataset::open(&folder).expect("opens");
    let labels = |part: &Part| (0..part.len()).map(|i| part.label(i)).max();
    assert_eq!(labels(&data.train).max(labels(&data.validation)), Some(299));
    let same = commit(dir.path(), "data-cifar", |_, _| ());
    let (tensors, _) = tensors::read(&same.join(names::DATASET)).expect("reads");
    assert!(tensors["train.labels"].as_u8().is_some(), "few classes keep their bytes");
}

#[test]
fn images_of_any_channels_height_and_width_are_opened_and_resized() {
    let shape = ImageShape { channels: 2, height: 3, width: 8 };
    let raw = Raw { shape, ..raw() };
    let data = opened(&raw);
    assert_eq!((data.info.shape, data.info.mean.len()), (shape, 2));
    assert_eq!(image(&data.test, 9), bytes(10)[9 * 48..]);
    let (normalise, size) = (Normalise::from(&data.info), Size { height: 6, width: 4 });
    let view = View { size, ..plain(&normalise, 1) };
    let batch = batch(&data.test, &[0, 1], &view).expect("in memory");
    assert_eq!(batch.shape, ImageShape { channels: 2, height: 6, width: 4 });
    assert_eq!(batch.images.len(), 2 * 2 * 24);
}

#[test]
fn images_kept_in_their_file_are_the_same() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = commit_of((&with_validation(3), true), dir.path(), "data-cifar", |_, _, _| ());
    let [memory, file] = [Keep::Memory, Keep::File].map(|keep| {
        let data = Dataset::open_kept(&folder, keep).expect("opens");
        let normalise = Normalise::from(&data.info);
        let augment = Augment { padding: 1, flip: true, cutout: 1, erasing: 0.5 };
        let augmented = Some(Augmented { augment, seed: 1, epoch: 2 });
        let view = View { augmented, ..plain(&normalise, 6) };
        let of = |part: &Part| {
            let all: Vec<usize> = (0..part.len()).rev().collect();
            batch(part, &all, &view).expect("reads")
        };
        [of(&data.train), of(&data.validation), of(&data.test)]
    });
    assert_eq!(memory, file);
}

#[test]
fn imagenets_constants_are_for_three_channels() {
    let split = Split { normaliser: Normaliser::ImageNet, ..SPLIT };
    let raw = Raw { shape: ImageShape { channels: 1, height: 6, width: 8 }, ..raw() };
    let error = store::describe(&raw, &split).expect_err("refused").to_string();
    assert!(error.contains("--normalise imagenet: has constants of three channels"), "{error}");
}
