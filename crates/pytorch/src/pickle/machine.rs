//! The stack machine: what each opcode does to stack, memo and heap.

use std::collections::BTreeMap;

use super::input::Input;
use super::literal::literal;
use super::value::{Foreign, Global, Heap, Node, Pickle, Value};
use super::{call, opcode as op};

/// Steps a pickle may take; each makes one value at most, so this bounds the memory too. A
/// network's `state_dict` takes some forty steps a tensor.
const MOST_STEPS: usize = 1 << 23;

/// Reads the pickle at the front of `bytes`.
///
/// # Errors
/// In words, with the place, where it is no pickle of `torch.save`.
pub fn run(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let mut machine = Machine {
        input: Input::new(bytes),
        stack: vec![],
        marks: vec![],
        memo: BTreeMap::new(),
        heap: Heap::default(),
    };
    for _ in 0..MOST_STEPS {
        let at = machine.input.at;
        let place = |e: String| format!("pickle, byte {at}: {e}");
        let code = machine.input.byte().map_err(place)?;
        if code == op::STOP {
            let top = machine.pop().map_err(place)?;
            return Ok(Pickle { heap: machine.heap, top, length: machine.input.at });
        }
        machine.step(code).map_err(place)?;
    }
    Err(format!("a pickle of more than {MOST_STEPS} steps: too large for a state_dict"))
}

struct Machine<'a> {
    input: Input<'a>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack that `MARK` noted.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Value<'a>>,
    heap: Heap<'a>,
}

type Done<T = ()> = Result<T, String>;

impl<'a> Machine<'a> {
    fn step(&mut self, code: u8) -> Done {
        match code {
            op::PROTO => self.protocol(),
            op::FRAME => self.input.take(8).map(drop),
            op::MARK => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            op::POP if self.marks.last() == Some(&self.stack.len()) => {
                self.take_to_mark().map(drop)
            }
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.take_to_mark().map(drop),
            op::BINPUT => self.input.number(1).and_then(|at| self.keep(at)),
            op::LONG_BINPUT => self.input.number(4).and_then(|at| self.keep(at)),
            op::MEMOIZE => self.keep(self.memo.len() as u64),
            op::APPEND | op::APPENDS | op::ADDITEMS => self.append(code == op::APPEND),
            op::SETITEM | op::SETITEMS => self.set_items(code == op::SETITEM),
            // The state of an object is not needed: of an OrderedDict it is `_metadata`.
            op::BUILD => self.pop().and_then(|_| self.peek()).map(drop),
            _ => {
                let value = self.value(code)?;
                self.stack.push(value);
                Ok(())
            }
        }
    }

    /// What `code` pushes.
    fn value(&mut self, code: u8) -> Done<Value<'a>> {
        if let Some(value) = literal(code, &mut self.input)? {
            return Ok(value);
        }
        match code {
            op::DUP => self.peek(),
            op::BINGET => self.input.number(1).and_then(|at| self.recall(at)),
            op::LONG_BINGET => self.input.number(4).and_then(|at| self.recall(at)),
            op::EMPTY_DICT => Ok(self.heap.add(Node::Dict(vec![]))),
            op::EMPTY_LIST | op::EMPTY_TUPLE | op::EMPTY_SET => self.tuple(0),
            op::TUPLE1 | op::TUPLE2 | op::TUPLE3 => self.tuple(usize::from(code - op::TUPLE1) + 1),
            op::TUPLE | op::FROZENSET => {
                let parts = self.take_to_mark()?;
                Ok(self.heap.add(Node::List(parts)))
            }
            op::GLOBAL => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                Ok(self.heap.add(Node::Global(Global { module, name })))
            }
            op::STACK_GLOBAL => self.stack_global(),
            op::REDUCE => self.reduce(),
            op::NEWOBJ => self.object(2),
            op::NEWOBJ_EX => self.object(3),
            op::BINPERSID => {
                let id = self.pop()?;
                call::persistent(&mut self.heap, id)
            }
            _ => Err(format!(
                "opcode {code:#04x} ({:?}), which torch.save does not write",
                char::from(code)
            )),
        }
    }

    fn protocol(&mut self) -> Done {
        match self.input.byte()? {
            2..=5 => Ok(()),
            found => Err(format!("protocol {found}; expected 2 to 5")),
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
        let above = self.stack[floor..].last();
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
        let mut parts = (0..n).map(|_| self.pop()).collect::<Done<Vec<_>>>()?;
        parts.reverse();
        Ok(self.heap.add(Node::List(parts)))
    }

    fn append(&mut self, one: bool) -> Done {
        let parts = if one { vec![self.pop()?] } else { self.take_to_mark()? };
        let list = self.peek()?;
        match self.heap.node_mut(list) {
            Some(Node::List(all)) => all.extend(parts),
            Some(Node::Foreign(_)) => {}
            _ => return Err(format!("appends to {}", self.heap.describe(list))),
        }
        Ok(())
    }

    fn set_items(&mut self, one: bool) -> Done {
        let mut parts = if one { vec![self.pop()?, self.pop()?] } else { self.take_to_mark()? };
        if one {
            parts.reverse();
        }
        let (pairs, odd) = parts.as_chunks::<2>();
        let dict = self.peek()?;
        match self.heap.node_mut(dict) {
            _ if !odd.is_empty() => return Err("a key without a value".to_owned()),
            Some(Node::Dict(all)) => all.extend(pairs.iter().map(|[k, v]| (*k, *v))),
            Some(Node::Foreign(_)) => {}
            _ => return Err(format!("sets items of {}", self.heap.describe(dict))),
        }
        Ok(())
    }

    fn stack_global(&mut self) -> Done<Value<'a>> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (module, name) else {
            return Err("a class or function whose name is no text".to_owned());
        };
        Ok(self.heap.add(Node::Global(Global { module, name })))
    }

    fn reduce(&mut self) -> Done<Value<'a>> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        if self.heap.foreign(function).is_some() {
            return Ok(function);
        }
        let Some(function) = self.heap.global(function) else {
            return Err(format!("calls {}", self.heap.describe(function)));
        };
        call::call(&mut self.heap, function, arguments)
    }

    /// An object of the class that lies under `n` - 1 arguments.
    fn object(&mut self, n: usize) -> Done<Value<'a>> {
        for _ in 1..n {
            self.pop()?;
        }
        let class = self.pop()?;
        match self.heap.global(class) {
            Some(global) if call::is_dict(global) => Ok(self.heap.add(Node::Dict(vec![]))),
            Some(global) => Ok(self.heap.add(Node::Foreign(Foreign::Object(global)))),
            None if self.heap.foreign(class).is_some() => Ok(class),
            None => Err(format!("an object of {}, which is no class", self.heap.describe(class))),
        }
    }
}
