//! `report` and `timeline`: what can be kept, and what can be looked at.
use std::fmt::Write as _;
use std::path::Path;

use federation_health_report::{Report, html, junit, markdown, picture};

use crate::{
    Error, Outcome, Shell,
    args::{Global, ReportArgs, ReportForm, TimelineArgs},
    client::Cluster,
    offline::{self, analysis, input::Material},
    overview,
};

/// Carries out `report`.
pub async fn run(global: &Global, args: &ReportArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let report = read(global, args.from.as_deref(), shell).await?;
    let text = match args.form {
        ReportForm::Html => html::write(&report),
        ReportForm::Md => markdown::write(&report),
        ReportForm::Json => super::status::pretty(&report)?,
        ReportForm::Junit => junit::write(&report),
    };
    match &args.to {
        Some(path) => {
            let attempt = || format!("write {}", path.display());
            std::fs::write(path, text).map_err(|e| Error::file(attempt(), e))?;
            shell.say(&format!("{} written", path.display()));
        }
        None => shell.say(&text),
    }
    Ok(if report.healthy == "True" {
        Outcome::Healthy
    } else {
        Outcome::Findings
    })
}

/// Carries out `timeline`.
pub async fn timeline(
    global: &Global,
    args: &TimelineArgs,
    shell: &mut Shell,
) -> Result<Outcome, Error> {
    let report = read(global, args.from.as_deref(), shell).await?;
    let only = args.workspace.as_deref();
    let mut text = String::new();
    if let Some(lanes) = picture::text::draw(&report.history, only, shell.width) {
        text.push_str(&lanes);
    }
    for mark in &report.history.notes {
        let _ = writeln!(text, "{}  {}", mark.at.strftime("%H:%M:%S%.3f"), mark.text);
    }
    if text.is_empty() {
        "Nothing has happened that is remembered.\n".clone_into(&mut text);
    }
    shell.say(&text);
    Ok(if report.healthy == "True" {
        Outcome::Healthy
    } else {
        Outcome::Findings
    })
}

async fn read(global: &Global, from: Option<&Path>, shell: &mut Shell) -> Result<Report, Error> {
    if let Some(path) = from {
        shell.progress("reading ...");
        let analysis = analysis::analyse(&Material::read(path)?)?;
        let name = path.file_name().map_or_else(
            || path.display().to_string(),
            |n| n.to_string_lossy().into_owned(),
        );
        return Ok(offline::report::report(analysis, name));
    }
    let cluster = Cluster::connect(global, shell).await?;
    let health = cluster.health(&global.object).await?;
    let overview = overview::read(&cluster, health).await?;
    Ok(Report::live(&overview, shell.now()))
}
