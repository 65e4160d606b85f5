//! `status -w`: drawn again whenever the object changes.

use std::time::Duration;

use federation_health_api::FederationHealth;
use futures::StreamExt as _;
use kube::{Api, api::WatchParams};

use super::show;
use crate::{
    Error, Outcome, Shell,
    args::{Form, Global, StatusArgs},
    client::Cluster,
    shell::harmless,
};

/// Ages grow, and registrations change without the object: looked at again after this long at the latest.
const REFRESH: Duration = Duration::from_secs(5);
/// A storm of changes is drawn this often at most: more cannot be read.
const PAUSE: Duration = Duration::from_millis(250);

/// Shows until it is interrupted. On a terminal the picture replaces the last one; else only what differs is printed anew.
pub async fn run(
    cluster: &Cluster,
    global: &Global,
    args: &StatusArgs,
    shell: &mut Shell,
) -> Result<Outcome, Error> {
    let api: Api<FederationHealth> = Api::all(cluster.client().clone());
    let mut last = String::new();
    let mut version = String::new();
    let mut outcome = Outcome::Findings;
    loop {
        match show(cluster, global, args, shell).await {
            Ok(shown) => {
                (outcome, version) = (shown.outcome, shown.version);
                if shown.text != last {
                    paint(&shown.text, last.is_empty(), args, shell);
                    last = shown.text;
                }
            }
            // A server that restarts comes back; the first look must succeed, or the flags are wrong.
            Err(error) if last.is_empty() => return Err(error),
            Err(error) => shell.complain(&error.report()),
        }
        tokio::select! {
            () = changed(&api, &global.object, &version) => {}
            () = tokio::time::sleep(REFRESH) => {}
            _ = tokio::signal::ctrl_c() => return Ok(outcome),
        }
    }
}

fn paint(text: &str, first: bool, args: &StatusArgs, shell: &mut Shell) {
    let document = matches!(args.output.form, Form::Json | Form::Yaml);
    if shell.live && !document {
        // Home, draw over, erase what the longer picture before left.
        let lines = harmless(text, shell.colours).replace('\n', "\u{1b}[K\n");
        let start = if first { "\u{1b}[2J" } else { "" };
        shell.paint(&format!("{start}\u{1b}[H{lines}\u{1b}[J"));
    } else {
        let between = match (first, args.output.form) {
            (true, _) | (_, Form::Json | Form::Name) => "",
            (false, Form::Yaml) => "---\n",
            (false, _) => "\n",
        };
        shell.say(&format!("{between}{text}"));
    }
}

/// Resolves when the object is another than this version of it; never, when it cannot be watched.
async fn changed(api: &Api<FederationHealth>, name: &str, version: &str) {
    tokio::time::sleep(PAUSE).await;
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    if let Ok(stream) = api.watch(&params, version).await {
        let mut changes = std::pin::pin!(stream);
        if changes.next().await.is_some_and(|event| event.is_ok()) {
            return;
        }
    }
    futures::future::pending::<()>().await;
}
