//! The stack machine: what each opcode does to stack, memo and nodes. None has an effect outside.

use std::collections::BTreeMap;

use super::input::Input;
use super::literal::{Literal, literal};
use super::opcode as op;
use super::value::{Global, How, Made, Node, Pickle, Value};

/// Steps that a pickle may take; each makes one node at most, so this bounds the memory too. The
/// `state_dict` of a network takes some forty steps a tensor, CIFAR-100's training file 300,000.
const MOST_STEPS: usize = 1 << 23;

/// Reads the pickle at the front of `bytes`; others may follow it.
///
/// # Errors
/// In words, with the place, where it is no whole pickle or one that needs more than its bytes.
pub fn read(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let mut machine = Machine {
        input: Input::new(bytes),
        stack: vec![],
        marks: vec![],
        memo: BTreeMap::new(),
        nodes: vec![],
    };
    for _ in 0..MOST_STEPS {
        let at = machine.input.at;
        let place = |e: String| format!("byte {at} of the pickle: {e}");
        let code = machine.input.byte().map_err(place)?;
        if code == op::STOP {
            let top = machine.pop().map_err(place)?;
            return Ok(Pickle { nodes: machine.nodes, top, length: machine.input.at });
        }
        machine.step(code).map_err(place)?;
    }
    Err(format!("a pickle of more than {MOST_STEPS} steps, which is too large"))
}

/// As [`read`], where `bytes` hold the one pickle and nothing else.
///
/// # Errors
/// As [`read`], and where bytes follow its end.
pub fn read_whole(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let pickle = read(bytes)?;
    match bytes.len() - pickle.length {
        0 => Ok(pickle),
        more => Err(format!("{more} bytes follow the end of the pickle")),
    }
}

struct Machine<'a> {
    input: Input<'a>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack that `MARK` noted.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Value<'a>>,
    nodes: Vec<Node<'a>>,
}

type Done<T = ()> = Result<T, String>;

impl<'a> Machine<'a> {
    fn step(&mut self, code: u8) -> Done {
        match code {
            op::PROTO => self.protocol(),
            op::FRAME => self.frame(),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP if self.marks.last() == Some(&self.stack.len()) => {
                self.take_to_mark().map(drop)
            }
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.take_to_mark().map(drop),
            op::PUT | op::BINPUT | op::LONG_BINPUT => {
                self.memo_index(code).and_then(|i| self.keep(i))
            }
            op::MEMOIZE => self.keep(self.memo.len() as u64),
            op::APPEND | op::APPENDS | op::ADDITEMS => self.append(code == op::APPEND),
            op::SETITEM | op::SETITEMS => self.set_entries(code == op::SETITEM),
            op::BUILD => self.build(),
            _ => {
                let value = self.value(code)?;
                self.stack.push(value);
                Ok(())
            }
        }
    }

