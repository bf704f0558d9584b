//! Groups by name or number.
//!
//! Owns how a group is written on the command line and how `/etc/group` is read, `group(5)`. It never
//! opens that file. Groups that other services know (LDAP) are written by their number.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A group as somebody wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// Its number.
    Number(u32),
    /// Its name.
    Name(String),
}

impl FromStr for Group {
    type Err = Infallible;

    /// What is a number is one, as with `chgrp`.
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

/// The number of a group in the text of `/etc/group`.
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
    fn a_number_is_a_number() {
        assert_eq!("998".parse(), Ok(Group::Number(998)));
        assert_eq!("ops".parse(), Ok(Group::Name("ops".to_owned())));
    }
}
