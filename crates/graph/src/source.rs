//! Networks as people name them: one of the zoo, or a file with a graph's text.

use std::path::Path;

use artifact::{Error, Result, file};

use crate::{Graph, Shape, Spec, usual_side, zoo};

/// What the name of a file with a graph's text ends in.
pub const ENDING: &str = ".net";

/// Classes of a network of the zoo where nothing says how many.
const USUAL_CLASSES: usize = 10;

/// Whether `network` names a file with a graph's text; else it is a name of the zoo.
pub fn is_file(network: &str) -> bool {
    network.ends_with(ENDING)
}

/// The network `network`: `NAME` or `NAME@WIDTH` of the zoo, for so many classes (10 where that is not
/// given) and images of this shape (those that it is published for), or the file of a graph's text,
/// whose classes and images must be these where they are given.
///
/// # Errors
/// As [`Graph::build`] and [`Graph::parse`]; [`Error::Missing`] where there is no such file.
pub fn open(network: &str, classes: Option<usize>, images: Option<Shape>) -> Result<Graph> {
    if !is_file(network) {
        let spec = Spec::parse(network)?;
        let images = images.unwrap_or_else(|| usual_side(&spec.name).into());
        return zoo::build(network, classes.unwrap_or(USUAL_CLASSES), images);
    }
    let path = Path::new(network);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let graph = Graph::parse(&file::read_text(path)?, &name, network)?;
    let bad = |what: String| Err(Error::Config(format!("{network}: {what}")));
    if let Some(classes) = classes.filter(|n| *n != graph.classes()) {
        let last = &graph.nodes()[graph.nodes().len() - 1].name;
        let found = graph.classes();
        return bad(format!("node {last} gives {found} logits; expected {classes}, one per class"));
    }
    if let Some(images) = images.filter(|shape| *shape != graph.images()) {
        return bad(format!("its images are {}; expected {images}", graph.images()));
    }
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_network_that_it_says() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("mine.net");
        let text = "secateur-graph 1\nx = input channels=1 height=4 width=6\n\
                    y = adaptive-average(x)\nz = linear(y) outputs=3\n";
        file::write(&path, text.as_bytes()).expect("writes");
        let network = path.to_str().expect("text");
        let graph = open(network, Some(3), Some(Shape::new(1, 4, 6))).expect("fits");
        assert_eq!((graph.name(), graph.to_string().as_str()), ("mine", text));
        let check = |classes, images, expected: &str| {
            let error = open(network, classes, images).expect_err("does not fit").to_string();
            assert!(error.contains(expected), "{error} lacks {expected}");
        };
        check(Some(10), None, "node z gives 3 logits; expected 10, one per class");
        check(None, Some(Shape::from(32)), "its images are 1x4x6; expected 3x32x32");
        let missing = open("nowhere/mine.net", None, None).expect_err("no such file");
        assert_eq!(missing.exit_code(), 4);
    }

    #[test]
    fn the_zoo_has_usual_classes_and_images() {
        let graph = open("efficientnet-b0@0.5", None, None).expect("in the zoo");
        assert_eq!((graph.classes(), graph.images()), (10, Shape::from(224)));
        assert!(open("efficientnet-b9", None, None).is_err());
    }
}
