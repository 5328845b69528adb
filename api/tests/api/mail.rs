//! Messages that carry a secret, as a mail server receives them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::cluster::Cluster;
use crate::people::{PASSWORD, administration, post, read, sign_in};
use crate::service::Service;

/// Speaks SMTP on a connection, as a server that takes everything; passes on what it was given.
async fn receive(stream: TcpStream, received: mpsc::UnboundedSender<String>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 here\r\n").await?;
    let (mut message, mut in_message) = (String::new(), false);
    while let Some(line) = lines.next_line().await? {
        let answer = match line.as_str() {
            "." if in_message => {
                in_message = false;
                let _ = received.send(std::mem::take(&mut message));
                "250 taken\r\n"
            }
            _ if in_message => {
                message.push_str(&line);
                message.push('\n');
                continue;
            }
            "DATA" => {
                in_message = true;
                "354 go on\r\n"
            }
            "QUIT" => "221 bye\r\n",
            line => {
                message.push_str(if line.starts_with("RCPT") { line } else { "" });
                "250 well\r\n"
            }
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_or_forgot_chooses_a_password_by_mail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("smtp://{}", listener.local_addr().expect("an address"));
    let (sender, mut received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, sender.clone()));
        }
    });
    let settings = [
        ("FANDOM_SMTP_URL", address.as_str()),
        ("FANDOM_SMTP_FROM", "Figures <figures@example.com>"),
        ("FANDOM_API_URL", "https://figures.example"),
    ];
    let service = Service::over(Cluster::shared().await.database().await, &settings).await;
    let mut secret = async || {
        let message = tokio::time::timeout(Duration::from_secs(10), received.recv()).await;
        let message = message.expect("a message in time").expect("a message");
        assert!(message.contains("<ana@example.com>"), "{message}");
        let line = message.lines().find_map(|line| line.strip_prefix("https://figures.example/#password="));
        line.expect("a link to the page").trim().to_owned()
    };
    let choose = async |token: &str, password: &str| {
        post(&service, "/auth/reset", &json!({ "token": token, "password": password })).await.status
    };
    let invite = service.http.post(service.url("/api/v1/users")).header("content-type", "application/json");
    let invite = invite.body(json!({ "email": "ana@example.com", "role": "analyst" }).to_string());
    let invited = read(invite.send().await.expect("an answer")).await;
    assert_eq!((invited.status, invited.json().get("token")), (201, None), "the administrator does not see it");
    assert_eq!(sign_in(&service, "ana@example.com", "").await.status, 401, "no password is none");
    assert_eq!(choose(&secret().await, PASSWORD).await, 204);
    assert_eq!(sign_in(&service, "ana@example.com", PASSWORD).await.status, 200);

    let forgotten = async |email: &str| -> (u16, Value) {
        let answer = post(&service, "/auth/forgotten", &json!({ "email": email })).await;
        (answer.status, answer.json())
    };
    let unknown = forgotten("nobody@example.com").await;
    assert_eq!((unknown.0, forgotten("Ana@example.com").await), (202, unknown), "whether there is such an account");
    let first = secret().await;
    forgotten("ana@example.com").await;
    let second = secret().await;
    assert_eq!(choose(&first, "an entirely new one").await, 401, "only the last one holds");
    assert_eq!(choose(&second, "an entirely new one").await, 204);
    assert_eq!(choose(&second, "yet another password").await, 401, "once");
    assert_eq!(sign_in(&service, "ana@example.com", "an entirely new one").await.status, 200);
    let kept = service.select("select to_jsonb(count(*)) from app.password_tokens").await;
    assert_eq!(kept, 0);
    administration(&service).verify_audit().await.expect("all of it is in the trail, which is whole");
}
