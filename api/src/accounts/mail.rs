//! Messages that carry a secret: an invitation, or a way to a new password.

use fandom_services::env::Env;
use lettre::message::header::ContentTransferEncoding;
use lettre::message::{Body, Mailbox};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// The longest line that mail servers pass on as it is (RFC 5322).
const LONGEST_LINE: usize = 998;

/// How messages are sent.
///
/// - `FANDOM_SMTP_URL`: the mail server, `smtps://user:password@host` (TLS), `smtp://host?tls=required` (STARTTLS) or
///   `smtp://host` (plain, for a relay on this machine). None: nothing is sent, and an administrator passes links on.
/// - `FANDOM_SMTP_FROM`: the sender's address.
/// - `FANDOM_API_URL`: the address of the page, as links in messages name it (`http://127.0.0.1:8080`).
#[derive(Clone, Debug)]
pub struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    page: String,
}

impl Mail {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> Option<Mail> {
        let url = env.text("FANDOM_SMTP_URL")?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.trim());
        // The error is not repeated, since the address may hold a password.
        let Ok(transport) = transport else {
            env.problem("FANDOM_SMTP_URL", "is not an address such as smtps://user:password@host");
            return None;
        };
        let from = env.text("FANDOM_SMTP_FROM").and_then(|from| from.trim().parse().ok());
        let Some(from) = from else {
            env.problem("FANDOM_SMTP_FROM", "is not a sender's address; FANDOM_SMTP_URL needs one");
            return None;
        };
        let page = env.text("FANDOM_API_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let timeout = Some(std::time::Duration::from_secs(10));
        Some(Mail {
            transport: transport.timeout(timeout).build(),
            from,
            page: page.trim().trim_end_matches('/').to_owned(),
        })
    }

    /// Sends a secret in the background, so that how long it takes tells nothing.
    pub fn send(self: std::sync::Arc<Mail>, to: String, invited: bool, secret: String) {
        tokio::spawn(async move {
            let (subject, why) = if invited {
                ("Your account", "An account was made for you. Choose its password within three days:")
            } else {
                (
                    "A new password",
                    "Somebody asked for a new password of your account. Choose it within 30 minutes, or leave it:",
                )
            };
            // Behind a number sign, so that no server and no log on the way sees it.
            let body = format!("{why}\n\n{}/#password={secret}\n", self.page);
            // As it is, so that the link stays whole in programs that show a message without decoding it.
            let plain = body.is_ascii() && body.lines().all(|line| line.len() <= LONGEST_LINE);
            let body = if plain {
                Body::dangerous_pre_encoded(body.replace('\n', "\r\n").into_bytes(), ContentTransferEncoding::SevenBit)
            } else {
                Body::new(body)
            };
            let Ok(to) = to.parse::<Mailbox>() else { return };
            let message = Message::builder().from(self.from.clone()).to(to).subject(subject).body(body);
            let sent = match message {
                Ok(message) => self.transport.send(message).await.map(|_| ()).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                tracing::error!(%error, "a message with a new password's link could not be sent");
            }
        });
    }
}
