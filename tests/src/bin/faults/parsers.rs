//! Parsers under mutated inputs, each through the command that reads with it.

use artifact::file;
use seed::stream;

use crate::damage::mutated;
use crate::judge::{Bench, Failure, check_end};

/// A parser.
pub struct Parser {
    /// In the table.
    pub name: &'static str,
    /// The file that is mutated.
    pub file: &'static str,
    /// A command that reads it and writes nothing.
    pub line: &'static str,
}

/// Mutated inputs a parser.
pub const INPUTS: u64 = 1000;

/// Every parser.
pub const PARSERS: [Parser; 15] = [
    parser(
        "manifest",
        "dense/manifest.yaml",
        "pruner --checkpoint dense --sparsity 0.5 --out x --dry-run",
    ),
    parser(
        "safetensors",
        "dense/model.safetensors",
        "models import dense/model.safetensors --network vgg-lab@0.0625 --out x --dry-run",
    ),
    parser("packed file", "packed.safetensors", "deployer inspect packed.safetensors"),
    parser(
        "packed file, integers",
        "integers.safetensors",
        "deployer predict integers.safetensors picture.png",
    ),
    parser("plan", "plan.yaml", "pruner size --network vgg-lab@0.0625 --plan plan.yaml"),
    parser("recipe", "recipe.yaml", "trainer --recipe recipe.yaml --data data --out x --dry-run"),
    parser(
        "PyTorch, zip",
        "weights.pth",
        "models import weights.pth --network vgg-lab@0.0625 --out x --dry-run",
    ),
    parser(
        "PyTorch, legacy",
        "legacy.pth",
        "models import legacy.pth --network vgg-lab@0.0625 --out x --dry-run",
    ),
    parser("ONNX", "net.onnx", "models import net.onnx --out x --dry-run"),
    parser("graph's text", "mine.net", "models summary mine.net"),
    parser("PNG", "picture.png", "deployer predict packed.safetensors picture.png"),
    parser("JPEG", "picture.jpg", "deployer predict packed.safetensors picture.jpg"),
    parser("tar", "photos.tar", "data-cifar import photos.tar --out x --dry-run"),
    parser("tar.gz", "photos.tar.gz", "data-cifar import photos.tar.gz --out x --dry-run"),
    parser("IDX", "idx/train-images-idx3-ubyte", "data-cifar import idx --out x --dry-run"),
];

const fn parser(name: &'static str, file: &'static str, line: &'static str) -> Parser {
    Parser { name, file, line }
}

impl Parser {
    /// The command.
    pub fn command(&self) -> String {
        format!("{} --threads 2 -q", self.line)
    }

    /// Whether it reads the file as it is.
    pub fn reads(&self, bench: &Bench) -> bool {
        bench.run(&self.command(), None).code == Some(0)
    }

    /// Reads the mutated input `number`, and judges.
    pub fn judge(&self, bench: &Bench, seed: u64, number: u64) -> Result<(), Failure> {
        let path = bench.desk.path(self.file);
        let whole = file::read(&path).expect("an input");
        let mut random = stream(seed, &format!("faults/{}", self.name), number);
        file::write(&path, &mutated(&whole, &mut random)).expect("writes");
        let end = bench.run(&self.command(), None);
        file::write(&path, &whole).expect("writes");
        // A recipe's keys are flags: clap refuses some of their values.
        check_end(&end, if self.name == "recipe" { &[2, 3, 4, 5, 6] } else { &[3, 4, 5, 6] })
    }
}
