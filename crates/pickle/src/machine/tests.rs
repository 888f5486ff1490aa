use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use crate::writer::{Item, call, dict, numbers, pickle, text};

/// What is read of `bytes`, or the error.
fn check(bytes: &[u8], expected: &str) {
    let found = match read_whole(bytes) {
        Ok(pickle) => format!("{:?} {:?}", pickle.nodes, pickle.top),
        Err(e) => e,
    };
    assert!(found.contains(expected), "{found} lacks {expected}");
}

#[test]
fn containers_of_all_protocols() {
    check(b"(lp0\nI1\naI2\na.", "[List([Int(1), Int(2)])] Node(0)");
    check(b"(dp0\nS'a'\np1\nI2\nsg1\n0.", "[Dict([(Bytes([97]), Int(2))])] Node(0)");
    check(b"(I1\nI2\nt.", "[Tuple([Int(1), Int(2)])]");
    check(b"\x80\x02]q\x01(K\x01K\x02e.", "[List([Int(1), Int(2)])]");
    check(b"\x80\x02}q\x01U\x01aK\x02s.", "[Dict([(Bytes([97]), Int(2))])]");
    check(b"\x80\x02(U\x01aq\x01h\x01t.", "[Tuple([Bytes([97]), Bytes([97])])]");
    check(b"\x80\x02X\x01\0\0\0aK\x01\x86.", "[Tuple([Text(\"a\"), Int(1)])]");
    check(b"\x80\x04\x95\x08\0\0\0\0\0\0\0\x8f\x94(K\x01K\x02\x90.", "[Set([Int(1), Int(2)])]");
    check(b"\x80\x04(K\x01\x91.", "[Set([Int(1)])]");
    check(b"\x80\x04\x8c\x01a\x94h\0\x86.", "[Tuple([Text(\"a\"), Text(\"a\")])]");
    // Values that are dropped again: to a mark, a copied one, a mark alone.
    check(b"\x80\x02(K\x01K\x021K\x07200(0K\x05.", "[] Int(5)");
}

#[test]
fn what_would_be_called_is_named_and_kept_as_data() {
    let system = call("os", "system", &[text("ls")]);
    for protocol in [2, 4, 5] {
        let bytes = pickle(&system, protocol);
        let found = read_whole(&bytes).expect("a whole pickle");
        assert_eq!(found.describe(found.top), "a call of os.system");
        let made = found.made(found.top).expect("a call");
        assert_eq!(found.text(found.arguments(made)[0]), Some("ls"));
        let module = Item::Build(Box::new(Item::Object("nets", "Vgg")), Box::new(dict(&[])));
        let bytes = pickle(&module, protocol);
        let found = read_whole(&bytes).expect("a whole pickle");
        assert_eq!(found.describe(found.top), "an object of class nets.Vgg");
        assert!(found.made(found.top).expect("an object").state.is_some());
    }
    // Protocols 0 and 1, what such calls give being called again, and names with control bytes.
    let check = |bytes: &[u8], expected: &str| {
        let found = read_whole(bytes).expect("a whole pickle");
        assert_eq!(found.describe(found.top), expected);
    };
    check(b"(I1\nios\nsystem\n.", "an object of class os.system");
    check(b"(cos\nsystem\nK\x01o.", "an object of class os.system");
    check(b"\x80\x02cos\nsystem\n)R)R.", "a call of os.system");
    check(b"\x80\x02co\x1b[2Js\nx\n)R.", "a call of o\\u{1b}[2Js.x");
}

#[test]
fn dicts_and_lists_that_a_call_makes_are_filled() {
    let bytes = b"\x80\x02ccollections\nOrderedDict\n)R(U\x01aK\x01U\x01bK\x02uU\x01cK\x03s.";
    let found = read_whole(bytes).expect("a whole pickle");
    let made = found.made(found.top).expect("a call");
    let keys: Vec<_> = made.entries.iter().filter_map(|(k, _)| found.text(*k)).collect();
    assert_eq!(keys, ["a", "b", "c"]);
    let found = read_whole(b"\x80\x02cm\nL\n)\x81K\x01a.").expect("a whole pickle");
    assert_eq!(found.made(found.top).expect("an object").items, [Value::Int(1)]);
}

