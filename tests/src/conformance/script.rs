//! The script: requests as data, and how they are put to a server.

use std::{collections::BTreeMap, time::Duration};

use federation_health_testbed::error::{Attempt, Error, Result};
use http::{Request, header};
use kube::{Client, client::Body};
use serde::Deserialize;
use serde_json::{Value, json};

use super::normal::Names;

/// Longest a request may take: a version from the future is refused after three seconds, the longest watch
/// lasts four, and a machine that also compiles answers late.
const LIMIT: Duration = Duration::from_secs(30);

/// The same program name on both sides: it is the field manager of writes that name none.
const PROGRAM: &str = "conformance/1";

/// The scripts, in the order in which they are played: later ones read what earlier ones wrote.
const SCRIPTS: [(&str, &str); 4] = [
    ("1-reads.yaml", include_str!("script/1-reads.yaml")),
    ("2-writes.yaml", include_str!("script/2-writes.yaml")),
    ("3-apply.yaml", include_str!("script/3-apply.yaml")),
    (
        "4-deletes-and-watches.yaml",
        include_str!("script/4-deletes-and-watches.yaml"),
    ),
];

/// How a patch is written.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PatchForm {
    Merge,
    Json,
    Apply,
    Strategic,
}

impl PatchForm {
    fn media_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Apply => "application/apply-patch+yaml",
            Self::Strategic => "application/strategic-merge-patch+json",
        }
    }
}

/// One request of the script. In `ask` and `body`, `${name/path}` stands for a part of a saved answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it is about, in words; unique.
    pub step: String,
    /// Method, path and query.
    ask: String,
    /// The form of a patch.
    #[serde(rename = "as")]
    form: Option<PatchForm>,
    accept: Option<String>,
    body: Option<Value>,
    /// A body that is no JSON.
    text: Option<String>,
    /// The name under which later steps find the answer.
    save: Option<String>,
    /// The part of the answer that is compared, as a pointer whose segments may be `key=value`.
    pick: Option<String>,
    /// Whether the simulation forgets its history first. A real server knows nothing from before its start.
    #[serde(default)]
    forget: bool,
}

/// What a server answered, with everything masked that no two servers can have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The step's words.
    pub step: String,
    /// `{"code": …, "body": …}`.
    pub value: Value,
}

/// Every step of every script.
pub fn steps() -> Result<Vec<Step>> {
    let mut all = Vec::new();
    for (name, text) in SCRIPTS {
        let steps: Vec<Step> = serde_saphyr::from_str(text).attempt(|| format!("read {name}"))?;
        all.extend(steps);
    }
    Ok(all)
}

/// Plays the steps in order; `forget` is called where the history has to be gone.
pub async fn play(client: &Client, steps: &[Step], forget: impl Fn()) -> Result<Vec<Answer>> {
    let mut saved = BTreeMap::new();
    let mut names = Names::default();
    let mut answers = Vec::new();
    for step in steps {
        if step.forget {
            forget();
        }
        let request = step.request(&saved)?;
        let (code, body) = tokio::time::timeout(LIMIT, send(client, step, request))
            .await
            .map_err(|_| Error::refused(format!("{}: no answer within {LIMIT:?}", step.step)))??;
        if let Some(name) = &step.save {
            saved.insert(name.clone(), body.clone());
        }
        let mut body = names.mask(&body);
        if let Value::Array(events) = &mut body {
            // A server sends one bookmark or two before a watch ends, as its timers fall.
            events.dedup_by(|next, last| next == last && last["type"] == "BOOKMARK");
        }
        let picked = step.pick.as_ref().filter(|_| code < 300);
        let body = picked.map_or(body.clone(), |path| pick(&body, path));
        answers.push(Answer {
            step: step.step.clone(),
            value: json!({"code": code, "body": body}),
        });
    }
    Ok(answers)
}

async fn send(client: &Client, step: &Step, request: Request<Body>) -> Result<(u16, Value)> {
    let what = || format!("{}: {}", step.step, step.ask);
    let answer = client.send(request).await.attempt(what)?;
    let code = answer.status().as_u16();
    let body = answer.into_body().collect_bytes().await.attempt(what)?;
    let text = String::from_utf8_lossy(&body).into_owned();
    let lines = step.ask.contains("watch=true") && code == 200;
    let value = if lines {
        let events: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
        Value::from(events.attempt(what)?)
    } else {
        // A page that is no JSON is compared as the text that it is.
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    Ok((code, value))
}

impl Step {
    fn request(&self, saved: &BTreeMap<String, Value>) -> Result<Request<Body>> {
        let ask = self.fill(&self.ask, saved)?;
        let (method, uri) = ask
            .split_once(' ')
            .ok_or_else(|| Error::refused(format!("{}: no method in {ask:?}", self.step)))?;
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::USER_AGENT, PROGRAM)
            .header(
                header::ACCEPT,
                self.accept.as_deref().unwrap_or("application/json"),
            );
        let body = match (&self.body, &self.text) {
            (Some(body), _) => Some(self.fill(&body.to_string(), saved)?),
            (None, text) => text.clone(),
        };
        if body.is_some() {
            let form = self.form.map_or("application/json", PatchForm::media_type);
            request = request.header(header::CONTENT_TYPE, form);
        }
        request
            .body(Body::from(body.unwrap_or_default().into_bytes()))
            .attempt(|| format!("{}: build the request {ask}", self.step))
    }

    /// Puts parts of saved answers in the place of `${name/path}`.
    fn fill(&self, text: &str, saved: &BTreeMap<String, Value>) -> Result<String> {
        let mut parts = text.split("${");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let missing = || Error::refused(format!("{}: nothing saved as {part:?}", self.step));
            let (path, rest) = part.split_once('}').ok_or_else(missing)?;
            let (name, pointer) = path.split_once('/').ok_or_else(missing)?;
            let value = saved
                .get(name)
                .and_then(|answer| answer.pointer(&format!("/{pointer}")))
                .and_then(Value::as_str)
                .ok_or_else(missing)?;
            filled.push_str(value);
            filled.push_str(rest);
        }
        Ok(filled)
    }
}

/// The part of a value behind a pointer; `key=value` is the element of a list whose `a.b` has that value.
fn pick(value: &Value, path: &str) -> Value {
    let mut at = value;
    for segment in path.split('/').skip(1) {
        let segment = segment.replace("~1", "/");
        let next = match (segment.split_once('='), at) {
            (Some((key, wanted)), Value::Array(list)) => {
                let pointer = format!("/{}", key.replace('.', "/"));
                list.iter()
                    .find(|e| e.pointer(&pointer).and_then(Value::as_str) == Some(wanted))
            }
            (_, Value::Array(list)) => segment.parse().ok().and_then(|i: usize| list.get(i)),
            _ => at.get(&segment),
        };
        let Some(next) = next else {
            return json!(format!("nothing at {path}"));
        };
        at = next;
    }
    at.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_different_names_and_cover_what_they_save() {
        let steps = steps().unwrap();
        let mut names: Vec<&str> = steps.iter().map(|s| s.step.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), steps.len());
    }

    #[test]
    fn a_pick_finds_elements_by_their_fields() {
        let value = json!({"a": [{"m": {"n": "x"}, "v": 1}, {"m": {"n": "y/z"}, "v": 2}]});
        assert_eq!(pick(&value, "/a/m.n=y~1z/v"), json!(2));
        assert_eq!(pick(&value, "/a/0/v"), json!(1));
        assert_eq!(pick(&value, "/a/m.n=q"), json!("nothing at /a/m.n=q"));
    }
}
