//! The format of a target file, as `revbench schema target` prints it.
//!
//! These types are the description that editors and other tools use. Files are read by the parser beside them,
//! which reports every mistake at once where serde would stop at the first; tests hold the two together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::target::Party;

/// A target: somebody's own system, described so that it can be measured.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetFile {
    /// Short name in lowercase words joined by hyphens; the `strategy` of its results is `target-NAME`.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub name: String,
    /// The version of what is measured.
    pub version: Option<String>,
    /// What runs where, what is kept for how long, and who says so.
    pub about: String,
    /// The header of an answer that names the instance.
    pub instance_header: Option<String>,
    /// Where the payload of an access token lists what its holder may do: a JSON pointer.
    pub token_permissions: Option<String>,
    /// The path at which instances print their counters (Prometheus text format).
    pub metrics: Option<String>,
    /// Where tokens are issued and changes are made.
    pub authority: AuthoritySection,
    /// Where protected resources are, one or more.
    pub instance: Vec<InstanceSection>,
    /// Further variables, plain text.
    pub values: Option<BTreeMap<String, String>>,
    /// Variables that are read from elsewhere and never saved.
    pub secrets: Option<BTreeMap<String, SecretPlace>>,
    /// Named durations, such as `30s`, for bounds and for the report.
    pub settings: Option<BTreeMap<String, String>>,
    /// From where subjects come. Left out: generated, and known to the system already.
    pub subjects: Option<SubjectsSection>,
    /// Begins a session.
    pub sign_in: SignInSection,
    /// Renews a session. Left out: sessions are never renewed.
    pub refresh: Option<SignInSection>,
    /// The call whose answer is the decision.
    pub protected: ProtectedSection,
    /// What the statuses of the protected call mean.
    pub answers: Option<AnswersSection>,
    /// How each scenario's change is made, one or more.
    pub change: Vec<ChangeSection>,
    /// What must not be exceeded. Needed for other machines than this one.
    pub limits: Option<LimitsSection>,
    /// How the system is spoken to.
    pub transport: Option<TransportSection>,
}

/// `[authority]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthoritySection {
    /// Scheme, host and port.
    #[schemars(regex(pattern = r"^https?://[^/?#@]+$"))]
    pub address: String,
}

/// `[[instance]]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceSection {
    /// Scheme, host and port.
    #[schemars(regex(pattern = r"^https?://[^/?#@]+$"))]
    pub address: String,
    /// What it says in the instance header; `r0`, `r1`, … where left out.
    pub name: Option<String>,
}

/// Where a secret is read from.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// An environment variable.
    Env(String),
    /// A file, relative to the target file; white space at its end is dropped.
    File(String),
}

/// `[subjects]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectsSection {
    /// Makes a generated subject known, with everything that its scenario asks for. What it captures, such as the number that the
    /// system gives to the subject, is known in every later request.
    pub seed: Option<SignInSection>,
    /// A CSV file, relative to the target file, each row of which is a subject that is known already; instead of `seed`.
    pub table: Option<String>,
}

/// `[sign_in]`, `[refresh]` and the seed of `[subjects]`. Of `form`, `json` and `body` there is one at the most.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignInSection {
    /// Where it is sent; the authority where left out.
    pub at: Option<Party>,
    /// `POST` where left out.
    pub method: Option<Method>,
    /// Path and query.
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
    /// Header names and values.
    pub headers: Option<BTreeMap<String, String>>,
    /// The fields of a form.
    pub form: Option<BTreeMap<String, FormValue>>,
    /// A table or a list that is sent as JSON.
    pub json: Option<JsonBody>,
    /// A body as it is, with a content-type header of its own.
    pub body: Option<String>,
    /// Variable to where its value stands in the answer: a JSON pointer, `header NAME` or `cookie NAME`.
    pub capture: Option<BTreeMap<String, String>>,
    /// The statuses that are success; every 2xx where left out.
    #[schemars(inner(range(min = 200, max = 599)))]
    pub accepts: Option<Vec<u16>>,
}

/// `[protected]`. Of `form`, `json` and `body` there is one at the most.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProtectedSection {
    /// `resource`.
    pub at: Option<Party>,
    /// `GET` where left out.
    pub method: Option<Method>,
    /// Path and query.
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
    /// Header names and values.
    pub headers: Option<BTreeMap<String, String>>,
    /// The fields of a form.
    pub form: Option<BTreeMap<String, FormValue>>,
    /// A table or a list that is sent as JSON.
    pub json: Option<JsonBody>,
    /// A body as it is, with a content-type header of its own.
    pub body: Option<String>,
}

