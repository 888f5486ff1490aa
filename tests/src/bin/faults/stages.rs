//! The stages under test, as a table.

/// A command that makes one artifact (or one file).
pub struct Stage {
    /// In the table of results.
    pub name: &'static str,
    /// The command without `--out`.
    pub line: &'static str,
    /// What it makes.
    pub out: &'static str,
    /// Flags that make another artifact at the same place, which `--fresh` then replaces.
    pub other: &'static str,
}

/// Makes what the stages read, in order.
pub const INPUTS: [&str; 8] = [
    "data-cifar synth --train 100 --test 20 --out data",
    "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 1 --out dense",
    "pruner --checkpoint dense --sparsity 0.8 --out pruned",
    "finetuner --checkpoint pruned --data data --batch 32 --epochs 1 --out tuned",
    "scanner --checkpoint dense --data data --ratios 0.5 --recalibration-images 64 --out scan",
    "deployer pack tuned --out packed.safetensors",
    "deployer pack tuned --data data --values int8 --activations int8 --out integers.safetensors",
    "models export dense --out net.onnx",
];

/// Every stage that writes.
pub const STAGES: [Stage; 17] = [
    folder("data-cifar synth", "data-cifar synth --train 100 --test 20"),
    folder("data-cifar import", "data-cifar import photos.tar.gz"),
    folder("data-cifar import --side", "data-cifar import photos.tar.gz --side 24 --fit pad"),
    folder(
        "trainer",
        "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 3 --save-at 1epoch",
    ),
    folder(
        "trainer --prune",
        "trainer --data data --network vgg-lab@0.0625 --batch 32 --epochs 3 --prune rigl --sparsity 0.8 \
         --prune-every 2 --teacher dense",
    ),
    folder("scanner scores", "scanner scores --checkpoint dense --data data --score taylor"),
    folder(
        "scanner",
        "scanner --checkpoint dense --data data --ratios 0.5,0.9 --recalibration-images 64",
    ),
    folder("pruner", "pruner --checkpoint dense --sparsity 0.8"),
    folder("finetuner", "finetuner --checkpoint pruned --data data --batch 32 --epochs 3"),
    folder(
        "finetuner --quantise",
        "finetuner --checkpoint pruned --data data --batch 32 --epochs 3 --quantise",
    ),
    Stage {
        name: "deployer pack",
        line: "deployer pack tuned",
        out: "out.safetensors",
        other: "--values f16",
    },
    Stage {
        name: "deployer pack, integers",
        line: "deployer pack tuned --data data --values int8 --activations int8",
        out: "out.safetensors",
        other: "--ranges percentile",
    },
    folder(
        "deployer deploy",
        "deployer deploy --checkpoint tuned --data data --batch 1 --repeat 1",
    ),
    folder("reporter", "reporter tuned scan"),
    folder("models import", "models import weights.pth --network vgg-lab@0.0625"),
    folder("models import, ONNX", "models import net.onnx"),
    Stage {
        name: "models predict",
        line: "models predict dense --data data",
        out: "out.safetensors",
        other: "--part train",
    },
];

const fn folder(name: &'static str, line: &'static str) -> Stage {
    Stage { name, line, out: "out", other: "--seed 7" }
}

impl Stage {
    /// Whether it makes a single file instead of an artifact's folder.
    pub fn makes_a_file(&self) -> bool {
        self.out != "out"
    }
}
