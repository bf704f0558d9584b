//! The decoded length of a Huffman-coded string (RFC 7541, section 5.2 and appendix B), and whether
//! it holds `#`.
//!
//! The code is canonical, so the number of symbols of each length gives where each symbol ends. It
//! never decodes another symbol.

/// The number of symbols per code length in bits, from 5 on, EOS included.
const SYMBOLS: [u32; 26] = [
    10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4,
];
const SHORTEST: u32 = 5;

/// The code of `#`, and its length in bits.
const HASH: (u32, u32) = (0xffa, 12);

/// The octets of the decoded string, and whether one is `#`. `None`: a code is invalid, or the
/// padding is.
pub(super) fn scan(coded: &[u8]) -> Option<(usize, bool)> {
    let (mut octets, mut hash) = (0, false);
    let mut symbol = Symbol::default();
    for byte in coded {
        for shift in (0..8).rev() {
            if symbol.push(u32::from(byte >> shift) & 1)? {
                octets += 1;
                hash |= (symbol.code, symbol.bits) == HASH;
                symbol = Symbol::default();
            }
        }
    }
    // The padding is shorter than an octet, and the start of EOS: ones.
    (symbol.bits < 8 && symbol.code == (1 << symbol.bits) - 1).then_some((octets, hash))
}

/// The bits of a symbol so far.
#[derive(Default)]
struct Symbol {
    bits: u32,
    code: u32,
    /// The first code of the present length.
    first: u32,
}

impl Symbol {
    /// Adds a bit; whether the symbol is complete. `None`: it is EOS, which no string holds.
    fn push(&mut self, bit: u32) -> Option<bool> {
        self.bits += 1;
        self.code = self.code << 1 | bit;
        self.first <<= 1;
        let Some(index) = self.bits.checked_sub(SHORTEST) else {
            return Some(false);
        };
        let symbols = SYMBOLS.get(usize::try_from(index).ok()?)?;
        if self.code - self.first < *symbols {
            // EOS is the last code: thirty ones.
            return (self.code != (1 << 30) - 1).then_some(true);
        }
        self.first += symbols;
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_complete() {
        // Kraft's sum in units of the longest code.
        let sum: u32 = SYMBOLS
            .iter()
            .zip(SHORTEST..)
            .map(|(symbols, bits)| symbols << (30 - bits))
            .sum();
        assert_eq!(sum, 1 << 30);
        assert_eq!(SYMBOLS.iter().sum::<u32>(), 257);
    }

    #[test]
    fn the_examples_of_the_rfc_have_their_lengths() {
        // RFC 7541, appendix C.4 and C.6.
        for (coded, text) in [
            (
                &b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..],
                "www.example.com",
            ),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (
                b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
                "https://www.example.com",
            ),
            (b"", ""),
        ] {
            assert_eq!(scan(coded), Some((text.len(), false)), "{text}");
        }
        // `/#` and `#/`, each with a padding of ones.
        for coded in [
            &[0b0110_0011, 0b1111_1110, 0b1011_1111],
            &[0xff, 0b1010_0110, 0b0011_1111],
        ] {
            assert_eq!(scan(coded), Some((2, true)), "{coded:?}");
        }
    }

    #[test]
    fn invalid_padding_and_eos_are_refused() {
        // `a` is 00011: zeros as padding, a whole octet of padding, and EOS.
        for coded in [&[0b0001_1000][..], &[0b0001_1111, 0xff], &[0xff; 4]] {
            assert_eq!(scan(coded), None, "{coded:?}");
        }
    }
}
