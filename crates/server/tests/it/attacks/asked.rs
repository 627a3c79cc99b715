//! Requests to the authority that try for more than the asker's due.

use serde_json::json;

use crate::fleet::{ADMIN, RESOURCE};

/// A request to the authority, and what must come of it.
pub(super) struct Asked {
    /// Its number in the catalogue.
    pub(super) class: u8,
    pub(super) what: String,
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    pub(super) status: u16,
    /// What the answer says, among other things.
    pub(super) says: &'static str,
}

impl Asked {
    fn new(class: u8, what: impl Into<String>, path: &str, body: impl Into<String>) -> Asked {
        Asked {
            class,
            what: what.into(),
            method: "POST",
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.into(),
            status: 400,
            says: "",
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Asked {
        self.headers.push((name, value.into()));
        self
    }

    fn answered(self, status: u16, says: &'static str) -> Asked {
        Asked { status, says, ..self }
    }
}

pub(super) const BAD_GRANT: &str = r#""error":"invalid_grant""#;
const BAD_REQUEST: &str = r#""error":"invalid_request""#;
/// Said before they are compared with each other.
const FLOOD: &str = "more than 16 parameters";
pub(super) const INACTIVE: &str = r#"{"active":false}"#;

/// With an access and a refresh token of ann's that are good, and a refresh token of bob's.
pub(super) fn rows(access: &str, refresh: &str, of_bob: &str) -> Vec<Asked> {
    let mut rows = confused(access, refresh);
    rows.extend(mixed(refresh, of_bob));
    rows.extend(smuggled(refresh));
    rows.extend(large());
    rows.extend(administrators(access));
    rows.extend(methods());
    rows
}

/// Good tokens in places that are not theirs, and parties that are not who they say.
fn confused(access: &str, refresh: &str) -> Vec<Asked> {
    let token = |class, what: &str, body: String| Asked::new(class, what, "/token", body);
    let refreshing = format!("grant_type=refresh_token&refresh_token={refresh}");
    let of_bob = json!({
        "orientation": "revoke", "scope": { "subject": "bob" }, "permission": "orders:write", "reason": "r",
    })
    .to_string();
    vec![
        token(
            44,
            "an access token as refresh token",
            format!("grant_type=refresh_token&refresh_token={access}"),
        )
        .answered(400, BAD_GRANT),
        token(
            44,
            "a refresh token as password",
            format!("grant_type=password&username=ann&password={refresh}"),
        )
        .answered(400, BAD_GRANT),
        Asked::new(44, "a refresh token as access token", "/me/changes", "{}")
            .header("authorization", format!("Bearer {refresh}"))
            .answered(401, ""),
        Asked::new(44, "a refresh token introspected", "/introspect", format!("token={refresh}"))
            .header("authorization", format!("Bearer {ADMIN}"))
            .answered(200, INACTIVE),
        token(46, "another client", format!("{refreshing}&client_id=another"))
            .answered(400, r#""error":"invalid_client""#),
        token(
            46,
            "another client signs in",
            "grant_type=password&username=ann&password=ann&client_id=x".to_owned(),
        )
        .answered(400, r#""error":"invalid_client""#),
        Asked::new(41, "a change of somebody else", "/me/changes", of_bob)
            .header("authorization", format!("Bearer {access}"))
            .answered(403, r#""error":"access_denied""#),
        token(41, "a name that ends early", "grant_type=password&username=ann%00&password=ann%00".to_owned())
            .answered(400, BAD_GRANT),
        token(41, "a name with a path", "grant_type=password&username=../ann&password=../ann".to_owned())
            .answered(400, BAD_GRANT),
        token(41, "a name in capitals", "grant_type=password&username=ANN&password=ANN".to_owned())
            .answered(400, BAD_GRANT),
        token(41, "a name that is a pattern", "grant_type=password&username=*&password=*".to_owned())
            .answered(400, BAD_GRANT),
    ]
}

/// Parts of one refresh token with parts of another's, and refresh tokens written otherwise.
fn mixed(refresh: &str, of_bob: &str) -> Vec<Asked> {
    let form = |class, what: String, text: &str| {
        let token: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let body = format!("grant_type=refresh_token&refresh_token={token}");
        Asked::new(class, what, "/token", body).answered(400, BAD_GRANT)
    };
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (anns, bobs) = (parts(refresh), parts(of_bob));
    let mut rows = Vec::new();
    for at in (0..anns.len()).filter(|&at| anns[at] != bobs[at]) {
        let mut mixed = anns.clone();
        mixed[at].clone_from(&bobs[at]);
        rows.push(form(53, format!("part {at} of somebody else's refresh token"), &mixed.join(".")));
        let mut without = anns.clone();
        without[at].clear();
        rows.push(form(5, format!("a refresh token without part {at}"), &without.join(".")));
    }
    for (class, what, text) in [
        (3, "the last characters cut", refresh[..refresh.len() - 4].to_owned()),
        (4, "a character changed", format!("{}!", &refresh[..refresh.len() - 1])),
        (6, "a part more", format!("{refresh}.x")),
        (29, "a space before", format!(" {refresh}")),
        (29, "a newline behind", format!("{refresh}\n")),
        (29, "padding", format!("{refresh}=")),
        (29, "encoded twice", refresh.replace('.', "%2E")),
        (51, "NUL behind", format!("{refresh}\0")),
        (50, "10 000 dots", ".".repeat(10_000)),
    ] {
        rows.push(form(class, format!("a refresh token, {what}"), &text));
    }
    rows
}

/// Forms that two layers could read in two ways. Parameters come in the body, once each.
fn smuggled(refresh: &str) -> Vec<Asked> {
    let sign_in = "grant_type=password&username=ann&password=ann";
    let row =
        |what: &str, path: &str, body: String| Asked::new(52, what, path, body).answered(400, BAD_REQUEST);
    let json = json!({ "grant_type": "password", "username": "ann", "password": "ann" }).to_string();
    let multipart = "--x\r\ncontent-disposition: form-data; name=\"grant_type\"\r\n\r\npassword\r\n--x--\r\n";
    vec![
        row("parameters in the query", &format!("/token?{sign_in}"), String::new()),
        row("half in the query", "/token?grant_type=password", "username=ann&password=ann".to_owned()),
        row("a parameter twice", "/token", format!("{sign_in}&username=bob")),
        row("the same parameter twice", "/token", format!("{sign_in}&username=ann")),
        row("a parameter twice, once encoded", "/token", format!("{sign_in}&%75sername=bob")),
        row(
            "two grant types",
            "/token",
            format!("{sign_in}&grant_type=refresh_token&refresh_token={refresh}"),
        ),
        row("an empty parameter", "/token", "grant_type=password&username=&password=".to_owned()),
        row("semicolons", "/token", sign_in.replacen('&', ";", 2))
            .answered(400, r#""error":"unsupported_grant_type""#),
        row("another case", "/token", sign_in.to_uppercase()),
        row("brackets", "/token", sign_in.replace('=', "[]=")),
        row("JSON", "/token", json).header("content-type", "application/json"),
        row("several parts", "/token", multipart.to_owned())
            .header("content-type", "multipart/form-data; boundary=x"),
        row("bytes that are no text", "/token", "%ff%fe=%ff".to_owned()),
        row("two tokens to revoke", "/revoke", format!("token={refresh}&token=x")),
        row("a token to revoke in the query", &format!("/revoke?token={refresh}"), String::new()),
        row("two tokens to introspect", "/introspect", format!("token={refresh}&token=x"))
            .header("authorization", format!("Bearer {ADMIN}")),
    ]
}

fn large() -> Vec<Asked> {
    let parameters: String = (0..7_000).map(|at| format!("p{at}=&")).collect();
    let nested = format!("{{\"scope\":{}", "[".repeat(30_000));
    let many: String = (0..500).map(|at| format!("\"m{at}\":0,")).collect();
    let admin = format!("Bearer {ADMIN}");
    vec![
        Asked::new(50, "7 000 parameters", "/token", parameters.clone()).answered(400, FLOOD),
        Asked::new(50, "7 000 parameters", "/revoke", parameters).answered(400, FLOOD),
        Asked::new(50, "a body of 100 kB", "/token", "x".repeat(100_000)).answered(413, ""),
        Asked::new(50, "a body of 100 kB", "/me/changes", "x".repeat(100_000)).answered(413, ""),
        Asked::new(50, "a change nested 30 000 deep", "/admin/changes", nested)
            .header("authorization", &admin)
            .answered(400, BAD_REQUEST),
        Asked::new(30, "a change with a member twice", "/admin/changes", {
            r#"{"orientation":"grant","orientation":"revoke","scope":{"subject":"ann"},"reason":"r"}"#
        })
        .header("authorization", &admin)
        .answered(400, BAD_REQUEST),
        Asked::new(30, "a change of two scopes", "/admin/changes", {
            r#"{"orientation":"revoke","scope":{"subject":"ann","session":"s"},"reason":"r"}"#
        })
        .header("authorization", &admin)
        .answered(400, BAD_REQUEST),
        Asked::new(50, "a change of 500 unknown members", "/admin/changes", format!("{{{many}\"x\":0}}"))
            .header("authorization", &admin)
            .answered(400, BAD_REQUEST),
    ]
}

/// Whoever is not the administrator.
fn administrators(access: &str) -> Vec<Asked> {
    let mut rows = Vec::new();
    let others = [
        (1, "nobody", None),
        (2, "an empty secret", Some("Bearer ".to_owned())),
        (3, "the secret's beginning", Some(format!("Bearer {}", &ADMIN[..ADMIN.len() - 1]))),
        (6, "the secret and more", Some(format!("Bearer {ADMIN}x"))),
        (44, "a subject's token", Some(format!("Bearer {access}"))),
        (52, "the secret by another scheme", Some(format!("Basic {ADMIN}"))),
        (52, "the secret without a scheme", Some(ADMIN.to_owned())),
        (52, "the secret in capitals", Some(format!("Bearer {}", ADMIN.to_uppercase()))),
        (52, "the secret and a comma", Some(format!("Bearer {ADMIN}, Bearer {access}"))),
    ];
    for path in ["/admin/changes", "/admin/subjects", "/introspect"] {
        for (class, what, value) in &others {
            let row = Asked::new(*class, format!("{path} by {what}"), path, format!("token={access}"));
            let row = match value {
                Some(value) => row.header("authorization", value),
                None => row,
            };
            rows.push(row.answered(401, ""));
        }
        let twice = Asked::new(52, format!("{path} by two headers"), path, "")
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("authorization", format!("Bearer {access}"));
        rows.push(twice.answered(401, ""));
        for name in ["x-authorization", "proxy-authorization", "x-forwarded-authorization", "cookie"] {
            let row = Asked::new(52, format!("{path} by {name}"), path, "");
            rows.push(row.header(name, format!("Bearer {ADMIN}")).answered(401, ""));
        }
        let by_query = format!("{path}?access_token={}", ADMIN.replace(' ', "%20"));
        rows.push(Asked::new(52, format!("{path} by query"), &by_query, "").answered(401, ""));
    }
    for path in ["/admin/changes", "/admin/subjects"] {
        let row = Asked::new(44, format!("{path} by a resource server"), path, "{}");
        rows.push(row.header("authorization", format!("Bearer {RESOURCE}")).answered(401, ""));
    }
    rows
}

/// Nothing is done by other methods, whatever a header says the method is.
fn methods() -> Vec<Asked> {
    let mut rows = Vec::new();
    let posted = ["/token", "/revoke", "/introspect", "/me/changes", "/admin/changes", "/admin/subjects"];
    for path in posted {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let row = Asked::new(
                57,
                format!("{method} {path}"),
                path,
                "grant_type=password&username=ann&password=ann",
            )
            .header("authorization", format!("Bearer {ADMIN}"))
            .header("x-http-method-override", "POST");
            rows.push(Asked { method, ..row }.answered(405, ""));
        }
    }
    rows.push(Asked::new(57, "new keys", "/.well-known/jwks.json", r#"{"keys":[]}"#).answered(405, ""));
    rows
}
