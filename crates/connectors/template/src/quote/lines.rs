//! Languages without quotes: hosts files, and lines of anything.

use super::{Next, Reader, Reason, Value, plain_text, without_controls};

/// `/etc/hosts`, and what dnsmasq reads: words between spaces, comments behind
/// `#`, and no way to write anything else than names and addresses.
#[derive(Default)]
pub(super) struct Hosts {
    in_comment: bool,
}

impl Reader for Hosts {
    fn literal(&mut self, next: char) -> Result<(), Reason> {
        match next {
            '\n' => self.in_comment = false,
            '#' => self.in_comment = true,
            _ => {}
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, _: Next<'_>, out: &mut String) -> Result<(), Reason> {
        let text = without_controls(plain_text(value)?)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-%".contains(c);
        if !self.in_comment && (text.is_empty() || !text.chars().all(plain)) {
            return Err("is neither a name nor an address".into());
        }
        out.push_str(text);
        Ok(())
    }
}

/// Lines of anything: no value begins a line of its own, and that is all.
pub(super) struct Plain;

impl Reader for Plain {
    fn literal(&mut self, _: char) -> Result<(), Reason> {
        Ok(())
    }

    fn value(&mut self, value: &Value<'_>, _: Next<'_>, out: &mut String) -> Result<(), Reason> {
        out.push_str(without_controls(plain_text(value)?)?);
        Ok(())
    }
}
