//! What messages say of target files.

use crate::reading::Format;

pub(super) const FORMAT: Format = Format { whole: "the target file", example };

/// How a key is written, for messages.
fn example(path: &str, key: &str) -> Option<String> {
    let value = match (path, key) {
        ("", "name") => "\"notes-service\"",
        ("", "version") => "\"1.4.2\"",
        ("", "about") => "\"What runs where, and what is cached for how long.\"",
        ("", "instance_header") => "\"x-instance\"",
        ("", "token_permissions") => "\"/permissions\"",
        ("", "metrics") => "\"/metrics\"",
        ("", "authority" | "sign_in" | "protected") => return Some(format!("[{key}]")),
        ("", "instance" | "change") => return Some(format!("[[{key}]]")),
        ("authority" | "instance", "address") => "\"http://127.0.0.1:8001\"",
        ("instance", "name") => "\"r0\"",
        ("values", _) => "\"revbench\"",
        ("secrets", "env") => "\"ADMIN_TOKEN\"",
        ("secrets", "file") => "\"admin.token\"",
        ("settings", _) => "\"30s\"",
        ("subjects", "table") => "\"users.csv\"",
        ("sign_in" | "refresh", "path") => "\"/token\"",
        ("protected", "path") => "\"/notes\"",
        ("change" | "undo" | "withhold", "path") => "\"/admin/users/{{subject}}/role\"",
        ("seed", "path") => "\"/admin/users\"",
        (_, "method") => "\"POST\"",
        (_, "at") => "\"authority\"",
        (_, "body") => "\"name={{subject}}\"",
        ("headers", _) => "\"Bearer {{access_token}}\"",
        ("capture", _) => "\"/access_token\"",
        ("change", "scenario") => "\"role-demoted\"",
        ("change", "bound") => "\"cache_age + 1s\"",
        ("change", "bound_source") => "\"https://docs.example.com/caching\"",
        ("limits", "requests_per_s") => "200",
        ("limits", "sign_ins_per_s") => "5",
        ("limits", "changes_per_s") => "2",
        ("transport", "http") => "\"2\"",
        ("transport", "ca") => "\"ca.pem\"",
        ("transport", "client_certificate") => "\"client.pem\"",
        ("transport", "client_key") => "\"client.key\"",
        _ => return None,
    };
    Some(format!("{key} = {value}"))
}
