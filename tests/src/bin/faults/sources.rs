//! What stages read that no stage of ours makes: an archive of pictures, a `state_dict`.

use std::io::Write as _;
use std::path::Path;

use artifact::{file, tensors};
use flate2::write::GzEncoder;
use image::{DynamicImage, ImageFormat, RgbImage};

use self::writer::{Item, dict, storage, tensor};

#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "pytorch's tests use more of it"
)]
#[path = "../../../../crates/pytorch/tests/suite/writer.rs"]
mod writer;

/// A picture of 32 x 32 in `format`, another for each `number`.
pub fn picture(number: u32, format: ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| {
        image::Rgb([(x * 8 + number) as u8, (y * 8) as u8, (number * 29 + x * y) as u8])
    };
    let image = DynamicImage::from(RgbImage::from_fn(32, 32, pixel));
    let mut bytes = std::io::Cursor::new(vec![]);
    image.write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

/// A tar of an image folder: two classes, some pictures of each in train and test.
pub fn photos() -> Vec<u8> {
    let mut tar = tar::Builder::new(vec![]);
    for (part, count) in [("train", 8), ("test", 3)] {
        for (class, first) in [("cat", 0), ("dog", 100)] {
            for i in 0..count {
                let format = if i % 2 == 0 { ImageFormat::Png } else { ImageFormat::Jpeg };
                let ending = if i % 2 == 0 { "png" } else { "jpg" };
                let bytes = picture(first + i, format);
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                let name = format!("photos/{part}/{class}/{i}.{ending}");
                tar.append_data(&mut header, name, bytes.as_slice()).expect("appends");
            }
        }
    }
    tar.into_inner().expect("ends")
}

/// `bytes` as gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(vec![], flate2::Compression::fast());
    gz.write_all(bytes).expect("encodes");
    gz.finish().expect("ends")
}

/// The weights of the checkpoint in `folder` as `torch.save` writes them: today's zip, and of old.
pub fn saved_by_torch(folder: &Path) -> [Vec<u8>; 2] {
    let (all, _) = tensors::read(&folder.join("model.safetensors")).expect("a checkpoint");
    let value = |i: usize, t: &tensors::Tensor| {
        let count: usize = t.shape.iter().product();
        let mut stride: Vec<usize> = t
            .shape
            .iter()
            .rev()
            .scan(1, |n, s| {
                let own = *n;
                *n *= s;
                Some(own)
            })
            .collect();
        stride.reverse();
        tensor(storage("FloatStorage", &i.to_string(), count), 0, &t.shape, &stride)
    };
    let named: Vec<(&str, Item)> =
        all.iter().enumerate().map(|(i, (name, t))| (name.as_str(), value(i, t))).collect();
    let bytes = |t: &tensors::Tensor| writer::bytes(t.as_f32().expect("weights are f32"));
    let keys: Vec<String> = (0..all.len()).map(|i| i.to_string()).collect();
    let storages: Vec<(&str, Vec<u8>)> =
        keys.iter().zip(all.values()).map(|(k, t)| (k.as_str(), bytes(t))).collect();
    let of_old: Vec<(&str, u64, Vec<u8>)> =
        storages.iter().map(|(k, b)| (*k, (b.len() / 4) as u64, b.clone())).collect();
    [writer::zipped(&dict(&named), &storages), writer::legacy(&dict(&named), &of_old)]
}

/// Images and labels as IDX files (`LeCun`'s), by name.
pub fn idx() -> Vec<(&'static str, Vec<u8>)> {
    let head = |kind: u8, sizes: &[u32]| {
        let mut bytes = vec![0, 0, 8, kind];
        bytes.extend(sizes.iter().flat_map(|n| n.to_be_bytes()));
        bytes
    };
    let images = |n: u32| {
        let mut bytes = head(3, &[n, 28, 28]);
        bytes.extend((0..n * 784).map(|i| (i * 7 % 251) as u8));
        bytes
    };
    let labels = |n: u32| {
        let mut bytes = head(1, &[n]);
        bytes.extend((0..n).map(|i| (i % 10) as u8));
        bytes
    };
    vec![
        ("train-images-idx3-ubyte", images(40)),
        ("train-labels-idx1-ubyte", labels(40)),
        ("t10k-images-idx3-ubyte", images(20)),
        ("t10k-labels-idx1-ubyte", labels(20)),
    ]
}

/// Puts all of it into `folder`, where a checkpoint `dense` stands.
pub fn write(folder: &Path) {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        file::make_folder(path.parent().expect("below the folder")).expect("makes the folder");
        file::write(&path, bytes).expect("writes");
    };
    let (tar, [zip, legacy]) = (photos(), saved_by_torch(&folder.join("dense")));
    put("photos.tar.gz", &gzip(&tar));
    put("photos.tar", &tar);
    put("weights.pth", &zip);
    put("legacy.pth", &legacy);
    for (name, bytes) in idx() {
        put(&format!("idx/{name}"), &bytes);
    }
    let pictures = [("picture.png", ImageFormat::Png), ("picture.jpg", ImageFormat::Jpeg)];
    for (name, format) in pictures {
        put(name, &picture(1, format));
    }
    put("plan.yaml", b"layers:\n  backbone.conv0.weight: 0.5\n  classifier.weight: 0.25\n");
    put(
        "mine.net",
        b"secateur-graph 1\nimage = input channels=3 height=32 width=32\n\
          conv1 = conv(image) outputs=8 kernel=3 padding=1 bias=false\nbn1 = batch-norm(conv1)\n\
          relu = relu(bn1)\naverage = adaptive-average(relu)\nfc = linear(average) outputs=10\n",
    );
    put(
        "recipe.yaml",
        b"about: a recipe\ntrainer:\n  network: vgg-lab@0.0625\n  epochs: 2\n  batch: 32\n",
    );
}