#[test]
fn what_is_not_a_whole_pickle_is_refused() {
    check(b"", "byte 0 of the pickle: expected 1 more bytes, found 0: truncated");
    check(b"text", "a mark is missing");
    check(b"\xff", "opcode 0xff, which no protocol up to 5 has");
    check(b"\x80\x06N.", "protocol 6; expected 0 to 5");
    check(b"\x80\x02.", "takes a value where there is none");
    check(b"\x80\x02N(.", "takes a value where there is none");
    check(b"\x80\x02N.x", "1 bytes follow the end of the pickle");
    check(b"\x80\x02T\xff\xff\xff\xff", "byte 2 of the pickle: expected 4294967295 more bytes");
    check(b"\x80\x02\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "found 1: truncated");
    check(b"\x80\x04\x95\x08\0\0\0\0\0\0\0N.", "a frame of 8 bytes, of which 2 are there");
    check(b"\x80\x02e.", "a mark is missing");
    check(b"\x80\x02NNa.", "appends to a plain value");
    check(b"\x80\x02)N]s.", "sets entries of a tuple");
    check(b"\x80\x02}(Nu.", "a key without a value");
    check(b"\x80\x02}Nb.", "sets the state of a dict");
    check(b"\x80\x02K\x01)R.", "calls a plain value");
    check(b"\x80\x02cm\nf\nNR.", "calls without a tuple of arguments");
    check(b"\x80\x02K\x01K\x02\x93.", "a class or function whose name is no text");
    check(b"\x80\x02h\x01.", "memo 1 was never written");
    check(b"\x80\x05\x97.", "pickle it again without buffer_callback");
    check(b"\x80\x05\x98.", "outside the file");
    check(b"\x80\x02\x82\x01.", "Python's extension registry");
}

#[test]
fn cycles_nesting_and_length_are_bounded() {
    check(b"\x80\x02]q\x01h\x01a.", "[List([Node(0)])]");
    let deep = [&b"\x80\x02"[..], &vec![b']'; 100_000], &vec![b'a'; 99_999], b"."].concat();
    assert_eq!(read_whole(&deep).expect("nested lists").nodes.len(), 100_000);
    let long = [&b"\x80\x02"[..], &vec![b'N'; MOST_STEPS], b"."].concat();
    check(&long, "steps, which is too large");
}

/// A pickle of each kind of node.
fn sample(protocol: u8) -> Vec<u8> {
    let call = call("m", "f", &[Item::Float(0.5), numbers(&[1, 2])]);
    let object =
        Item::Build(Box::new(Item::Object("m", "C")), Box::new(dict(&[("x", Item::None)])));
    let bytes = Item::Bytes(vec![7; 300]);
    let id = Item::Persistent(Box::new(text("0")));
    let all = [("a", call), ("b", object), ("c", bytes), ("d", id), ("e", Item::Bool(true))];
    pickle(&Item::List(vec![dict(&all), Item::Int(-1)]), protocol)
}

#[test]
fn every_truncation_is_refused() {
    for protocol in [2, 3, 4, 5] {
        let whole = sample(protocol);
        assert!(read_whole(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(read_whole(&whole[..length]).is_err(), "{length}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        rng_seed: RngSeed::Fixed(42),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn mutated_pickles_never_panic(
        protocol in 2..6_u8,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        tail in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = sample(protocol);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for bytes in [bytes, tail] {
            if let Ok(found) = read(&bytes) {
                // Every way to look at a node is safe whatever was made.
                for at in 0..found.nodes.len() {
                    let value = Value::Node(at);
                    let text = found.describe(value);
                    prop_assert!(!text.chars().any(char::is_control));
                    found.made(value).map(|made| found.maker(made));
                }
            }
        }
    }
}
