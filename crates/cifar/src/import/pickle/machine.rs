//! The stack machine: each opcode moves values, none has an effect outside it.
//! Opcodes and their arguments: `pickletools.py` of Python's library.

use std::collections::BTreeMap;

use super::Value;
use super::cursor::Cursor;
use super::numpy::{self, Name};

/// The most lists, tuples and dicts; CIFAR-10's files have ten. Nesting is bounded with it.
const MOST_CONTAINERS: usize = 1000;

/// Reads the one value of a pickle of protocol 2 or 3. Errors name the byte.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut machine = Machine {
        input: Cursor::new(bytes),
        frames: vec![vec![]],
        memo: BTreeMap::new(),
        containers: 0,
    };
    let read = machine.run();
    read.map_err(|what| format!("byte {} of the pickle: {what}", machine.input.at))
}

struct Machine<'a> {
    input: Cursor<'a>,
    /// The stack; each MARK begins a frame of its own.
    frames: Vec<Vec<Value>>,
    memo: BTreeMap<u32, Value>,
    containers: usize,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Value, String> {
        match self.input.take(2)? {
            [0x80, 2 | 3] => {}
            [0x80, n] => {
                return Err(format!("protocol {n}; expected 2 or 3, as in the official files"));
            }
            _ => return Err("no pickle of protocol 2 or 3".to_owned()),
        }
        loop {
            match self.input.byte()? {
                b'.' => return self.stop(),
                code => self.step(code)?,
            }
        }
    }

    fn stop(&mut self) -> Result<Value, String> {
        match self.input.left() {
            0 => self.pop(),
            n => Err(format!("{n} bytes follow the end")),
        }
    }

    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            b'N' => self.push(Value::Constant(None)),
            0x88 | 0x89 => self.push(Value::Constant(Some(code == 0x88))),
            b'K' => self.number(1),
            b'M' => self.number(2),
            b'J' => self.number(4),
            b'U' | b'C' => self.bytes(1),
            b'T' | b'B' => self.bytes(4),
            b'X' => self.text(),
            b'}' => self.container(Value::Dict(vec![])),
            b']' => self.container(Value::List(vec![])),
            b'(' => self.mark(),
            b')' => self.container(Value::Tuple(vec![])),
            0x85..=0x87 => self.short_tuple(usize::from(code - 0x84)),
            b't' => self.long_tuple(),
            b'a' | b's' => self.extend_by(if code == b'a' { 1 } else { 2 }),
            b'e' | b'u' => self.extend_by_frame(),
            b'q' | b'r' => self.keep(if code == b'q' { 1 } else { 4 }),
            b'h' | b'j' => self.recall(if code == b'h' { 1 } else { 4 }),
            b'c' => self.name(),
            b'R' => self.reduce(),
            b'b' => self.build(),
            _ => Err(format!("opcode {code:#04x} is refused: the official files have none")),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "an arm of `step`")]
    fn push(&mut self, value: Value) -> Result<(), String> {
        self.frame().push(value);
        Ok(())
    }

    fn frame(&mut self) -> &mut Vec<Value> {
        self.frames.last_mut().expect("the first frame is never closed")
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.frame().pop().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn container(&mut self, value: Value) -> Result<(), String> {
        self.containers += 1;
        if self.containers > MOST_CONTAINERS {
            return Err(format!("more than {MOST_CONTAINERS} lists, tuples and dicts"));
        }
        self.push(value)
    }

    fn mark(&mut self) -> Result<(), String> {
        if self.frames.len() > MOST_CONTAINERS {
            return Err("too many open marks".to_owned());
        }
        self.frames.push(vec![]);
        Ok(())
    }

    fn close(&mut self) -> Result<Vec<Value>, String> {
        if self.frames.len() == 1 {
            return Err("a mark is missing".to_owned());
        }
        Ok(self.frames.pop().expect("counted"))
    }

    /// Only the number of four bytes is signed.
    fn number(&mut self, width: usize) -> Result<(), String> {
        let n = self.input.unsigned(width)?;
        self.push(Value::Int(if width == 4 { i64::from(n.cast_signed()) } else { i64::from(n) }))
    }

    fn bytes(&mut self, width: usize) -> Result<(), String> {
        let n = self.input.unsigned(width)?;
        let bytes = self.input.take(n as usize)?.into();
        self.push(Value::Bytes(bytes))
    }

    fn text(&mut self) -> Result<(), String> {
        let n = self.input.unsigned(4)?;
        let text =
            std::str::from_utf8(self.input.take(n as usize)?).map_err(|e| e.to_string())?.into();
        self.push(Value::Text(text))
    }

    fn short_tuple(&mut self, n: usize) -> Result<(), String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.container(Value::Tuple(items))
    }

    fn long_tuple(&mut self) -> Result<(), String> {
        let items = self.close()?;
        self.container(Value::Tuple(items))
    }

    fn extend_by(&mut self, n: usize) -> Result<(), String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.extend(items)
    }

    fn extend_by_frame(&mut self) -> Result<(), String> {
        let items = self.close()?;
        self.extend(items)
    }

    /// Puts items into the list on top, or keys and values into the dict on top.
    fn extend(&mut self, items: Vec<Value>) -> Result<(), String> {
        match self.frame().last_mut() {
            Some(Value::List(list)) => list.extend(items),
            Some(Value::Dict(entries)) if items.len().is_multiple_of(2) => {
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
            }
            _ => return Err("items without a list or dict".to_owned()),
        }
        Ok(())
    }

    /// Keeps the value on top, where a reference to it can be followed without a copy that grows.
    fn keep(&mut self, width: usize) -> Result<(), String> {
        let index = self.input.unsigned(width)?;
        let value = self.frame().last().ok_or("nothing to keep")?;
        if value.is_plain() {
            let value = value.clone();
            self.memo.insert(index, value);
        }
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), String> {
        let index = self.input.unsigned(width)?;
        let value = self.memo.get(&index).cloned();
        self.push(value.ok_or_else(|| format!("item {index} is referred to but not kept"))?)
    }

    fn name(&mut self) -> Result<(), String> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        self.push(Value::Name(Name::find(&module, &name)?))
    }

    fn reduce(&mut self) -> Result<(), String> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        self.push(numpy::reduce(&function, &arguments)?)
    }

    fn build(&mut self) -> Result<(), String> {
        let (state, target) = (self.pop()?, self.pop()?);
        self.push(numpy::build(target, &state)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::pickle::writer;

    fn check(bytes: &[u8], expected: &str) {
        let found = match read(bytes) {
            Ok(value) => format!("{value:?}"),
            Err(e) => e,
        };
        assert!(found.contains(expected), "{found} lacks {expected}");
    }

    #[test]
    fn plain_values() {
        check(b"\x80\x02K\x07.", "Int(7)");
        check(b"\x80\x02M\x01\x02.", "Int(513)");
        check(b"\x80\x02J\xff\xff\xff\xff.", "Int(-1)");
        check(b"\x80\x02]q\x01(K\x01K\x02e.", "List([Int(1), Int(2)])");
        check(b"\x80\x02}q\x01U\x01aK\x02s.", "Dict([(Bytes([97]), Int(2))])");
        check(b"\x80\x02(U\x01aq\x01h\x01t.", "Tuple([Bytes([97]), Bytes([97])])");
        check(b"\x80\x02X\x01\0\0\0aK\x01\x86.", "Tuple([Text(\"a\"), Int(1)])");
    }

    #[test]
    fn nothing_is_called_but_what_makes_an_array() {
        check(b"\x80\x02cos\nsystem\nU\x02ls\x85R.", "names os.system, which is refused");
        check(b"\x80\x02c__builtin__\neval\nU\x011\x85R.", "names __builtin__.eval");
        check(b"\x80\x02cnumpy\ndtype\nU\x02f4\x85R.", "expected u1");
        check(b"\x80\x02K\x01)R.", "a call of something that is no function");
        check(b"\x80\x02i.", "opcode 0x69 is refused");
    }

    #[test]
    fn broken_and_hostile_files_end_in_an_error() {
        check(b"", "truncated");
        check(b"text", "no pickle");
        check(b"\x80\x04N.", "protocol 4");
        check(b"\x80\x02.", "the stack is empty");
        check(b"\x80\x02N.x", "1 bytes follow the end");
        check(b"\x80\x02T\xff\xff\xff\xff", "byte 7 of the pickle: 4294967295 bytes wanted");
        check(b"\x80\x02e.", "a mark is missing");
        check(b"\x80\x02N(e.", "items without a list");
        // A list in itself, and copies of copies: only plain values are kept.
        check(b"\x80\x02]q\x01h\x01a.", "item 1 is referred to but not kept");
        check(&[b"\x80\x02N".as_slice(), &[0x85; 2000], b"."].concat(), "more than 1000");
        check(&[b"\x80\x02".as_slice(), &[b'('; 2000], b"."].concat(), "too many open marks");
        let batch = writer::batch(&[0; 3072], &[1], false);
        for cut in 0..200 {
            assert!(read(&batch[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn an_array_has_as_many_bytes_as_its_shape() {
        check(&writer::array(&[1, 2, 3, 4, 5, 6], (2, 3), false), "shape: [2, 3], bytes: [1, 2, 3");
        check(&writer::array(&[1, 2, 3, 4, 5], (2, 3), false), "has 5 bytes");
    }
}
