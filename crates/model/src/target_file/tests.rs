//! Wrong files and what is said about them; right files and what is read from them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Problem;
use crate::problem::{self, line_column};
use crate::target::{Answers, Party};

const REFERENCE: &str = include_str!("../../../../examples/targets/reference.toml");

const RIGHT: &str = r#"name = "notes-service"
about = "A service of notes."

[authority]
address = "http://127.0.0.1:8001"

[[instance]]
address = "http://127.0.0.1:8002"

[values]
client_id = "revbench"

[secrets]
admin_token = { env = "NOTES_ADMIN_TOKEN" }

[settings]
cache_age = "30s"

[subjects]
seed = { path = "/admin/users", headers = { authorization = "Bearer {{admin_token}}" }, json = { name = "{{subject}}" } }

[sign_in]
path = "/token"
form = { grant_type = "password", username = "{{subject}}", client_id = "{{client_id}}" }
capture = { access_token = "/access_token", refresh_token = "/refresh_token" }

[refresh]
path = "/token"
form = { grant_type = "refresh_token", refresh_token = "{{refresh_token}}" }
capture = { access_token = "/access_token" }

[protected]
path = "/notes"
headers = { authorization = "Bearer {{access_token}}" }

[[change]]
scenario = "role-demoted"
path = "/admin/users/{{subject}}/role"
headers = { authorization = "Bearer {{admin_token}}" }
json = { role = "viewer" }
bound = "cache_age + 1s"
"#;

