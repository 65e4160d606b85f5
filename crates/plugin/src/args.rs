//! The command line: kubectl's own flags, and one verb for each question.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::demo::Scenario;

mod times;

use times::{approval, seconds, timeout};

/// Guards KubeFed and KubeSphere federations against deleting their own namespaces.
///
/// Exit codes: 0 healthy, or done as asked; 2 there are findings, or something could not be judged; 1 an error.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kubectl federation-health",
    bin_name = "kubectl federation-health",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What is asked for.
    #[command(subcommand)]
    pub verb: Verb,
    /// kubectl's flags.
    #[command(flatten)]
    pub global: Global,
}

/// kubectl's own flags.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Flags of kubectl")]
pub struct Global {
    /// Namespace of KubeFed, where no FederationHealth object says another
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Kubeconfig file to use instead of $KUBECONFIG or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// User to impersonate
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to impersonate; may be given several times
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,
    /// Time after which a request is given up, such as 30, 30s or 2m; 0: never
    #[arg(long, global = true, value_name = "TIME", value_parser = timeout, default_value = "30s")]
    pub request_timeout: u64,
    /// FederationHealth object
    #[arg(long, global = true, value_name = "NAME", default_value = "default")]
    pub object: String,
}

/// Form of the answer.
#[derive(Args, Clone, Debug, Default)]
pub struct Output {
    /// Form of the answer
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORM"
    )]
    pub form: Form,
    /// Leave the headline of tables out
    #[arg(long)]
    pub no_headers: bool,
}

/// Forms that kubectl knows as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Table,
    /// For people with wide screens.
    Wide,
    /// For programs.
    Json,
    /// For programs and people.
    Yaml,
    /// Names alone.
    Name,
}

/// The verbs.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Show the federation as a tree, worst first
    Status(StatusArgs),
    /// Say what a finding means, what it rests on, what is at risk and what to do
    Explain(ExplainArgs),
    /// Say whether it is safe to start or reinstall KubeFed here, or to join a cluster; needs no operator and no CRD
    Preflight(PreflightArgs),
    /// Check what federation-health itself needs: kinds, rights, policies, the operator
    Check(CheckArgs),
    /// Judge a recording, an audit log or a gathered bundle, without a cluster
    Analyze(AnalyzeArgs),
    /// Show what happened as lanes on one axis
    Timeline(TimelineArgs),
    /// Write one self-contained document: verdict, timeline, graph, findings, lost namespaces
    Report(ReportArgs),
    /// Ask for a hold: deletions are refused until a time
    Hold(HoldArgs),
    /// End holds: a person's own request, or with --all every hold
    Release(ReleaseArgs),
    /// Stop remediation; holds are not paused
    Pause(PauseArgs),
    /// Take a pause back
    Resume(ResumeArgs),
    /// Show what remediation would do to which objects, and what stands against it
    Plan(PlanArgs),
    /// Approve a plan that you have looked at, for a while
    Approve(ApproveArgs),
    /// Show what remediation did and what is in force; take it back
    Undo(UndoArgs),
    /// Gather what is needed to judge from afar: a folder without secrets
    Gather(GatherArgs),
    /// Play the incident in memory, or leave a federation up to try every verb on
    Demo(DemoArgs),
    /// Print completions for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write man pages
    Man(ManArgs),
}

/// Arguments of `status`.
#[derive(Args, Clone, Debug)]
pub struct StatusArgs {
    /// Form of the answer.
    #[command(flatten)]
    pub output: Output,
    /// Show again whenever something changes, until interrupted
    #[arg(short, long)]
    pub watch: bool,
    /// One line for each namespace and cluster instead of one for equal siblings
    #[arg(long)]
    pub no_grouping: bool,
}

/// Arguments of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A code such as FH004, or the name of a cluster, Workspace or namespace; without it, everything that is open
    pub subject: Option<String>,
    /// An audit log of this cluster's API server: names who took the label off the experiment's Workspace (FH010)
    #[arg(long, value_name = "FILE")]
    pub audit: Option<PathBuf>,
}

/// Arguments of `preflight`.
#[derive(Args, Clone, Debug)]
pub struct PreflightArgs {
    /// Form of the answer.
    #[command(flatten)]
    pub output: Output,
    /// Judge as if a cluster were registered under this name
    #[arg(long, value_name = "NAME")]
    pub join: Option<String>,
    /// Context of the kubeconfig that leads to the cluster to be joined; without it, the host itself
    #[arg(long, requires = "join", value_name = "CONTEXT")]
    pub join_context: Option<String>,
}

/// Arguments of `check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Form of the answer.
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `analyze`.
#[derive(Args, Clone, Debug)]
pub struct AnalyzeArgs {
    /// A recording (JSON lines of watch events), an audit log, or a folder of manifests
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
    /// Form of the answer.
    #[command(flatten)]
    pub output: Output,
}

