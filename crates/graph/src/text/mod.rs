//! The text of a graph: the network's identity, in every checkpoint and packed file, and what a person
//! may write instead.
//!
//! ```text
//! secateur-graph 1
//! input = input channels=3 height=32 width=32
//! conv1 = conv(input) outputs=16 kernel=3 padding=1 bias=false
//! bn1 = batch-norm(conv1)
//! relu = relu(bn1)
//! average = adaptive-average(relu)
//! fc = linear(average) outputs=10
//! ```
//!
//! One line per node: its name, its operation with the nodes that it reads, its attributes. Attributes
//! that have their default are left out, so that adding one later does not change existing texts. `#`
//! starts a comment; empty lines are allowed. The canonical text, which digests cover, has neither.

mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use artifact::{Error, Result, nearest};

pub(crate) use fields::{Fields, Written};

use crate::op::KEYWORDS;
use crate::{Builder, Graph, Init, Node, Op, Shape};

/// The first line.
const HEADER: &str = "secateur-graph 1";
/// Before the version in it.
const MAGIC: &str = "secateur-graph ";
/// The longest text that is read.
const MOST_BYTES: usize = 16 << 20;

/// The canonical text.
pub(crate) fn print(init: Init, nodes: &[Node]) -> String {
    let mut text = format!("{HEADER}\n");
    if init != Init::default() {
        writeln!(text, "init{}", init.written().text()).expect("writing to a String cannot fail");
    }
    for node in nodes {
        let reads: Vec<&str> = node.inputs.iter().map(|&i| nodes[i].name.as_str()).collect();
        let (name, facts) = (&node.name, node.op.facts());
        let inputs =
            if reads.is_empty() { String::new() } else { format!("({})", reads.join(", ")) };
        let fields = if node.op == Op::Input { image(node.shape) } else { facts.fields() };
        writeln!(text, "{name} = {}{inputs}{}", facts.keyword(), fields.text())
            .expect("writing to a String cannot fail");
    }
    text
}

/// The sizes of the input.
fn image(shape: Shape) -> Written {
    Written::default().field("channels", shape.c).field("height", shape.h).field("width", shape.w)
}

impl Graph {
    /// The network of the text `text`, called `name`; `origin` says in errors where it stood.
    ///
    /// # Errors
    /// [`Error::Config`] with the line and its node where something does not fit.
    pub fn parse(text: &str, name: &str, origin: &str) -> Result<Self> {
        let bad = |what: String| Error::Config(format!("{origin}: {what}"));
        if text.len() > MOST_BYTES {
            return Err(bad(format!(
                "{} bytes; a graph's text has {MOST_BYTES} at most",
                text.len()
            )));
        }
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(i, line)| (i + 1, line.split('#').next().unwrap_or_default().trim()))
            .filter(|(_, line)| !line.is_empty());
        check_header(lines.next().map_or("", |(_, line)| line)).map_err(bad)?;
        let mut reader = Reader {
            name,
            init: Init::default(),
            has_init: false,
            builder: None,
            nodes: BTreeMap::new(),
        };
        for (number, line) in lines {
            reader.line(line).map_err(|what| bad(format!("line {number}: {what}")))?;
        }
        let builder =
            reader.builder.ok_or_else(|| bad("no nodes; expected an input first".into()))?;
        builder.init(reader.init).finish().map_err(|what| bad(what.to_string()))
    }
}

fn check_header(found: &str) -> std::result::Result<(), String> {
    if found == HEADER {
        return Ok(());
    }
    Err(match found.strip_prefix(MAGIC) {
        Some(version) => format!(
            "graph text of version {version}; this program reads version 1: use a newer one"
        ),
        None => format!("begins with {found:?}; the text of a graph begins with {HEADER:?}"),
    })
}

/// The nodes so far.
struct Reader<'a> {
    name: &'a str,
    init: Init,
    has_init: bool,
    builder: Option<Builder>,
    nodes: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) -> std::result::Result<(), String> {
        // A node may be called so too.
        let init = line.strip_prefix("init ").filter(|rest| !rest.trim_start().starts_with('='));
        if let Some(fields) = init {
            if std::mem::replace(&mut self.has_init, true) {
                return Err("init is given twice".into());
            }
            let mut fields = Fields::new(fields.split_whitespace())?;
            self.init = Init::read(&mut fields)?;
            return fields.finish();
        }
        let Some((name, what)) = line.split_once('=') else {
            return Err(format!("{line:?}; expected NAME = OPERATION(INPUTS) ATTRIBUTES"));
        };
        let (name, what) = (name.trim(), what.trim());
        self.node(name, what).map_err(|e| format!("node {name}: {e}"))
    }

    fn node(&mut self, name: &str, what: &str) -> std::result::Result<(), String> {
        let (keyword, reads, attributes) = parts(what)?;
        let mut fields = Fields::new(attributes.split_whitespace())?;
        let Some(builder) = &mut self.builder else {
            if keyword != "input" {
                return Err(format!("{keyword} is the first operation; expected input"));
            }
            let (c, h) = (fields.needed("channels")?, fields.needed("height")?);
            let shape = Shape::new(c, h, fields.needed("width")?);
            fields.finish()?;
            let builder = Builder::named(self.name, name, shape).map_err(|e| e.to_string())?;
            self.builder = Some(builder);
            self.nodes.insert(name.to_owned(), 0);
            return Ok(());
        };
        let inputs = reads.iter().map(|read| {
            let known = self.nodes.get(*read).copied();
            known.ok_or_else(|| {
                let hint = nearest::hint(read, self.nodes.keys().map(String::as_str));
                format!("reads {read}, which no line above has{hint}")
            })
        });
        let inputs: Vec<usize> = inputs.collect::<std::result::Result<_, _>>()?;
        let shapes: Vec<Shape> = inputs.iter().map(|&i| builder.shape(i)).collect();
        let op = Op::read(keyword, &mut fields, &shapes)?;
        let op = op.ok_or_else(|| {
            let hint = nearest::hint(keyword, KEYWORDS);
            format!("operation {keyword} is unknown{hint}; known are {}", KEYWORDS.join(", "))
        })?;
        fields.finish()?;
        let node = builder.add(name, op, &inputs)?;
        self.nodes.insert(name.to_owned(), node);
        Ok(())
    }
}

/// `OPERATION(A, B) ATTRIBUTES` in its parts.
fn parts(what: &str) -> std::result::Result<(&str, Vec<&str>, &str), String> {
    let end = what.find(|c: char| c == '(' || c.is_whitespace()).unwrap_or(what.len());
    let (keyword, rest) = what.split_at(end);
    let rest = rest.trim_start();
    let Some(rest) = rest.strip_prefix('(') else { return Ok((keyword, vec![], rest)) };
    let Some((reads, attributes)) = rest.split_once(')') else {
        return Err("the list of inputs has no end; expected )".into());
    };
    let reads: Vec<&str> = reads.split(',').map(str::trim).collect();
    Ok((keyword, reads, attributes))
}
