//! Names and identities of what is watched.

use std::fmt;

/// Text that is cloned without an allocation: up to 23 bytes, as most names are, lie in it, longer ones are shared.
pub type Text = smol_str::SmolStr;

/// UID of an object in 16 bytes.
///
/// Kubernetes writes UIDs as RFC 4122 text. Anything else is folded into the same width by FNV-1a, so that a foreign
/// server's odd UID still compares equal to itself; only its text form is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid([u8; 16]);

impl Uid {
    /// Reads a UID; empty text is no UID.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        Some(Self::from(parse_uuid(text).unwrap_or_else(|| fold(text))))
    }
}

/// Bytes rather than a number: without an alignment of its own, a UID makes no gaps in the records that carry it.
impl From<u128> for Uid {
    fn from(value: u128) -> Self {
        Self(value.to_be_bytes())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v = u128::from_be_bytes(self.0);
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            v >> 96,
            (v >> 80) & 0xffff,
            (v >> 64) & 0xffff,
            (v >> 48) & 0xffff,
            v & 0xffff_ffff_ffff
        )
    }
}

fn parse_uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut value = 0_u128;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value = (value << 4) | u128::from(digit);
    }
    Some(value)
}

fn fold(text: &str) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

/// Key of a KubeFedCluster. Registrations of every namespace count: a second control plane keeps its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistrationKey {
    /// Namespace of the control plane that uses it.
    pub namespace: Text,
    /// Name, as placements use it.
    pub name: Text,
}

impl fmt::Display for RegistrationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_survives_the_round_trip() {
        let text = "75ecdd89-3f36-40bb-aa79-4c75c1241db6";
        assert_eq!(Uid::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn odd_uids_compare_by_their_text() {
        assert_eq!(Uid::parse("not-a-uuid"), Uid::parse("not-a-uuid"));
        assert_ne!(Uid::parse("not-a-uuid"), Uid::parse("not-a-uuie"));
        assert_eq!(Uid::parse(""), None);
    }
}