/// Arguments of `timeline`.
#[derive(Args, Clone, Debug)]
pub struct TimelineArgs {
    /// This Workspace alone
    pub workspace: Option<String>,
    /// A recording, audit log or bundle instead of the cluster
    #[arg(long, value_name = "DIR|FILE")]
    pub from: Option<PathBuf>,
}

/// Arguments of `report`.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Form of the document
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORM"
    )]
    pub form: ReportForm,
    /// A recording, audit log or bundle instead of the cluster
    #[arg(long, value_name = "DIR|FILE")]
    pub from: Option<PathBuf>,
    /// File to write instead of standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportForm {
    /// One page, no script, nothing fetched.
    #[default]
    Html,
    /// Markdown.
    Md,
    /// For programs.
    Json,
    /// For pipelines.
    Junit,
}

/// Arguments of `hold`.
#[derive(Args, Clone, Debug)]
pub struct HoldArgs {
    /// For how long, such as 90m, 2h or 1h30m; at most 7d
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    pub time: i64,
    /// Why, for the person who finds the hold
    #[arg(long)]
    pub reason: String,
    /// Name of the request; asking again under a name replaces it
    #[arg(long, default_value = "kubectl")]
    pub name: String,
    /// Allow holds where spec.hold says Never: a request holds nothing there
    #[arg(long)]
    pub enable: bool,
    /// Try the write without effect
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `release`.
#[derive(Args, Clone, Debug)]
pub struct ReleaseArgs {
    /// Name of the request to take back
    #[arg(long, default_value = "kubectl")]
    pub name: String,
    /// Every hold, whoever asked and whatever the verdict: armed namespaces are deleted within half a second
    #[arg(long, conflicts_with = "name")]
    pub all: bool,
    /// Release although namespaces are armed
    #[arg(long, requires = "all")]
    pub force: bool,
    /// Try the write without effect
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `pause`.
#[derive(Args, Clone, Debug)]
pub struct PauseArgs {
    /// Why, for the person who finds the pause
    #[arg(long)]
    pub reason: String,
    /// Who asks: key of the request
    #[arg(long, default_value = "kubectl")]
    pub name: String,
    /// Try the write without effect
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `resume`.
#[derive(Args, Clone, Debug)]
pub struct ResumeArgs {
    /// Key of the request to take back
    #[arg(long, default_value = "kubectl")]
    pub name: String,
    /// Try the write without effect
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// Form of the answer.
    #[command(flatten)]
    pub output: Output,
    /// The same as kubectl commands that fail if an object is no longer what it is now
    #[arg(long, conflicts_with = "form")]
    pub commands: bool,
}

/// Arguments of `approve`.
#[derive(Args, Clone, Debug)]
pub struct ApproveArgs {
    /// Id of the plan, as `plan` shows it; without it nothing is approved, and the plan is shown
    #[arg(value_name = "PLAN-ID")]
    pub id: Option<String>,
    /// For how long, such as 30m or 2h; at most 24h
    #[arg(long = "for", value_name = "TIME", value_parser = approval, default_value = "1h")]
    pub time: i64,
    /// Try the write without effect
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `undo`.
#[derive(Args, Clone, Debug)]
pub struct UndoArgs {
    /// `all`, or an action such as FreezeControllers; without it, what is in force is shown
    pub action: Option<String>,
    /// Form of what is shown.
    #[command(flatten)]
    pub output: Output,
    /// Take the request back, so that remediation may act again
    #[arg(long, conflicts_with = "action")]
    pub end: bool,
    /// Take back what mended a cause as well, which brings the danger back; without it the commands are shown
    #[arg(long, requires = "action")]
    pub yes: bool,
    /// Try the writes without effect
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `gather`.
#[derive(Args, Clone, Debug)]
pub struct GatherArgs {
    /// Folder to make
    #[arg(long, value_name = "DIR", default_value = "federation-health-bundle")]
    pub to: PathBuf,
}

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct DemoArgs {
    /// What happens
    #[arg(value_enum, default_value_t)]
    pub scenario: Scenario,
    /// Allow holds. Without this or the next two, the demonstration shows the scenario twice, and --serve allows nothing
    #[arg(long, group = "guard")]
    pub hold: bool,
    /// Allow holds, and remediation that a person approves
    #[arg(long, group = "guard")]
    pub ask: bool,
    /// Allow holds, and remediation by itself
    #[arg(long, group = "guard")]
    pub apply: bool,
    /// Leave the API server up, in real time, with a kubeconfig
    #[arg(long)]
    pub serve: bool,
    /// Port to listen on; 0: any
    #[arg(long, default_value_t = 0, requires = "serve")]
    pub port: u16,
}

/// Arguments of `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Folder for the pages
    #[arg(long, value_name = "DIR", default_value = "man")]
    pub to: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
