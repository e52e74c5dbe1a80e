//! What tells parts of a state apart: all that is written of them in the form in which it is stored, but for the numbers that
//! are only ever compared. Of those the order is told, by [`fingerprint`], over all parts of a state at once.
//!
//! Three kinds of numbers are compared and never calculated with, but for "one more than the newest": generations, the numbers
//! of sessions (with those of the same host and epoch), and the sequence of statuses (with those of the same host). Two states
//! that differ in their values and not in their order behave alike for ever: each core decides by comparing, and the next new
//! number is above all others in both. One exception: after an old copy of the store was put back hosts know generations above
//! the counter, and the counter will meet them; so above the lowest counter that is, or may be put back, distances are told too.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Serialize, ser};

/// Tells itself.
pub trait Told {
    /// All that tells it apart.
    fn tell(&self, to: &mut Mark);
}

/// What a value is told to.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    bytes: Vec<u8>,
    numbers: Vec<(Kind, u64)>,
    host: u8,
    epoch: u8,
    next: Option<Kind>,
}

/// Which numbers are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Generation,
    /// Of a host, in an epoch.
    Session(u8, u8),
    /// Of a host.
    Sequence(u8),
}

/// What a part leaves: the hash of all that is no number, and the numbers in their places.
#[derive(Clone, Debug, Default)]
pub struct Marked {
    rest: u64,
    numbers: Vec<(Kind, u64)>,
}

impl Mark {
    /// From here on it is about this host.
    pub fn host(&mut self, i: usize) {
        self.host = i as u8;
        self.bytes.push(self.host);
    }

    /// Takes a value in.
    pub fn add(&mut self, value: &impl Serialize) {
        let written = value.serialize(&mut *self);
        debug_assert!(written.is_ok(), "{written:?}"); // nothing is refused
    }

    /// Takes another in, behind what is here.
    pub fn append(&mut self, other: Mark) {
        self.bytes.extend(other.bytes);
        self.numbers.extend(other.numbers);
    }

    /// That is all.
    pub fn end(self) -> Marked {
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        Marked { rest: hasher.finish(), numbers: self.numbers }
    }

    fn number(&mut self, kind: Kind, n: u64) {
        self.bytes.push(b'#');
        self.numbers.push((kind, n));
    }
}

/// Tells a whole state by what its parts have left; `exact`: generations above it are told by their distance to it.
pub fn fingerprint<'a, H: Hasher>(parts: impl Iterator<Item = &'a Marked> + Clone, exact: u64, to: &mut H) {
    let mut known: Vec<(Kind, u64)> = parts.clone().flat_map(|part| &part.numbers).copied().collect();
    known.sort_unstable();
    known.dedup();
    let rank = |number: &(Kind, u64)| -> u64 {
        let (kind, n) = *number;
        let below = n.min(if kind == Kind::Generation { exact } else { u64::MAX });
        let first = known.partition_point(|k| *k < (kind, 1));
        let place = known.partition_point(|k| *k <= (kind, below)) - first;
        place as u64 + (n - below)
    };
    for part in parts {
        part.rest.hash(to);
        part.numbers.iter().for_each(|number| rank(number).hash(to));
    }
}

type Done = Result<(), fmt::Error>;

/// Numbers that stand for themselves.
macro_rules! as_bytes {
    ($($serialize:ident: $number:ty),* $(,)?) => {$(
        fn $serialize(self, v: $number) -> Done {
            self.bytes.extend(v.to_le_bytes());
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for &'a mut Mark {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Fields<'a>;
    type SerializeTuple = Fields<'a>;
    type SerializeTupleStruct = Fields<'a>;
    type SerializeTupleVariant = Fields<'a>;
    type SerializeMap = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    fn is_human_readable(&self) -> bool {
        false
    }
    fn serialize_u64(self, v: u64) -> Done {
        match self.next.take() {
            Some(kind) => self.number(kind, v),
            None => self.bytes.extend(v.to_le_bytes()),
        }
        Ok(())
    }
    as_bytes! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_f32: f32, serialize_f64: f64,
    }
    fn serialize_bool(self, v: bool) -> Done {
        self.serialize_u8(v.into())
    }
    fn serialize_char(self, v: char) -> Done {
        self.serialize_u32(v.into())
    }
    fn serialize_str(self, v: &str) -> Done {
        self.serialize_bytes(v.as_bytes())
    }
    fn serialize_bytes(self, v: &[u8]) -> Done {
        self.serialize_u64(v.len() as u64)?;
        self.bytes.extend(v);
        Ok(())
    }
    fn serialize_none(self) -> Done {
        self.serialize_u8(0)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        self.serialize_u8(1)?;
        value.serialize(self)
    }
    fn serialize_unit(self) -> Done {
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, variant: u32, _: &'static str) -> Done {
        self.serialize_u32(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Done {
        let from = self.bytes.len();
        self.next = (name == "Generation").then_some(Kind::Generation);
        value.serialize(&mut *self)?;
        if name == "Epoch" {
            // Epochs are counted here, in each of their bytes.
            self.epoch = self.bytes.get(from).copied().unwrap_or_default();
        }
        Ok(())
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(self, _: &'static str, variant: u32, _: &'static str, value: &T) -> Done {
        self.serialize_u32(variant)?;
        value.serialize(self)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Fields<'a>, fmt::Error> {
        self.serialize_u64(len.unwrap_or_default() as u64)?;
        Ok(Fields { mark: self, of: "" })
    }
    fn serialize_tuple(self, _: usize) -> Result<Fields<'a>, fmt::Error> {
        Ok(Fields { mark: self, of: "" })
    }
    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, fmt::Error> {
        Ok(Fields { mark: self, of: name })
    }
    fn serialize_tuple_variant(self, _: &'static str, variant: u32, _: &'static str, _: usize) -> Result<Fields<'a>, fmt::Error> {
        self.serialize_u32(variant)?;
        Ok(Fields { mark: self, of: "" })
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Fields<'a>, fmt::Error> {
        self.serialize_seq(len)
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, fmt::Error> {
        Ok(Fields { mark: self, of: name })
    }
    fn serialize_struct_variant(self, _: &'static str, variant: u32, _: &'static str, _: usize) -> Result<Fields<'a>, fmt::Error> {
        self.serialize_u32(variant)?;
        Ok(Fields { mark: self, of: "" })
    }
}

/// Of a struct with this name, or of anything else that has several parts.
pub struct Fields<'a> {
    mark: &'a mut Mark,
    of: &'static str,
}

impl Fields<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Done {
        self.mark.next = match (self.of, name) {
            ("SessionId", "n") => Some(Kind::Session(self.mark.host, self.mark.epoch)),
            (_, "seq" | "beat") => Some(Kind::Sequence(self.mark.host)),
            _ => None,
        };
        value.serialize(&mut *self.mark)
    }
}

/// Parts without names, and parts with.
macro_rules! parts {
    ($($kind:ident: $($serialize:ident),+;)*) => {$(
        impl ser::$kind for Fields<'_> {
            type Ok = ();
            type Error = fmt::Error;
            $(fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                value.serialize(&mut *self.mark)
            })+
            fn end(self) -> Done {
                Ok(())
            }
        }
    )*};
}
macro_rules! named_parts {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Fields<'_> {
            type Ok = ();
            type Error = fmt::Error;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                self.field(name, value)
            }
            fn end(self) -> Done {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
    SerializeMap: serialize_key, serialize_value;
}
named_parts!(SerializeStruct, SerializeStructVariant);
