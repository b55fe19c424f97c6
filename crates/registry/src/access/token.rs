//! Tokens: what a login is answered with, and what every later call shows.
//!
//! They are JSON web tokens (`HS256`), as those of Nacos are, so that whoever
//! looks into one finds the user and the end. Clients take them for opaque. The
//! server keeps no list of them: each is signed with a key that is made of the
//! registry's, the user's name and their password, so that a token ends when it
//! runs out, when the password changes and when the user goes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::denied::Denied;
use super::settings::{TokenKey, User};
use crate::moment::Moment;

/// `{"alg":"HS256"}`: no other is looked at.
const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";

#[derive(Serialize, Deserialize)]
struct Claims<'a> {
    /// The user.
    #[serde(borrow)]
    sub: std::borrow::Cow<'a, str>,
    /// When it ends, in seconds since 1970.
    exp: u64,
}

/// What the tokens of one user are signed with.
pub(super) fn key_of(user: &User, key: &TokenKey) -> hmac::Key {
    let whole = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
    let mut parts = hmac::Context::with_key(&whole);
    parts.update(user.name.as_bytes());
    parts.update(&[0]);
    parts.update(user.password.mark());
    hmac::Key::new(hmac::HMAC_SHA256, parts.sign().as_ref())
}

/// A token of a user.
pub(super) fn issue(
    name: &str,
    key: &hmac::Key,
    ends: Moment,
) -> Result<String, serde_json::Error> {
    let claims = Claims {
        sub: name.into(),
        exp: ends.unix_millis() / 1000,
    };
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims)?);
    let mut token = format!("{HEADER}.{claims}");
    let tag = hmac::sign(key, token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(tag, &mut token);
    Ok(token)
}

/// Whose token it is. `known` gives what belongs to a name, with the key.
pub(super) fn read<'k, T>(
    token: &str,
    now: Moment,
    known: impl FnOnce(&str) -> Option<(&'k hmac::Key, T)>,
) -> Result<T, Denied> {
    let (signed, tag) = token.rsplit_once('.').ok_or(Denied::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Denied::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Denied::Malformed);
    let (claims, tag) = (decode(claims)?, decode(tag)?);
    let claims: Claims<'_> = serde_json::from_slice(&claims).map_err(|_| Denied::Malformed)?;
    if header != HEADER {
        return Err(Denied::Forged);
    }
    let (key, whose) = known(&claims.sub).ok_or(Denied::Forged)?;
    hmac::verify(key, signed.as_bytes(), &tag).map_err(|_| Denied::Forged)?;
    if claims.exp.saturating_mul(1000) <= now.unix_millis() {
        return Err(Denied::Expired);
    }
    Ok(whose)
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Password, Rights};
    use super::*;

    const ENDS: Moment = Moment::from_unix_millis(1_800_000_000_000);
    const BEFORE: Moment = Moment::from_unix_millis(1_799_999_999_999);

    fn user(name: &str, password: &str) -> User {
        User {
            name: name.into(),
            password: Password::new(password),
            rights: Rights::Admin,
        }
    }

    fn key(user: &User) -> hmac::Key {
        let whole = TokenKey::new(*b"a key of thirty-two bytes or so!").expect("long enough");
        key_of(user, &whole)
    }

    /// Reads as a registry whose only user has that key.
    fn read_as(token: &str, user: &User, now: Moment) -> Result<(), Denied> {
        let key = key(user);
        read(token, now, |name| (name == user.name).then_some((&key, ())))
    }

    #[test]
    fn a_token_holds_until_it_ends() {
        let shop = user("shop", "x");
        let token = issue("shop", &key(&shop), ENDS).expect("a token");
        assert_eq!(read_as(&token, &shop, BEFORE), Ok(()));
        assert_eq!(read_as(&token, &shop, ENDS), Err(Denied::Expired));
    }

    #[test]
    fn a_token_ends_with_the_password_and_the_user() {
        let shop = user("shop", "x");
        let token = issue("shop", &key(&shop), ENDS).expect("a token");
        for other in [user("shop", "y"), user("ops", "x")] {
            assert_eq!(read_as(&token, &other, BEFORE), Err(Denied::Forged));
        }
    }

    #[test]
    fn whatever_else_is_no_token() {
        let shop = user("shop", "x");
        let token = issue("shop", &key(&shop), ENDS).expect("a token");
        for garbage in ["", "garbage", "a.b", "a.b.c", ".."] {
            assert_eq!(read_as(garbage, &shop, BEFORE), Err(Denied::Malformed));
        }
        let (signed, tag) = token.rsplit_once('.').expect("three parts");
        let unsigned = format!("{signed}.");
        assert_eq!(read_as(&unsigned, &shop, BEFORE), Err(Denied::Forged));
        let claims = signed.split_once('.').expect("two parts").1;
        // {"alg":"none"}
        let none = format!("eyJhbGciOiJub25lIn0.{claims}.{tag}");
        assert_eq!(read_as(&none, &shop, BEFORE), Err(Denied::Forged));
        let later = URL_SAFE_NO_PAD.encode(r#"{"sub":"shop","exp":9999999999}"#);
        let longer = format!("{HEADER}.{later}.{tag}");
        assert_eq!(read_as(&longer, &shop, BEFORE), Err(Denied::Forged));
    }
}