/// A request beside others: `undo`, `withhold`. Of `form`, `json` and `body` there is one at the most.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeedSection {
    /// Where it is sent; the authority where left out.
    pub at: Option<Party>,
    /// `POST` where left out.
    pub method: Option<Method>,
    /// Path and query.
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
    /// Header names and values.
    pub headers: Option<BTreeMap<String, String>>,
    /// The fields of a form.
    pub form: Option<BTreeMap<String, FormValue>>,
    /// A table or a list that is sent as JSON.
    pub json: Option<JsonBody>,
    /// A body as it is, with a content-type header of its own.
    pub body: Option<String>,
    /// The statuses that are success, no redirects; every 2xx where left out.
    #[schemars(inner(range(min = 200, max = 599)))]
    pub accepts: Option<Vec<u16>>,
}

/// `[[change]]`. Of `form`, `json` and `body` there is one at the most.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSection {
    /// The name of a scenario, built in or given with `--scenario`; each has one change.
    #[schemars(regex(pattern = r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub scenario: String,
    /// Where it is sent; the authority where left out.
    pub at: Option<Party>,
    /// `POST` where left out.
    pub method: Option<Method>,
    /// Path and query.
    #[schemars(regex(pattern = r"^/"))]
    pub path: String,
    /// Header names and values.
    pub headers: Option<BTreeMap<String, String>>,
    /// The fields of a form.
    pub form: Option<BTreeMap<String, FormValue>>,
    /// A table or a list that is sent as JSON.
    pub json: Option<JsonBody>,
    /// A body as it is, with a content-type header of its own.
    pub body: Option<String>,
    /// What a subject's own change hands out: variable to JSON pointer, `header NAME` or `cookie NAME`.
    pub capture: Option<BTreeMap<String, String>>,
    /// The statuses that are success, no redirects; every 2xx where left out.
    #[schemars(inner(range(min = 200, max = 599)))]
    pub accepts: Option<Vec<u16>>,
    /// Takes it back.
    pub undo: Option<DeedSection>,
    /// Takes what the scenario asks for from a subject beforehand.
    pub withhold: Option<DeedSection>,
    /// Within what time it takes effect: durations and names of `[settings]`, joined by `+`, each with a factor if need be,
    /// such as `2 * cache_age + 1s`.
    pub bound: Option<String>,
    /// Where that is said.
    pub bound_source: Option<String>,
}

/// `[answers]`. What is left out is the default, without what another key names.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswersSection {
    /// Served; 200 where left out.
    #[schemars(inner(range(min = 200, max = 599)))]
    pub allow: Option<Vec<u16>>,
    /// Refused for lack of authority; 403 where left out.
    #[schemars(inner(range(min = 200, max = 599)))]
    pub deny: Option<Vec<u16>>,
    /// The session is no longer honoured; 401 where left out.
    #[schemars(inner(range(min = 200, max = 599)))]
    pub reauthenticate: Option<Vec<u16>>,
}

/// `[limits]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// Requests per second to all addresses together.
    #[schemars(range(min = 0.01, max = 1_000_000.0))]
    pub requests_per_s: Option<f64>,
    /// Sign-ins per second.
    #[schemars(range(min = 0.01, max = 1_000_000.0))]
    pub sign_ins_per_s: Option<f64>,
    /// Changes per second.
    #[schemars(range(min = 0.01, max = 1_000_000.0))]
    pub changes_per_s: Option<f64>,
}

/// `[transport]`
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransportSection {
    /// `1.1` where left out.
    pub http: Option<HttpVersion>,
    /// A PEM file of certificate authorities that are believed beside the system's own.
    pub ca: Option<String>,
    /// A PEM file of the client's certificate chain; with `client_key`.
    pub client_certificate: Option<String>,
    /// A PEM file of its private key.
    pub client_key: Option<String>,
}

/// Which version of HTTP.
#[derive(Debug, Deserialize, JsonSchema)]
pub enum HttpVersion {
    /// One request at a time on a connection.
    #[serde(rename = "1.1")]
    Http1,
    /// Many at once.
    #[serde(rename = "2")]
    Http2,
}

/// A method.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "they are HTTP's own words")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

/// A field of a form.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FormValue {
    /// Text, with variables.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
}

/// A JSON text with variables in its texts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum JsonBody {
    /// A table.
    Object(BTreeMap<String, serde_json::Value>),
    /// A list.
    List(Vec<serde_json::Value>),
}
