//! Session ids: from the operating system's randomness, or not at all.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;

/// How an id is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdFormat {
    /// A version 4 UUID: 122 random bits in 36 characters (RFC 9562).
    Uuid,
    /// 192 random bits in 32 characters, base64url without padding (RFC 4648).
    Token,
}

/// A new id. The error is the operating system's, where it has no randomness to give.
pub fn generate(format: IdFormat) -> Result<String, String> {
    match format {
        IdFormat::Uuid => Ok(uuid::Builder::from_random_bytes(random()?).into_uuid().to_string()),
        IdFormat::Token => Ok(URL_SAFE_NO_PAD.encode(random::<24>()?)),
    }
}

fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form_and_differ() {
        let id = generate(IdFormat::Uuid).unwrap();
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
        assert_eq!(id.len(), 36);
        let token = generate(IdFormat::Token).unwrap();
        assert_eq!(token.len(), 32);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert_ne!(token, generate(IdFormat::Token).unwrap());
    }
}
