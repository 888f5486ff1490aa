//! What a source holds beside the images that are taken.

use artifact::record::PassedOver;

use artifact::printable;

/// Why something is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// A name that begins with a dot, or what macOS puts beside files in archives.
    HiddenFile,
    /// Likewise a folder, which is not looked into.
    HiddenFolder,
    /// A file in a place for pictures whose name has none of their endings.
    NotPicture,
    /// A picture that lies in no class.
    NoClass,
    /// Any other file.
    OtherFile,
    /// Any other folder; it is not looked into.
    OtherFolder,
    /// A class folder beside the training part in which there is no picture.
    EmptyFolder,
    /// A compressed file whose content lies beside it.
    Compressed,
    /// A link to a folder above itself.
    Circle,
    /// A pipe, a socket or a device.
    Special,
}

impl Why {
    /// In words, of several.
    fn words(self) -> &'static str {
        match self {
            Self::HiddenFile => "hidden files",
            Self::HiddenFolder => "hidden folders",
            Self::NotPicture => "files that are not pictures",
            Self::NoClass => "pictures outside of a class folder",
            Self::OtherFile => "other files",
            Self::OtherFolder => "other folders",
            Self::EmptyFolder => "class folders without pictures",
            Self::Compressed => "compressed files whose content lies beside them",
            Self::Circle => "links to a folder above them",
            Self::Special => "pipes, sockets or devices",
        }
    }
}

/// Counts `all`, (reason, path) each; of each reason the first path in order is the example.
pub(crate) fn count(mut all: Vec<(Why, String)>) -> Vec<PassedOver> {
    all.sort();
    let kind = |of: &[(Why, String)]| PassedOver {
        kind: of[0].0.words().to_owned(),
        count: of.len(),
        example: printable(&of[0].1),
    };
    all.chunk_by(|a, b| a.0 == b.0).map(kind).collect()
}

/// One line for people: `passed over: 3 hidden files (such as train/.DS_Store), ...`; none where all
/// was taken.
pub fn told(passed: &[PassedOver]) -> Option<String> {
    let kind = |p: &PassedOver| match p.count {
        1 => format!("{}: 1 ({})", p.kind, p.example),
        n => format!("{}: {n} (such as {})", p.kind, p.example),
    };
    let kinds: Vec<String> = passed.iter().map(kind).collect();
    (!kinds.is_empty()).then(|| format!("passed over: {}", kinds.join("; ")))
}

/// Whether `name`, of a file or a folder, is hidden.
pub(crate) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// Whether `name` has an ending of those that torchvision's `ImageFolder` takes, or a JPEG's other one
/// (`.jfif`), in any case. Not all of these formats can be read; one that cannot is refused rather than
/// left out.
pub(crate) fn is_picture(name: &str) -> bool {
    const ENDINGS: [&str; 10] =
        ["jpg", "jpeg", "jfif", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"];
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_and_has_an_example() {
        let all = [(Why::NotPicture, "b.txt"), (Why::HiddenFile, ".z"), (Why::NotPicture, "a\n")];
        let counted = count(all.map(|(why, path)| (why, path.to_owned())).to_vec());
        let expected = "passed over: hidden files: 1 (.z); files that are not pictures: 2 (such as \
                        a\\n)";
        assert_eq!(told(&counted).expect("two kinds"), expected);
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn endings_are_image_folders() {
        for name in ["a.PNG", "a.b.jpeg", "x.webp", "x.tif", "x.JFIF"] {
            assert!(is_picture(name), "{name}");
        }
        for name in ["png", "a.gif", "a.png.txt", "a."] {
            assert!(!is_picture(name), "{name}");
        }
        assert!(is_hidden(".x") && is_hidden("__MACOSX") && !is_hidden("x."));
    }
}
