//! The files about webhooks: who is told, and the secrets that sign.

use process_wrapper::webhook::file::{InvalidWebhookFile, parse};
use process_wrapper::webhook::file_syntax::MalformedLine;
use process_wrapper::webhook::signature::Secrets;

use super::cursor::is_telling;
use super::webhook_url::without_header_name;

/// What a file says can be written down and read again; an error names a line of the file and
/// repeats none. A file of secrets signs once for each of its lines.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text) {
        Ok(webhooks) => {
            assert!(!webhooks.is_empty());
            let mut written = String::from("# written again\n");
            for webhook in &webhooks {
                written += &format!("{} {}\n", webhook.method().name(), webhook.url());
                for (name, value) in webhook.headers() {
                    written += &format!("{name}: {}\n", value.to_str().unwrap());
                }
                written += "\n";
            }
            assert_eq!(parse(&written).unwrap(), webhooks);
        }
        Err(error) => {
            let line = match &error {
                InvalidWebhookFile::Empty => 1,
                InvalidWebhookFile::Line(
                    MalformedLine::Header(line) | MalformedLine::AfterUrl(line),
                )
                | InvalidWebhookFile::Webhook(line, _) => *line,
            };
            assert!(line >= 1 && line <= text.lines().count().max(1), "{error}");
            let said = error.to_string();
            let said = match &error {
                InvalidWebhookFile::Empty | InvalidWebhookFile::Line(_) => said,
                InvalidWebhookFile::Webhook(_, error) => without_header_name(&said, error),
            };
            is_one_line_without_secrets(&said, text);
        }
    }
    match Secrets::parse(text) {
        Ok(secrets) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
            let signature = secrets.sign("msg_1", 1, text).unwrap();
            assert_eq!(signature.split(' ').count(), lines);
            assert!(
                signature
                    .split(' ')
                    .all(|one| one.starts_with("v1,") && one.len() == 47)
            );
            assert_eq!(secrets.sign("msg_1", 1, text), Some(signature.clone()));
            assert_ne!(secrets.sign("msg_1", 2, text), Some(signature.clone()));
            assert_ne!(secrets.sign("msg_2", 1, text), Some(signature));
            assert_eq!(format!("{secrets:?}"), format!("Secrets({lines})"));
        }
        Err(error) => is_one_line_without_secrets(&error.to_string(), text),
    }
}

fn is_one_line_without_secrets(error: &str, text: &str) {
    assert!(!error.contains('\n'), "one line: {error}");
    for line in text.lines().map(str::trim) {
        let value = line.split_once(':').map_or(line, |(_, value)| value.trim());
        assert!(!is_telling(value) || !error.contains(value), "{error}");
    }
}
