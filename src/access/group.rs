//! Groups by name or number.
//!
//! Owns the parsing of a group on the command line and of the text of `/etc/group`, `group(5)`. It
//! opens no file. Groups of other name services (LDAP) must be written as numbers.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A group as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// Its id.
    Number(u32),
    /// Its name.
    Name(String),
}

impl FromStr for Group {
    type Err = Infallible;

    /// A text that is a number is an id, as with `chgrp`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Name(text.to_owned()),
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The id of a group in the text of `/etc/group`.
#[must_use]
pub fn gid_of(name: &str, group_file: &str) -> Option<u32> {
    group_file.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()?;
        let _password = fields.next()?;
        let gid = fields.next()?;
        (found == name).then(|| gid.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_whole_name() {
        let file = "root:x:0:\n# runners:x:1:\nrunners:x:998:a,b\nops::7:\nbad:x:y:\nshort\n";
        for (name, gid) in [
            ("root", Some(0)),
            ("runners", Some(998)),
            ("ops", Some(7)),
            ("op", None),
            ("bad", None),
            ("short", None),
            ("", None),
        ] {
            assert_eq!(gid_of(name, file), gid, "{name}");
        }
    }

    #[test]
    fn a_number_is_an_id() {
        assert_eq!("998".parse(), Ok(Group::Number(998)));
        assert_eq!("ops".parse(), Ok(Group::Name("ops".to_owned())));
    }
}
