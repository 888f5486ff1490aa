//! A dataset artifact as stages see it: opened, split, batched; refused where anything is off.

use std::path::{Path, PathBuf};

use artifact::manifest::{self, Manifest};
use artifact::record;
use artifact::tensors::{self, Tensor, Tensors};
use artifact::yaml::{self, Value};
use artifact::{Begun, Finished, Staging, Timings, file, names};
use cifar::store::{self, Normaliser, Split};
use cifar::{Augment, Dataset, Images, Normalise, Raw, batch, order};

const SPLIT: Split = Split { validation: 0.25, seed: 3, normaliser: Normaliser::Measured };

/// Forty 4 x 4 training images and ten test images of two classes.
fn raw() -> Raw {
    let images = |n: usize| Images {
        pixels: (0..n * 48).map(|i| (i * 37 % 251) as u8).collect(),
        labels: (0..n).map(|i| (i % 2) as u8).collect(),
    };
    let classes = vec!["a".into(), "b".into()];
    Raw { source: "binary", classes, side: 4, train: images(40), test: images(10) }
}

/// Commits `raw` under `dir` after its tensors and its record were changed.
fn commit(dir: &Path, stage: &str, change: impl Fn(&mut Tensors, &mut record::Dataset)) -> PathBuf {
    let begun =
        Begun { stage: stage.into(), seed: 1, config: Value::Null, inputs: vec![], fresh: true };
    let staging = Staging::open(&dir.join("d"), &begun).expect("opens");
    let mut record = store::describe(&raw(), &SPLIT).expect("fine");
    store::write(staging.folder(), raw()).expect("writes");
    let path = staging.folder().join(names::DATASET);
    let (mut named, _) = tensors::read(&path).expect("reads");
    change(&mut named, &mut record);
    tensors::write(&path, &named, None).expect("writes");
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
        .flat_map(|p| (0..p.len()).map(|i| [p.image(i), &[p.label(i)]].concat()))
        .collect();
    let all = raw.train.pixels.chunks(48).zip(&raw.train.labels);
    let mut all: Vec<Vec<u8>> = all.map(|(image, label)| [image, &[*label]].concat()).collect();
    seen.sort();
    all.sort();
    assert_eq!(seen, all);
    assert_eq!(data.test.image(9), &raw.test.pixels[9 * 48..]);
}

#[test]
fn training_images_are_normalised_to_mean_0_and_deviation_1() {
    let data = good();
    let all: Vec<usize> = (0..data.train.len()).collect();
    let batch = batch(&data.train, &all, (&Normalise::from(&data.info), data.info.side), None);
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
    let (normalise, side) = (Normalise::from(&data.info), data.info.side);
    let augment = Augment { padding: 1, flip: true, cutout: 2, erasing: 0.5 };
    let take = |indices: &[usize], seed, epoch| {
        batch(&data.train, indices, (&normalise, side), Some((&augment, seed, epoch)))
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
    refused(|t, _| set(t, "test.labels", Tensor::f32(&[10], vec![0.0; 10])), 5, "is not U8");
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
    refused(|_, r| r.std[1] = 0.0, 3, "std above 0");
    refused(|_, r| r.mean.truncate(2), 3, "three finite numbers");
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
    check(|r| r.train.pixels.fill(7), "channel 0 has the same value");
    check(|r| r.train.labels.truncate(1), "leaves a part empty");
}

#[test]
fn other_sizes_are_resized_after_the_crop() {
    let data = good();
    let normalise = Normalise::from(&data.info);
    let augment = Augment { padding: 1, flip: true, cutout: 0, erasing: 0.0 };
    let take = |side| batch(&data.train, &[3, 4], (&normalise, side), Some((&augment, 1, 0)));
    let (small, large) = (take(data.info.side), take(2 * data.info.side));
    assert_eq!((large.side, large.images.len()), (2 * small.side, 4 * small.images.len()));
    // A mean of four neighbours in the large image is near a weighted mean around the small pixel.
    let mean = |all: &[f32]| all.iter().sum::<f32>() / all.len() as f32;
    let (a, b) = (mean(&small.images), mean(&large.images));
    assert!((a - b).abs() < 0.02, "{a} {b}");
    assert_eq!(take(2 * data.info.side), large);
}

#[test]
fn imagenets_constants_on_request() {
    let split = Split { normaliser: Normaliser::ImageNet, ..SPLIT };
    let record = store::describe(&raw(), &split).expect("fine");
    assert_eq!((record.mean[0], record.std[2]), (0.485, 0.225));
}
