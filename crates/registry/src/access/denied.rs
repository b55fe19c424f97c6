//! Refusals, as Nacos words them.

use crate::presented::PresentedVersion;

/// Why somebody may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Denied {
    /// No token came along.
    NoToken,
    /// No such user, or another password.
    WrongPassword,
    /// What came along is no token.
    Malformed,
    /// Nobody here signed it.
    Forged,
    /// It has run out.
    Expired,
    /// The user has not that right.
    NoRight,
    /// Nobody may change anything.
    ReadOnly,
    /// Too many logins from there failed.
    TooManyFailures,
}

impl Denied {
    /// What is said. Nacos 1.x up to 2.2.0 have a library tell a forged token
    /// from none, and call strangers otherwise; 3.x wraps all of it.
    pub(crate) fn text(self, version: PresentedVersion) -> String {
        let early = !version.signs_tokens_itself();
        let (code, text) = match self {
            Self::NoToken | Self::WrongPassword if version.has_v3() => (
                401,
                "User not found! Please check user exist or password is right!",
            ),
            Self::NoToken | Self::WrongPassword if early => (401, "unknown user!"),
            Self::NoToken | Self::WrongPassword => (401, "user not found!"),
            Self::Malformed => (401, "token invalid!"),
            Self::Forged if early => (401, "token invalid!"),
            Self::Forged => (401, "Invalid signature"),
            Self::Expired => (401, "token expired!"),
            Self::NoRight => (403, "authorization failed!"),
            // Nacos has no word for these. 403 is what its clients take for
            // final: it is not repeated elsewhere, and tells nobody to wait.
            Self::ReadOnly => return "this registry is read-only".to_owned(),
            Self::TooManyFailures => {
                return "too many failed logins from this address; try again in a minute"
                    .to_owned();
            }
        };
        if version.has_v3() {
            format!("Code: {code}, Message: {text}.")
        } else {
            text.to_owned()
        }
    }
}