    /// What `code` pushes.
    fn value(&mut self, code: u8) -> Done<Value<'a>> {
        match literal(code, &mut self.input)? {
            Some(Literal::Value(value)) => return Ok(value),
            Some(Literal::Node(node)) => return Ok(self.add(node)),
            None => {}
        }
        match code {
            op::DUP => self.peek(),
            op::GET | op::BINGET | op::LONG_BINGET => {
                self.memo_index(code).and_then(|i| self.recall(i))
            }
            op::EMPTY_DICT => Ok(self.add(Node::Dict(vec![]))),
            op::EMPTY_LIST => Ok(self.add(Node::List(vec![]))),
            op::EMPTY_SET => Ok(self.add(Node::Set(vec![]))),
            op::EMPTY_TUPLE => self.tuple(0),
            op::TUPLE1..=op::TUPLE3 => self.tuple(usize::from(code - op::TUPLE1) + 1),
            op::TUPLE => self.take_to_mark().map(|all| self.add(Node::Tuple(all))),
            op::LIST => self.take_to_mark().map(|all| self.add(Node::List(all))),
            op::FROZENSET => self.take_to_mark().map(|all| self.add(Node::Set(all))),
            op::DICT => {
                let all = pairs(&self.take_to_mark()?)?;
                Ok(self.add(Node::Dict(all)))
            }
            op::GLOBAL => self.global(),
            op::STACK_GLOBAL => self.stack_global(),
            op::REDUCE => self.call(),
            op::NEWOBJ | op::NEWOBJ_EX => self.object(code == op::NEWOBJ_EX),
            op::INST | op::OBJ => self.instance(code == op::INST),
            op::BINPERSID => self.pop().map(|id| self.add(Node::Persistent(id))),
            op::PERSID => {
                let id = self.input.text_line()?;
                Ok(self.add(Node::Persistent(Value::Text(id))))
            }
            _ => Err(refused(code)),
        }
    }

    fn add(&mut self, node: Node<'a>) -> Value<'a> {
        self.nodes.push(node);
        Value::Node(self.nodes.len() - 1)
    }

    fn protocol(&mut self) -> Done {
        match self.input.byte()? {
            0..=5 => Ok(()),
            found => Err(format!("protocol {found}; expected 0 to 5")),
        }
    }

    fn frame(&mut self) -> Done {
        let (length, left) = (self.input.number(8)?, self.input.left());
        if length > left as u64 {
            return Err(format!("a frame of {length} bytes, of which {left} are there: truncated"));
        }
        Ok(())
    }

    /// The place in the memo that follows `code`.
    fn memo_index(&mut self, code: u8) -> Done<u64> {
        match code {
            op::PUT | op::GET => {
                let line = self.input.text_line()?;
                line.parse().map_err(|_| "a memo index that is no number".to_owned())
            }
            op::BINPUT | op::BINGET => self.input.number(1),
            _ => self.input.number(4),
        }
    }

    /// Takes the top value; values below the last mark are out of reach.
    fn pop(&mut self) -> Done<Value<'a>> {
        let value = self.peek()?;
        self.stack.pop();
        Ok(value)
    }

    fn peek(&self) -> Done<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.get(floor..).and_then(<[_]>::last);
        above.copied().ok_or_else(|| "takes a value where there is none".to_owned())
    }

    /// Takes all values above the last mark, and the mark.
    fn take_to_mark(&mut self) -> Done<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn keep(&mut self, at: u64) -> Done {
        let value = self.peek()?;
        self.memo.insert(at, value);
        Ok(())
    }

    fn recall(&self, at: u64) -> Done<Value<'a>> {
        self.memo.get(&at).copied().ok_or_else(|| format!("memo {at} was never written"))
    }

    /// The top `n` values as a tuple.
    fn tuple(&mut self, n: usize) -> Done<Value<'a>> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Done<Vec<_>>>()?;
        items.reverse();
        Ok(self.add(Node::Tuple(items)))
    }

    fn append(&mut self, one: bool) -> Done {
        let new = if one { vec![self.pop()?] } else { self.take_to_mark()? };
        let target = self.peek()?;
        match self.node_mut(target) {
            Some(Node::List(items) | Node::Set(items)) => items.extend(new),
            Some(Node::Made(made)) => made.items.extend(new),
            _ => return Err(format!("appends to {}", self.describe(target))),
        }
        Ok(())
    }

    fn set_entries(&mut self, one: bool) -> Done {
        let mut new = if one { vec![self.pop()?, self.pop()?] } else { self.take_to_mark()? };
        if one {
            new.reverse();
        }
        let (new, target) = (pairs(&new)?, self.peek()?);
        match self.node_mut(target) {
            Some(Node::Dict(entries)) => entries.extend(new),
            Some(Node::Made(made)) => made.entries.extend(new),
            _ => return Err(format!("sets entries of {}", self.describe(target))),
        }
        Ok(())
    }

    fn build(&mut self) -> Done {
        let (state, target) = (self.pop()?, self.peek()?);
        match self.node_mut(target) {
            Some(Node::Made(made)) => made.state = Some(state),
            _ => return Err(format!("sets the state of {}", self.describe(target))),
        }
        Ok(())
    }

    fn node_mut(&mut self, value: Value<'a>) -> Option<&mut Node<'a>> {
        if let Value::Node(at) = value { self.nodes.get_mut(at) } else { None }
    }

    fn global(&mut self) -> Done<Value<'a>> {
        let (module, name) = (self.input.text_line()?, self.input.text_line()?);
        Ok(self.add(Node::Global(Global { module, name })))
    }

    fn stack_global(&mut self) -> Done<Value<'a>> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (module, name) else {
            return Err("a class or function whose name is no text".to_owned());
        };
        Ok(self.add(Node::Global(Global { module, name })))
    }

    fn call(&mut self) -> Done<Value<'a>> {
        let (arguments, by) = (self.pop()?, self.pop()?);
        self.made(How::Call, by, arguments)
    }

    fn object(&mut self, with_keywords: bool) -> Done<Value<'a>> {
        if with_keywords {
            self.pop()?;
        }
        let (arguments, class) = (self.pop()?, self.pop()?);
        self.made(How::Object, class, arguments)
    }

    /// Protocol 0's and 1's objects: the arguments above a mark, the class in lines or below them.
    fn instance(&mut self, in_lines: bool) -> Done<Value<'a>> {
        let class = if in_lines { Some(self.global()?) } else { None };
        let mut all = self.take_to_mark()?;
        let class = match class {
            None if all.is_empty() => return Err("an object without its class".to_owned()),
            None => all.remove(0),
            Some(class) => class,
        };
        let arguments = self.add(Node::Tuple(all));
        self.made(How::Object, class, arguments)
    }

    fn made(&mut self, how: How, by: Value<'a>, arguments: Value<'a>) -> Done<Value<'a>> {
        let node =
            |value: Value<'a>| if let Value::Node(at) = value { self.nodes.get(at) } else { None };
        if !matches!(node(by), Some(Node::Global(_) | Node::Made(_) | Node::Persistent(_))) {
            return Err(format!("calls {}", self.describe(by)));
        }
        if !matches!(node(arguments), Some(Node::Tuple(_))) {
            return Err("calls without a tuple of arguments".to_owned());
        }
        let made = Made { how, by, arguments, state: None, entries: vec![], items: vec![] };
        Ok(self.add(Node::Made(Box::new(made))))
    }

    /// What `value` is, for errors.
    fn describe(&self, value: Value<'a>) -> &'static str {
        match (value, if let Value::Node(at) = value { self.nodes.get(at) } else { None }) {
            (_, Some(Node::List(_))) => "a list",
            (_, Some(Node::Tuple(_))) => "a tuple",
            (_, Some(Node::Set(_))) => "a set",
            (_, Some(Node::Dict(_))) => "a dict",
            (_, Some(Node::Global(_))) => "a name",
            (_, Some(Node::Persistent(_))) => "a persistent id",
            (_, Some(Node::Made(_))) => "an object",
            _ => "a plain value",
        }
    }
}

/// Keys and values in turn as pairs.
fn pairs<'a>(all: &[Value<'a>]) -> Done<Vec<(Value<'a>, Value<'a>)>> {
    let (pairs, odd) = all.as_chunks::<2>();
    if !odd.is_empty() {
        return Err("a key without a value".to_owned());
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// Why `code` is not read.
fn refused(code: u8) -> String {
    match code {
        op::NEXT_BUFFER | op::READONLY_BUFFER => {
            "data in a buffer outside the file (protocol 5, out of band); pickle it again without \
             buffer_callback"
                .to_owned()
        }
        op::EXT1..=op::EXT4 => {
            "a number of Python's extension registry, which stands for a name that is not in the \
             file"
                .to_owned()
        }
        _ => format!("opcode {code:#04x}, which no protocol up to 5 has"),
    }
}

#[cfg(test)]
mod tests;
