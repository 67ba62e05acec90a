//! Values of `ce-` headers: percent-encoded UTF-8 (binding, section 3.1.3.2).

/// What a header's value says.
///
/// The form in quotes, which the binding had before, is taken as well. Encodings that are longer than they need be are no UTF-8.
///
/// # Errors
/// Why it says nothing.
pub fn value(bytes: &[u8]) -> Result<String, &'static str> {
    let plain = unquoted(bytes)?;
    let mut decoded = Vec::with_capacity(plain.len());
    let mut rest = plain.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        let [Some(high), Some(low)] = digits else { return Err("has a `%` without two hexadecimal digits") };
        decoded.push((high * 16 + low) as u8);
    }
    String::from_utf8(decoded).map_err(|_| "is not UTF-8")
}

/// What stands between quotes, or all of it.
fn unquoted(bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
    let Some(inner) = bytes.strip_prefix(b"\"") else { return Ok(bytes.to_vec()) };
    let mut plain = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied();
    loop {
        match rest.next() {
            Some(b'"') if rest.len() == 0 => return Ok(plain),
            Some(b'"') => return Err("goes on behind its closing quote"),
            Some(b'\\') => plain.push(rest.next().ok_or("ends in a backslash")?),
            Some(byte) => plain.push(byte),
            None => return Err("has no closing quote"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_as_the_binding_says() {
        for (sent, means) in [
            (&b"Euro%20%E2%82%AC%20%F0%9F%98%80"[..], "Euro \u{20ac} \u{1f600}"),
            (b"plain", "plain"),
            (b"%22%25", "\"%"),
            (b"\"a \\\"quoted\\\" one\"", "a \"quoted\" one"),
            ("\u{e9}".as_bytes(), "\u{e9}"),
        ] {
            assert_eq!(value(sent).as_deref(), Ok(means));
        }
        // The last two are overlong: the binding wants them refused.
        for broken in [&b"%"[..], b"%2", b"%zz", b"\"open", b"\"a\"b", b"\"\\", b"%ff", b"%C0%A0", b"%E0%80%A0"] {
            assert!(value(broken).is_err(), "{}", String::from_utf8_lossy(broken));
        }
    }
}