fn show(problems: &[Problem], text: &str) -> String {
    let line = |problem: &Problem| {
        let (line, column) = problem.line_column(text);
        let help = problem.help.as_ref().map(|help| format!("\n    {help}")).unwrap_or_default();
        format!("{line}:{column} {} {}{help}", problem.code, problem.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Every problem of a text.
fn problems_of(text: &str) -> String {
    match parse("mine.toml", text) {
        Ok(_) => "no problem".to_owned(),
        Err(problems) => show(&problems, text),
    }
}

/// The right file after some replacements, each at the first place only.
fn changed(replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(RIGHT.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "'{old}' is not in the right file");
        text.replacen(old, new, 1)
    })
}

/// The problems of the right file after some replacements.
fn after(replacements: &[(&str, &str)]) -> String {
    problems_of(&changed(replacements))
}

/// What is read from the right file after some replacements.
fn read(replacements: &[(&str, &str)]) -> TargetFile {
    let text = changed(replacements);
    parse("mine.toml", &text).unwrap_or_else(|problems| panic!("{}", show(&problems, &text)))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
}

#[test]
fn a_right_file_is_read_whole() {
    let file = read(&[]);
    let exchange =
        |path: &str, headers: &[(&str, &str)], body: Option<&str>, captures: &[(&str, &str)]| Exchange {
            at: Party::Authority,
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: pairs(headers),
            body: body.map(str::to_owned),
            captures: pairs(captures).into_iter().collect(),
            accepts: Vec::new(),
        };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let admin = [("authorization", "Bearer {{admin_token}}"), ("content-type", "application/json")];
    let make = exchange("/admin/users/{{subject}}/role", &admin, Some(r#"{"role":"viewer"}"#), &[]);
    let expected = TargetFile {
        name: "notes-service".to_owned(),
        version: None,
        about: "A service of notes.".to_owned(),
        authority: Address { tls: false, host: "127.0.0.1".to_owned(), port: 8001 },
        instances: vec![TargetInstance {
            address: Address { tls: false, host: "127.0.0.1".to_owned(), port: 8002 },
            name: "r0".to_owned(),
        }],
        target: Target {
            sign_in: exchange(
                "/token",
                &form,
                Some("client_id={{client_id}}&grant_type=password&username={{subject}}"),
                &[("access_token", "/access_token"), ("refresh_token", "/refresh_token")],
            ),
            refresh: Some(exchange(
                "/token",
                &form,
                Some("grant_type=refresh_token&refresh_token={{refresh_token}}"),
                &[("access_token", "/access_token")],
            )),
            protected: Exchange {
                at: Party::Resource,
                method: "GET".to_owned(),
                ..exchange("/notes", &[("authorization", "Bearer {{access_token}}")], None, &[])
            },
            stream: None,
            change: make.clone(),
            own_change: make.clone(),
            revoke_token: make.clone(),
            answers: Answers { allow: vec![200], deny: vec![403], reauthenticate: vec![401] },
            instance_header: None,
            decided_at_header: None,
            reissued_header: None,
            token_permissions: None,
            variables: BTreeMap::from([("client_id".to_owned(), "revbench".to_owned())]),
        },
        subjects: Subjects::Generated {
            seed: Some(exchange("/admin/users", &admin, Some(r#"{"name":"{{subject}}"}"#), &[])),
        },
        settings: BTreeMap::from([("cache_age".to_owned(), 30_000.0)]),
        changes: vec![TargetChange {
            scenario: "role-demoted".to_owned(),
            make,
            undo: None,
            withhold: None,
            bound: Some(TargetBound { formula: "cache_age + 1s".to_owned(), ms: 31_000.0, source: None }),
        }],
        metrics: None,
        limits: TargetLimits::default(),
        transport: TargetTransport::default(),
        secrets: BTreeMap::from([("admin_token".to_owned(), Secret::Env("NOTES_ADMIN_TOKEN".to_owned()))]),
    };
    assert_eq!(file, expected);
}

#[test]
fn everything_that_may_be_said_is_read() {
    let file = read(&[
        (
            "about =",
            "version = \"1.4.2\"\ninstance_header = \"X-Instance\"\ntoken_permissions = \"/permissions\"\nmetrics = \"/metrics\"\nabout =",
        ),
        ("\"http://127.0.0.1:8001\"", "\"https://auth.example.com\""),
        ("\"http://127.0.0.1:8002\"", "\"https://[::1]:8443\"\nname = \"pod-1\""),
        ("{ env = \"NOTES_ADMIN_TOKEN\" }", "{ file = \"admin.token\" }"),
        ("[refresh]", "at = \"resource\"\nmethod = \"PUT\"\naccepts = [200, 302]\n\n[refresh]"),
        ("[[change]]", "[answers]\nallow = [200, 204]\ndeny = [401, 404]\n\n[[change]]"),
        (
            "bound = \"cache_age + 1s\"",
            "bound = \" 2 * cache_age+500ms + cache_age * 0.5 \"\nbound_source = \"https://docs.example.com\"\n\
             undo = { method = \"DELETE\", path = \"/u\", accepts = [404] }\nwithhold = { path = \"/w\" }\n\
             [limits]\nrequests_per_s = 50\nsign_ins_per_s = 0.5\nchanges_per_s = 2\n\
             [transport]\nhttp = \"2\"\nca = \"ca.pem\"\nclient_certificate = \"c.pem\"\nclient_key = \"c.key\"",
        ),
    ]);
    assert_eq!(file.version.as_deref(), Some("1.4.2"));
    assert_eq!(file.metrics.as_deref(), Some("/metrics"));
    assert_eq!(file.target.instance_header.as_deref(), Some("x-instance"));
    assert_eq!(file.target.token_permissions.as_deref(), Some("/permissions"));
    assert_eq!(file.authority, Address { tls: true, host: "auth.example.com".to_owned(), port: 443 });
    assert_eq!(file.instances[0].name, "pod-1");
    assert_eq!(file.secrets["admin_token"], Secret::File("admin.token".to_owned()));
    let sign_in = &file.target.sign_in;
    assert_eq!(
        (sign_in.at, sign_in.method.as_str(), &sign_in.accepts[..]),
        (Party::Resource, "PUT", &[200, 302][..])
    );
    // 401 is refusal here, so that by default nothing is left that asks for another sign-in.
    let answers = Answers { allow: vec![200, 204], deny: vec![401, 404], reauthenticate: vec![] };
    assert_eq!(file.target.answers, answers);
    let change = &file.changes[0];
    let bound = change.bound.as_ref().unwrap();
    assert_eq!((bound.formula.as_str(), bound.ms), ("2 * cache_age+500ms + cache_age * 0.5", 75_500.0));
    assert_eq!(bound.source.as_deref(), Some("https://docs.example.com"));
    let undo = change.undo.as_ref().unwrap();
    assert_eq!((undo.method.as_str(), &undo.accepts[..]), ("DELETE", &[404][..]));
    assert_eq!(change.withhold.as_ref().unwrap().method, "POST");
    let limits =
        TargetLimits { requests_per_s: Some(50.0), sign_ins_per_s: Some(0.5), changes_per_s: Some(2.0) };
    assert_eq!(file.limits, limits);
    let client = Some(("c.pem".to_owned(), "c.key".to_owned()));
    assert_eq!(file.transport, TargetTransport { http2: true, ca: Some("ca.pem".to_owned()), client });
}

#[test]
fn bodies_become_text() {
    let check = |written: &str, content_type: &str, body: &str| {
        let file = read(&[("json = { role = \"viewer\" }", written)]);
        let make = &file.changes[0].make;
        let found =
            make.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
        assert_eq!((found, make.body.as_deref()), (Some(content_type), Some(body)), "{written}");
    };
    check("json = {}", "application/json", "{}");
    check(
        r#"json = { a = [1, 0x10, -2.5, true], b = "\"{{subject}}\"", c = { d = "{{permission_json}}" }, at = 1979-05-27 }"#,
        "application/json",
        r#"{"a":[1,16,-2.5,true],"at":"1979-05-27","b":"\"{{subject}}\"","c":{"d":{{permission_json}}}}"#,
    );
    check(r#"json = ["{{subject}}"]"#, "application/json", r#"["{{subject}}"]"#);
    check(
        r#"form = { "a b" = "c&{{subject}}@d", n = 3, t = true, e = "" }"#,
        "application/x-www-form-urlencoded",
        "a%20b=c%26{{subject}}%40d&e=&n=3&t=true",
    );
    let headers = r#"headers = { authorization = "Bearer {{admin_token}}" }"#;
    let check_own = |kind: &str, written: &str, body: &str| {
        let typed = format!(r#"headers = {{ Content-Type = "{kind}" }}"#);
        let text = RIGHT.replace("json = { role = \"viewer\" }", written);
        let at = text.rfind(headers).unwrap();
        let text = format!("{}{typed}{}", &text[..at], &text[at + headers.len()..]);
        let file = parse("mine.toml", &text).unwrap_or_else(|problems| panic!("{}", show(&problems, &text)));
        let make = &file.changes[0].make;
        assert_eq!((&make.headers, make.body.as_deref()), (&pairs(&[("content-type", kind)]), Some(body)));
    };
    check_own("application/scim+json", "json = { active = false }", r#"{"active":false}"#);
    check_own("application/xml", r#"body = "<a>{{subject}}}}</a>""#, "<a>{{subject}}}}</a>");
}

#[test]
fn a_session_may_be_held_by_cookies_alone() {
    let file = read(&[
        (
            "capture = { access_token = \"/access_token\", refresh_token = \"/refresh_token\" }",
            "accepts = [303]",
        ),
        (
            "form = { grant_type = \"refresh_token\", refresh_token = \"{{refresh_token}}\" }\ncapture = { access_token = \"/access_token\" }",
            "headers = { cookie = \"{{cookies}}\" }",
        ),
        ("{ authorization = \"Bearer {{access_token}}\" }", "{ cookie = \"{{cookies}}\" }"),
    ]);
    assert!(file.target.sign_in.captures.is_empty());
}

#[test]
fn an_empty_file_lacks_everything() {
    insta::assert_snapshot!(problems_of(""), @r#"
    1:1 E003 missing key 'name' in the target file
        add: name = "notes-service"
    1:1 E003 missing key 'about' in the target file
        add: about = "What runs where, and what is cached for how long."
    1:1 E003 missing key 'authority' in the target file
        add: [authority]
    1:1 E003 missing key 'instance' in the target file
        add: [[instance]]
    1:1 E003 missing key 'sign_in' in the target file
        add: [sign_in]
    1:1 E003 missing key 'protected' in the target file
        add: [protected]
    1:1 E003 missing key 'change' in the target file
        add: [[change]]
    "#);
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = after(&[
        ("name = \"notes-service\"", "nam = \"notes\""),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001/oauth"),
        ("http://127.0.0.1:8002", "127.0.0.1:8002"),
        ("\"30s\"", "30"),
        ("path = \"/admin/users\"", "pth = \"/admin/users\""),
        ("\"/access_token\"", "\"$.access_token\""),
        ("{{access_token}}", "{{acess_token}}"),
        ("\"role-demoted\"", "\"Role demoted\""),
        ("cache_age + 1s", "cache_ag + 1"),
    ]);
    insta::assert_snapshot!(text, @r#"
    1:1 E002 unknown key 'nam' in the target file
        did you mean 'name'? known keys: name, version, about, instance_header, token_permissions, metrics, authority, instance, values, secrets, settings, subjects, sign_in, refresh, protected, answers, change, limits, transport
    1:1 E003 missing key 'name' in the target file
        add: name = "notes-service"
    5:11 E018 address 'http://127.0.0.1:8001/oauth' carries a path
        write http://127.0.0.1:8001 here, and paths in each request
    8:11 E018 address '127.0.0.1:8002' begins neither with http:// nor with https://
        write it like http://127.0.0.1:8001 or https://auth.example.com
    17:13 E006 duration 30 of 'cache_age' has no unit
        write it in quotes with a unit: cache_age = "30s"
    20:8 E003 missing key 'path' in seed of [subjects]
        add: path = "/admin/users"
    20:10 E002 unknown key 'pth' in seed of [subjects]
        did you mean 'path'? known keys: at, method, path, headers, form, json, body, capture, accepts
    25:28 E017 '$.access_token' is no place in an answer
        write a JSON pointer such as access_token = "/access_token", or "header NAME", or "cookie NAME"
    34:37 E015 no variable is called 'acess_token' here
        did you mean 'access_token'? known here: access_token, refresh_token, subject, permission, permission_json, cookies, client_id, admin_token
    37:12 E008 'Role demoted' is no value of 'scenario'
        use at most 60 lowercase letters and digits, words joined by hyphens, such as 'role-demoted'
    41:10 E013 no setting is called 'cache_ag'
        did you mean 'cache_age'? known under [settings]: cache_age
    41:21 E006 duration '1' is not a number with a unit; write it like '500us', '250ms', '3s', '2m' or '1h'
        write it like 'cache_age + 1s' or '2 * cache_age'
    "#);
}

#[test]
fn values_of_the_wrong_kind() {
    let text = after(&[
        ("\"A service of notes.\"", "3"),
        ("[[instance]]", "[instance]"),
        ("client_id = \"revbench\"", "client_id = 7"),
        ("{ env = \"NOTES_ADMIN_TOKEN\" }", "7"),
        ("path = \"/token\"", "path = \"/token\"\nmethod = \"post\"\naccepts = 200"),
        ("json = { role", "json = \"{}\"\nheader = { role"),
        (
            "[[change]]",
            "[answers]\nallow = [\"ok\"]\ndeny = [99]\n[limits]\nrequests_per_s = \"many\"\nsign_ins_per_s = 0\n[transport]\nhttp = \"3\"\n[[change]]",
        ),
    ]);
    insta::assert_snapshot!(text, @r#"
    2:9 E004 'about' takes text in quotes, not a number
        for example: about = "What runs where, and what is cached for how long."
    7:1 E004 'instance' takes a list of tables, not a table
        for example: [[instance]], in double brackets
    11:13 E004 'client_id' takes text in quotes, not a number
        for example: client_id = "revbench"
    14:15 E004 'admin_token' takes a table, not a number
        for example: env = "ADMIN_TOKEN"
    24:10 E005 unknown value 'post' of 'method'
        did you mean 'POST'? accepted: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
    25:11 E004 'accepts' takes a list of statuses, not a number
        for example: accepts = [200]
    39:10 E004 'allow' takes whole numbers in its list, not text
        for example: allow = [200]
    40:9 E007 99 is no status of a whole answer: they go from 200 to 599
        deny = [200]
    42:18 E004 'requests_per_s' takes a number, not text
        for example: requests_per_s = 200
    43:18 E007 0 is no value of 'sign_ins_per_s': it goes from 0.01 to 1000000
        sign_ins_per_s = 5
    45:8 E005 unknown value '3' of 'http'
        accepted: 1.1, 2
    50:8 E004 'json' takes a table or a list, not text
        for example: json = { role = "viewer" }
    51:1 E002 unknown key 'header' in [[change]] 'role-demoted'
        did you mean 'headers'? known keys: scenario, at, method, path, headers, form, json, body, capture, accepts, undo, withhold, bound, bound_source
    "#);
}

#[test]
fn variables_that_nobody_defines() {
    insta::assert_snapshot!(after(&[("\"/admin/users\"", "\"/admin/{{access_token}}\"")]), @"
    20:25 E015 no variable is called 'access_token' here
        did you mean 'admin_token'? known here: subject, permission, permission_json, orientation, reason, client_id, admin_token
    ");
    insta::assert_snapshot!(after(&[("username = \"{{subject}}\"", "username = \"{{subjct}}\", nonce = \"{{subject}}\"")]), @"
    24:47 E015 no variable is called 'subjct' here
        did you mean 'subject'? known here: subject, address, permission, permission_json, client_id, admin_token
    ");
    insta::assert_snapshot!(after(&[("\"/notes\"", "\"/notes?reason={{reason}}\"")]), @"
    33:23 E015 no variable is called 'reason' here
        known here: access_token, refresh_token, subject, permission, permission_json, cookies, client_id, admin_token
    ");
    insta::assert_snapshot!(after(&[("role = \"viewer\"", "role = \"{{rol}}\"")]), @"
    40:18 E015 no variable is called 'rol' here
        known here: access_token, refresh_token, subject, permission, permission_json, orientation, reason, scope_kind, scope_id, scope_json, cookies, client_id, admin_token
    ");
    // Captured by the refresh alone, it is not there at first.
    insta::assert_snapshot!(after(&[
        ("capture = { access_token = \"/access_token\" }", "capture = { access_token = \"/access_token\", id = \"/id\" }"),
        ("\"/notes\"", "\"/notes/{{id}}\""),
    ]), @"
    33:16 E015 no variable is called 'id' here
        known here: access_token, refresh_token, subject, permission, permission_json, cookies, client_id, admin_token
    ");
}

#[test]
fn braces_and_json_in_texts() {
    insta::assert_snapshot!(after(&[("\"/notes\"", "\"/notes/{{subject\"")]), @"
    33:16 E016 '{{' without '}}'
        write {{name}}, with two braces on either side
    ");
    insta::assert_snapshot!(after(&[("\"Bearer {{access_token}}\"", "\"Bearer {{access_token}} }}\"")]), @"
    34:54 E016 '}}' without '{{'
        write {{name}}, with two braces on either side
    ");
    insta::assert_snapshot!(after(&[("username = \"{{subject}}\"", "username = \"{{subject}}\", scope = \"{{permission_json}}\"")]), @r#"
    24:70 E016 'permission_json' is filled in as JSON, which would break the text around it
        let it be a value of json by itself: key = "{{permission_json}}"
    "#);
    insta::assert_snapshot!(after(&[("role = \"viewer\"", "role = \"a {{permission_json}}\"")]), @r#"
    40:20 E016 'permission_json' is filled in as JSON, which would break the text around it
        let it be a value of json by itself: key = "{{permission_json}}"
    "#);
    insta::assert_snapshot!(after(&[("client_id = \"revbench\"", "client_id = \"{{subject}}\"")]), @"
    11:13 E016 values are plain text: nothing is filled in in 'client_id'
        write the variable where the value is used
    ");
}

#[test]
fn captures_and_sessions() {
    insta::assert_snapshot!(after(&[
        ("\"/access_token\"", "\"access_token\""),
        ("\"/refresh_token\"", "\"header\""),
    ]), @r#"
    25:28 E017 'access_token' is no place in an answer
        write a JSON pointer such as access_token = "/access_token", or "header NAME", or "cookie NAME"
    25:60 E017 'header' is no place in an answer
        write a JSON pointer such as refresh_token = "/header", or "header NAME", or "cookie NAME"
    "#);
    insta::assert_snapshot!(after(&[("refresh_token = \"/refresh_token\" }", "refresh_token = \"/refresh_token\", subject = \"/sub\", client_id = \"/id\", \"Bad Name\" = \"/b\" }")]), @"
    25:79 E009 variable 'subject' is filled in for each request already
        take another name
    25:97 E009 'client_id' is captured, and has a value of its own already
        take another name for one of them
    25:116 E008 'Bad Name' is no name
        use at most 60 lowercase letters, digits and _, beginning with a letter, such as 'client_id'
    ");
    insta::assert_snapshot!(after(&[
        ("capture = { access_token = \"/access_token\", refresh_token = \"/refresh_token\" }", ""),
        ("refresh_token = \"{{refresh_token}}\"", "a = \"b\""),
        ("Bearer {{access_token}}", "Bearer {{client_id}}"),
    ]), @r#"
    22:1 E009 the sign-in captures nothing, and [protected] does not send {{cookies}}
        add: capture = { access_token = "/access_token" }; or send headers = { cookie = "{{cookies}}" } in [protected]
    27:1 E009 the refresh captures nothing that [protected] uses
        add: capture = { access_token = "/access_token" }, or leave [refresh] out
    "#);
    insta::assert_snapshot!(after(&[("Bearer {{access_token}}", "Bearer {{client_id}}")]), @r#"
    27:1 E009 the refresh captures nothing that [protected] uses
        add: capture = { access_token = "/access_token" }, or leave [refresh] out
    32:1 E009 [protected] uses nothing that the sign-in captured: access_token, refresh_token
        say whose session it is, such as headers = { authorization = "Bearer {{access_token}}" }
    "#);
    insta::assert_snapshot!(after(&[("capture = { access_token = \"/access_token\" }", "capture = { refresh_token = \"/refresh_token\" }")]), @r#"
    27:1 E009 the refresh captures nothing that [protected] uses
        add: capture = { access_token = "/access_token" }, or leave [refresh] out
    "#);
    insta::assert_snapshot!(after(&[("username = \"{{subject}}\"", "username = \"ann\"")]), @r#"
    22:1 E009 the sign-in does not say who signs in
        use {{subject}} in it, such as form = { username = "{{subject}}" }
    "#);
    insta::assert_snapshot!(after(&[("name = \"{{subject}}\"", "name = \"ann\"")]), @r#"
    20:8 E009 the seed does not say who is to be known
        use {{subject}} in it, such as json = { name = "{{subject}}" }
    "#);
}

#[test]
fn places_requests_and_headers() {
    insta::assert_snapshot!(after(&[
        ("\"/token\"", "\"https://auth.example.com/token\""),
        ("\"/notes\"", "\"/my notes#top\"\nat = \"authority\""),
        ("\"/admin/users/{{subject}}/role\"", "\"/r\"\naccepts = [201, 303, 700]"),
        ("{ authorization = \"Bearer {{access_token}}\" }", "{ Host = \"a\", \"x y\" = \"b\", X-A = \"{{access_token}}\", x-a = \"c\\nd\" }"),
    ]), @"
    23:8 E008 'https://auth.example.com/token' of 'path' does not begin with /
        write path and query alone, such as /token; addresses are in [authority] and [[instance]]
    33:8 E008 '/my notes#top' of 'path' has letters that no path has
        percent-encode blanks and other letters than ASCII, such as %20; leave out what follows a #
    34:6 E009 protected calls go to the instances
        leave 'at' out; an authority that serves resources too is an [[instance]] as well
    35:13 E009 header 'Host' follows from the request itself
        leave it out
    35:25 E008 'x y' is no header's name
        use letters, digits and -, such as x-instance
    35:64 E009 header 'x-a' is there twice
        keep one of them
    35:70 E008 header 'x-a' has more than one line, or a control character
        write it in one line
    40:17 E009 303 is a redirect, which does not say that anything was done
        send the request to where it is answered; redirects are not followed
    40:22 E007 700 is no status of a whole answer: they go from 200 to 599
        accepts = [200]
    ");
    insta::assert_snapshot!(after(&[
        ("json = { role = \"viewer\" }", "json = { role = \"viewer\" }\nform = { a = [1] }\nbody = \"x\""),
        ("\"/notes\"", "\"/notes\"\njson = { n = nan, big = 99999999999999999999 }"),
    ]), @r#"
    34:8 E009 GET carries no body
        add: method = "POST"
    34:14 E007 number 'n' is none that JSON has
        write it as text in quotes
    34:25 E007 number 'big' is too large
        write it as text in quotes
    41:8 E009 'form' and 'json' are both the body
        keep one of them
    42:14 E004 'a' takes text, a number, or true or false, not a list
        for example: a = "text"
    43:8 E009 'form' and 'body' are both the body
        keep one of them
    "#);
    insta::assert_snapshot!(after(&[("json = { role = \"viewer\" }", "body = \"x\"\naccepts = []")]), @r#"
    40:8 E003 a body as text needs its content-type
        add: headers = { content-type = "application/xml" }
    41:11 E007 'accepts' is empty
        leave it out: then every 2xx is success
    "#);
    insta::assert_snapshot!(after(&[
        ("[refresh]", "headers = { content-type = \"text/plain\" }\n[refresh]"),
    ]), @"
    24:8 E009 'form' is not what content-type 'text/plain' says
        leave the header out, or write the text in 'body'
    ");
    insta::assert_snapshot!(after(&[
        ("http://127.0.0.1:8002\"", "http://127.0.0.1:8002\"\nname = \"a b\"\n[[instance]]\naddress = \"http://127.0.0.1:8002\"\nname = \"a b\"\nport = 3"),
    ]), @"
    9:8 E008 'a b' is no name of an instance
        use at most 100 letters, digits and . : _ -, as the instance header has them
    11:11 E009 instance 'a b' has this address already
        leave one of them out: one that is asked twice is not two
    12:8 E008 'a b' is no name of an instance
        use at most 100 letters, digits and . : _ -, as the instance header has them
    12:8 E009 instance 'a b' is there already
        give each its own name
    13:1 E002 unknown key 'port' in [[instance]] number 2
        known keys: address, name
    ");
}

#[test]
fn statuses_that_mean_two_things_or_nothing() {
    let answers = |text: &str| after(&[("[[change]]", &format!("[answers]\n{text}\n[[change]]"))]);
    insta::assert_snapshot!(answers("allow = [200, 403]\ndeny = [403, 401]\nreauthenticate = [401, 200]"), @"
    38:9 E009 status 403 is both 'allow' and 'deny'
        keep it in one of them
    39:19 E009 status 401 is both 'deny' and 'reauthenticate'
        keep it in one of them
    39:24 E009 status 200 is both 'allow' and 'reauthenticate'
        keep it in one of them
    ");
    insta::assert_snapshot!(answers("allow = []\ndeny = []\nreauthenticate = []"), @"
    37:9 E007 no status means that a request was served
        name the statuses that the system answers with, such as allow = [200]
    38:8 E007 no status means that a request was refused
        name the statuses that the system answers with, such as deny = [403]
    ");
    insta::assert_snapshot!(answers("deny = [200, 403]"), @"
    36:1 E007 no status means that a request was served
        name the statuses that the system answers with, such as allow = [200]
    ");
    assert_eq!(answers("deny = [401, 403]\nallow = [200, 200]"), "no problem");
}

#[test]
fn scenarios_and_bounds() {
    let second =
        format!("{RIGHT}\n[[change]]\nscenario = \"role-demoted\"\npath = \"/r\"\nbound_source = \"x\"");
    insta::assert_snapshot!(problems_of(&second), @r#"
    44:12 E009 scenario 'role-demoted' has a [[change]] already
        keep one of them
    46:16 E009 'bound_source' says where a bound is claimed, and there is no bound
        add: bound = "30s"
    "#);
    let bound = |formula: &str| after(&[("cache_age + 1s", formula)]);
    insta::assert_snapshot!(bound("cache_agee + 1s"), @"
    41:10 E013 no setting is called 'cache_agee'
        did you mean 'cache_age'? known under [settings]: cache_age
    ");
    insta::assert_snapshot!(bound("cache_age + 5 + + 2 * 3 + 2 * 3 * cache_age + 1x"), @"
    41:22 E006 duration '5' is not a number with a unit; write it like '500us', '250ms', '3s', '2m' or '1h'
        write it like 'cache_age + 1s' or '2 * cache_age'
    41:26 E023 a term of the bound is missing
        write it like 'cache_age + 1s' or '2 * cache_age'
    41:28 E023 '2 * 3' is not a number times a duration
        write it like 'cache_age + 1s' or '2 * cache_age'
    41:36 E023 '2 * 3 * cache_age' has more than one factor
        write it like 'cache_age + 1s' or '2 * cache_age'
    41:56 E006 duration '1x' is not a number with a unit; write it like '500us', '250ms', '3s', '2m' or '1h'
        write it like 'cache_age + 1s' or '2 * cache_age'
    ");
    insta::assert_snapshot!(bound("400 * 24h + 9h"), @r#"
    41:9 E007 'bound' is longer than a year
        bound = "30s"
    "#);
    insta::assert_snapshot!(after(&[("[settings]\ncache_age = \"30s\"\n", "")]), @r#"
    39:10 E013 no setting is called 'cache_age'
        give it a value: [settings] with a line such as cache_age = "30s"
    "#);
    insta::assert_snapshot!(after(&[("cache_age = \"30s\"", "Cache = \"30s\"\ncache_age = \"9000h\"\nlag = \"x\"\nnone = \"0s\"")]), @r#"
    17:1 E008 'Cache' is no name
        use at most 60 lowercase letters, digits and _, beginning with a letter, such as 'client_id'
    18:13 E007 'cache_age' is longer than a year
        cache_age = "30s"
    19:7 E006 duration 'x' is not a number with a unit; write it like '500us', '250ms', '3s', '2m' or '1h'
        lag = "30s"
    "#);
    assert_eq!(read(&[("cache_age + 1s", "0s")]).changes[0].bound.as_ref().map(|bound| bound.ms), Some(0.0));
}

#[test]
fn secrets_do_not_stand_in_the_file() {
    insta::assert_snapshot!(after(&[
        ("client_id = \"revbench\"", "client_id = \"revbench\"\nclient_secret = \"hunter2\"\nsubject = \"x\""),
        ("{ env = \"NOTES_ADMIN_TOKEN\" }", "\"hunter2\"\nother = { env = \"hunter 2\" }\nboth = { env = \"A\", file = \"a\" }\nneither = { }"),
        ("Bearer {{admin_token}}", "Bearer hunter2"),
        ("username = \"{{subject}}\"", "username = \"{{subject}}\", password = \"hunter2\", token_type_hint = \"access_token\""),
        ("role = \"viewer\"", "x = [{ api_key = \"hunter2\" }]"),
    ]), @r#"
    12:17 E019 'client_secret' looks like a secret, and is written into the file
        move it: [secrets] client_secret = { env = "CLIENT_SECRET" }
    13:1 E009 variable 'subject' is filled in for each request already
        take another name
    16:15 E019 secret 'admin_token' is written into the file
        say where it is read from: [secrets] admin_token = { env = "ADMIN_TOKEN" }
    17:17 E008 'env' is not the name of an environment variable
        env = "ADMIN_TOKEN"
    18:28 E009 [secrets.both] is read from two places
        keep one of them
    19:11 E003 missing key 'env' in [secrets.neither]
        add: env = "ADMIN_TOKEN"
    25:61 E019 'authorization' looks like a secret, and is written into the file
        name it: [secrets] admin_token = { env = "ADMIN_TOKEN" }; and write {{admin_token}} here
    29:72 E019 'password' looks like a secret, and is written into the file
        name it: [secrets] password = { env = "PASSWORD" }; and write {{password}} here
    45:27 E019 'api_key' looks like a secret, and is written into the file
        name it: [secrets] api_key = { env = "API_KEY" }; and write {{api_key}} here
    "#);
    assert!(!after(&[("{ env = \"NOTES_ADMIN_TOKEN\" }", "{ env = \"hunter 2\" }")]).contains("hunter"));
    insta::assert_snapshot!(after(&[("client_id = \"revbench\"", "client_id = \"revbench\"\nadmin_token = \"{{x}}\"")]), @"
    12:15 E016 values are plain text: nothing is filled in in 'admin_token'
        write the variable where the value is used
    15:1 E009 'admin_token' is a value and a secret
        keep one of them
    ");
}

#[test]
fn other_machines_have_limits_and_plain_ones_no_certificates() {
    insta::assert_snapshot!(after(&[("http://127.0.0.1:8002", "https://api.example.com")]), @"
    8:11 E003 'api.example.com' is not this machine, and [limits] does not say requests_per_s
        add under [limits], as its owners allow: requests_per_s = 20
    8:11 E003 'api.example.com' is not this machine, and [limits] does not say sign_ins_per_s
        add under [limits], as its owners allow: sign_ins_per_s = 1
    ");
    insta::assert_snapshot!(after(&[
        ("http://127.0.0.1:8001", "https://auth.example.com"),
        ("[[change]]", "[limits]\nrequests_per_s = 20\n[[change]]"),
    ]), @"
    36:1 E003 'auth.example.com' is not this machine, and [limits] does not say sign_ins_per_s
        add under [limits], as its owners allow: sign_ins_per_s = 1
    ");
    insta::assert_snapshot!(after(&[("[[change]]", "[transport]\nca = \"ca.pem\"\nclient_key = \"c.key\"\n[[change]]")]), @r#"
    36:1 E003 missing key 'client_certificate' in [transport]
        add: client_certificate = "client.pem"
    37:6 E009 'ca' is about https, and every address is http://
        leave 'ca' out, or write https:// addresses
    38:14 E009 'client_key' is about https, and every address is http://
        leave 'client_key' out, or write https:// addresses
    "#);
}

#[test]
fn what_the_seed_captures_is_known_from_then_on() {
    let seed = (
        "json = { name = \"{{subject}}\" } }",
        "json = { name = \"{{subject}}\" }, capture = { no = \"/no\" } }",
    );
    let (sign_in, change) =
        (("username = \"{{subject}}\"", "username = \"{{no}}\""), ("/users/{{subject}}/", "/users/{{no}}/"));
    let edited = [sign_in, change].iter().fold(RIGHT.to_owned(), |text, (old, new)| text.replace(old, new));
    assert_ne!(edited, RIGHT);
    let unknown = parse("mine.toml", &edited).unwrap_err();
    assert!(
        unknown.iter().any(|problem| problem.message == "no variable is called 'no' here"),
        "{unknown:?}"
    );
    let file = parse("mine.toml", &edited.replace(seed.0, seed.1)).unwrap();
    let Subjects::Generated { seed: Some(seed) } = file.subjects else { panic!("there is a seed") };
    assert_eq!(seed.captures, BTreeMap::from([("no".to_owned(), "/no".to_owned())]));
}

const TABLE: &str = "table = \"users.csv\"";

/// The right file with a table of subjects.
fn with_table() -> String {
    let seed = RIGHT.lines().find(|line| line.starts_with("seed =")).unwrap();
    RIGHT.replace(seed, TABLE).replace("{{subject}}\"", "{{email}}\"")
}

#[test]
fn columns_are_variables_once_they_are_known() {
    let text = with_table();
    let file = parse("mine.toml", &text).unwrap();
    assert_eq!(file.subjects, Subjects::Table { path: "users.csv".to_owned() });
    assert_eq!(check_columns("mine.toml", &text, &["subject", "email"]), []);
    let problems = check_columns("mine.toml", &text, &["subject", "mail"]);
    insta::assert_snapshot!(show(&problems, &text), @"
    24:47 E015 no variable is called 'email' here
        did you mean 'mail'? known here: subject, address, permission, permission_json, client_id, admin_token, subject, mail
    ");
    insta::assert_snapshot!(after(&[("seed =", "table = \"users.csv\"\nseed =")]), @"
    20:9 E009 subjects of a table are known already, and 'seed' makes new ones known
        keep one of them
    ");
}

#[test]
fn a_file_that_is_not_edited_says_so_and_nothing_else() {
    let problems = parse("init.toml", init_text()).unwrap_err();
    assert!(
        problems.iter().all(|problem| problem.code == problem::NOT_EDITED),
        "{}",
        show(&problems, init_text())
    );
    let placeholders =
        init_text().lines().filter(|line| !line.starts_with('#')).map(|line| line.matches("\"<").count());
    assert_eq!(problems.len(), placeholders.sum::<usize>());
    insta::assert_snapshot!(show(&problems[..3], init_text()), @"
    6:8 E020 'name' is not edited yet
        write what your system has in place of '<my-service>'
    9:9 E020 'about' is not edited yet
        write what your system has in place of '<What runs where, what is kept for how long, and who says so.>'
    15:11 E020 'address' is not edited yet
        write what your system has in place of '<https://auth.example.com>'
    ");
    // Every path and address that is put in makes it right.
    let mut text = init_text().to_owned();
    for problem in problems.iter().rev() {
        let edited = match text[problem.span.clone()].trim_matches('"') {
            "<30s>" => "\"30s\"".to_owned(),
            address if address.starts_with("<https://") => {
                format!("\"{}\"", address.trim_matches(['<', '>']))
            }
            path if path.contains("path") => "\"/path\"".to_owned(),
            _ => "\"word\"".to_owned(),
        };
        text.replace_range(problem.span.clone(), &edited);
    }
    parse("init.toml", &text).unwrap_or_else(|problems| panic!("{}", show(&problems, &text)));
}

/// The lines of a starting file that are not those of [`init_text`].
fn filled_in(text: &str) -> String {
    let known: BTreeSet<&str> = init_text().lines().collect();
    text.lines().filter(|line| !known.contains(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_openapi_document_fills_in_what_it_tells() {
    let oauth = json!({
        "openapi": "3.1.0",
        "info": { "title": "Notes API", "version": "2.3" },
        "servers": [{ "url": "https://api.example.com/v1" }],
        "components": { "securitySchemes": {
            "code": { "type": "oauth2", "flows": { "authorizationCode": { "tokenUrl": "https://other.example.com/t" } } },
            "oauth": { "type": "oauth2", "flows": { "password": {
                "tokenUrl": "https://auth.example.com/oauth/token", "refreshUrl": "/oauth/renew"
            } } },
        } },
        "security": [{ "oauth": [] }],
        "paths": {
            "/health": { "get": { "security": [], "responses": {} } },
            "/me": { "get": { "responses": { "200": {} } } },
            "/notes": { "get": { "responses": { "200": {}, "403": {} } }, "parameters": [] },
            "/notes/{id}": { "get": { "responses": { "403": {} } } },
            "/users/{id}/role": { "put": { "responses": {} } },
            "/oauth/revoke": { "post": { "responses": {} } },
        },
    });
    insta::assert_snapshot!(filled_in(&init_from_openapi(&oauth)), @r#"
    #
    # Filled in from the OpenAPI document of Notes API.
    # Requests that may make a change, for [[change]] and the seed:
    #   PUT /users/{id}/role
    name = "notes-api"
    version = "2.3"
    address = "https://auth.example.com"
    address = "https://api.example.com"
    path = "/oauth/token"
    path = "/v1/oauth/renew"
    path = "/v1/notes"
    # One access token alone (RFC 7009).
    scenario = "compromised-token"
    path = "/v1/oauth/revoke"
    form = { token = "{{access_token}}", token_type_hint = "access_token", client_id = "{{client_id}}" }
    "#);
    let login = json!({
        "swagger": "2.0", "host": "127.0.0.1:8080", "basePath": "/api", "schemes": ["http"],
        "definitions": { "Login": { "properties": { "email": {}, "password": {} } } },
        "paths": {
            "/auth": { "post": {} },
            "/users/login": { "post": { "requestBody": { "content": { "application/json": {
                "schema": { "$ref": "#/definitions/Login" }
            } } } } },
            "/orders": { "get": { "security": [{ "key": [] }] } },
        },
    });
    insta::assert_snapshot!(filled_in(&init_from_openapi(&login)), @r#"
    #
    # Filled in from the OpenAPI document of a service.
    # Requests that may make a change, for [[change]] and the seed:
    #   POST /users/login
    address = "http://127.0.0.1:8080"
    address = "http://127.0.0.1:8080"
    path = "/api/users/login"
    json = { "email" = "{{subject}}", password = "{{subject}}" }
    path = "/api/orders"
    "#);
    assert_eq!(
        filled_in(&init_from_openapi(&json!([]))),
        "#\n# Filled in from the OpenAPI document of a service."
    );
}

#[test]
fn a_discovery_document_fills_in_what_it_tells() {
    let configuration = json!({
        "issuer": "https://auth.example.com",
        "token_endpoint": "https://auth.example.com/oauth/token",
        "revocation_endpoint": "https://auth.example.com/oauth/revoke",
        "userinfo_endpoint": "https://auth.example.com/userinfo",
        "grant_types_supported": ["authorization_code"],
    });
    insta::assert_snapshot!(filled_in(&init_from_openid(&configuration)), @r#"
    #
    # Filled in from the discovery document of https://auth.example.com.
    # It does not offer the grant `password`: allow it for the client of the load test, or sign in another way.
    # A protected resource of the issuer itself, to begin with: https://auth.example.com/userinfo
    address = "https://auth.example.com"
    path = "/oauth/token"
    path = "/oauth/token"
    # One access token alone (RFC 7009).
    scenario = "compromised-token"
    path = "/oauth/revoke"
    form = { token = "{{access_token}}", token_type_hint = "access_token", client_id = "{{client_id}}" }
    "#);
}

#[test]
fn the_reference_server_is_described_rightly() {
    let file = parse("reference.toml", REFERENCE)
        .unwrap_or_else(|problems| panic!("{}", show(&problems, REFERENCE)));
    let scenarios: Vec<&str> = file.changes.iter().map(|change| change.scenario.as_str()).collect();
    assert_eq!(scenarios, ["role-demoted", "role-promoted"]);
    // What it sends is what the built-in contract sends.
    let built_in = Target::built_in("");
    assert_eq!(file.target.sign_in.path, built_in.sign_in.path);
    assert_eq!(file.target.protected, built_in.protected);
    assert_eq!(
        (file.target.instance_header, file.target.token_permissions),
        (built_in.instance_header, built_in.token_permissions)
    );
}

#[test]
fn the_documented_example_is_right_and_short() {
    let page = include_str!("../../../../docs/TARGETS.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let file =
        parse("docs/TARGETS.md", example).unwrap_or_else(|problems| panic!("{}", show(&problems, example)));
    assert_eq!(
        (file.changes[0].bound.as_ref().map(|bound| bound.ms), file.instances.len()),
        (Some(31_000.0), 2)
    );
    assert!(example.lines().count() < 60);
}

/// The keys that the parser knows are those that the schema describes.
#[test]
fn parser_and_schema_agree() {
    let schema = schemars::schema_for!(file::TargetFile).to_value();
    let check = |properties: &serde_json::Value, known: &[&str]| {
        let keys: BTreeSet<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, known.iter().copied().collect());
    };
    check(&schema["properties"], parse::ROOT);
    let section = |name: &str| &schema["$defs"][name]["properties"];
    check(section("AuthoritySection"), parse::AUTHORITY);
    check(section("InstanceSection"), parse::INSTANCE);
    check(section("SubjectsSection"), requests::SUBJECTS);
    check(section("SignInSection"), exchange::SIGN_IN);
    check(section("ProtectedSection"), exchange::PROTECTED);
    check(section("DeedSection"), exchange::DEED);
    check(section("ChangeSection"), exchange::CHANGE);
    check(section("AnswersSection"), statuses::ANSWERS);
    check(section("LimitsSection"), parse::LIMITS);
    check(section("TransportSection"), parse::TRANSPORT);
    let places = schema["$defs"]["SecretPlace"]["oneOf"].as_array().unwrap();
    let places: Vec<&str> = places
        .iter()
        .flat_map(|place| place["properties"].as_object().unwrap().keys())
        .map(String::as_str)
        .collect();
    assert_eq!(places, secrets::SECRET);
}

/// Serde reads what the parser reads.
#[test]
fn right_files_are_right_for_serde_too() {
    for text in [RIGHT, REFERENCE, with_table().as_str()] {
        let read: file::TargetFile = toml::from_str(text).unwrap();
        let parsed = parse("mine.toml", text).unwrap();
        assert_eq!((read.name, read.change.len()), (parsed.name, parsed.changes.len()));
    }
}

/// Pieces that files are made of, right and wrong.
fn pieces() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("name = \"a-b\"".to_owned()),
        Just("[authority]".to_owned()),
        Just("[[instance]]".to_owned()),
        Just("[values]".to_owned()),
        Just("[secrets]".to_owned()),
        Just("[settings]".to_owned()),
        Just("[sign_in]".to_owned()),
        Just("[protected]".to_owned()),
        Just("[[change]]".to_owned()),
        Just("[answers]".to_owned()),
        Just("address = \"http://µ\"".to_owned()),
        Just("path = '/{{µ'".to_owned()),
        Just("form = { µ = \"}}µ\" }".to_owned()),
        Just("json = [{ \"{{a}}\" = \"\\u00b5{{b_json}} {{\" }]".to_owned()),
        Just("capture = { access_token = \"$.µ\" }".to_owned()),
        Just("headers = { µ = \"{{µ}}\" }".to_owned()),
        Just("undo = { path = \"<µ>\", accepts = [1, 300] }".to_owned()),
        "bound = \"[a-z0-9+* µ.]{0,12}\"",
        "[a-z_]{1,12} ?= ?(\"[a-zµ{}<> ]{0,8}\"|[0-9]{1,20}|[0-9.e+]{1,8}|true|\\[\\]|\\{ *\\})",
        "\\PC{0,30}",
    ];
    prop::collection::vec(line, 0..16).prop_map(|lines| lines.join("\n"))
}

fn check_spans(text: &str) {
    let Err(problems) = parse("any.toml", text) else { return };
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(problem.span.start <= problem.span.end && problem.span.end <= text.len(), "{problem:?}");
        assert!(text.get(problem.span.clone()).is_some(), "{problem:?} cuts a character");
        let (line, column) = line_column(text, problem.span.start);
        assert!(line >= 1 && column >= 1 && line <= text.lines().count() + 1);
    }
}

/// JSON of any shape, with the keys that are looked at now and then.
fn documents() -> impl Strategy<Value = serde_json::Value> {
    let key = prop_oneof![
        Just("paths".to_owned()),
        Just("servers".to_owned()),
        Just("url".to_owned()),
        Just("info".to_owned()),
        Just("title".to_owned()),
        Just("version".to_owned()),
        Just("token_endpoint".to_owned()),
        Just("revocation_endpoint".to_owned()),
        Just("issuer".to_owned()),
        Just("get".to_owned()),
        Just("post".to_owned()),
        Just("security".to_owned()),
        "/[a-z{}\"\\\\<>\n]{0,8}",
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        "(https?://[a-z.:/?{}\"\\\\\n]{0,12}|.{0,12})".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
            prop::collection::vec((key.clone(), inner), 0..5)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics_and_every_place_is_in_the_file(text in "\\PC{0,200}") {
        check_spans(&text);
    }

    #[test]
    fn no_file_panics_and_every_place_is_in_the_file(text in pieces()) {
        check_spans(&text);
    }

    #[test]
    fn no_damaged_file_panics(at in 0..RIGHT.len(), length in 0..40_usize, inserted in "\\PC{0,8}") {
        let mut text = RIGHT.to_owned();
        let start = text.floor_char_boundary(at);
        let end = text.floor_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, &inserted);
        check_spans(&text);
    }

    #[test]
    fn no_document_makes_anything_but_a_file_that_is_to_be_edited(document in documents()) {
        for text in [init_from_openapi(&document), init_from_openid(&document)] {
            let problems = parse("init.toml", &text).unwrap_err();
            let all = problems.iter().all(|problem| problem.code == problem::NOT_EDITED);
            prop_assert!(all, "{}\n{text}", show(&problems, &text));
        }
    }
}
