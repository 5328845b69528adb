//! What is said on the way, one line a step on standard output: the subject, then what there is to say of it.

use std::io::Write;

/// Says a line. That nobody reads it is no reason to fail.
pub fn say(subject: &str, text: String) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{subject:<10} {text}").and_then(|()| out.flush());
}
