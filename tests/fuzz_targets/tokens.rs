//! Bearer tokens: the file, and what callers say.

use process_wrapper::access::Tokens;

use super::cursor::{Cursor, is_telling};

/// Exactly what stands in a line of the file is admitted, behind `Bearer` in any letters; an error
/// names a line and repeats nothing; and nothing of a token is shown.
pub fn run(data: &[u8]) {
    let mut cursor = Cursor::new(data);
    let said = cursor.short();
    let repeat = usize::from(cursor.u8(..40));
    let file = cursor.rest().repeat(1 + repeat);
    let tokens = match Tokens::parse(&file) {
        Ok(tokens) => tokens,
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains('\n'));
            for line in String::from_utf8_lossy(&file).lines() {
                assert!(!is_telling(line) || !error.contains(line), "{error}");
            }
            return;
        }
    };
    let lines = || {
        let lines = file.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.filter(|line| !line.is_empty())
    };
    assert!((1..=16).contains(&lines().count()));
    assert_eq!(format!("{tokens:?}"), format!("{} tokens", lines().count()));
    for token in lines() {
        assert!((16..=512).contains(&token.len()));
        assert!(tokens.admit(&[b"Bearer ", token].concat()));
        assert!(tokens.admit(&[b"bEARER  ", token, b" "].concat()));
        assert!(!tokens.admit(token), "without the scheme");
        let shorter = &token[..token.len() - 1];
        let shorter_is_one = lines().any(|line| line == shorter);
        assert_eq!(
            tokens.admit(&[b"Bearer ", shorter].concat()),
            shorter_is_one
        );
    }
    assert!(tokens.admit(tokens.authorization().unwrap().as_bytes()));
    let expected = said
        .get(..7)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "))
        && lines().any(|line| line == said[7..].trim_ascii());
    assert_eq!(tokens.admit(said), expected);
}
