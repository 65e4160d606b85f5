//! `completion` and `man`: what a package puts beside the program.

use std::{fs, path::Path};

use clap_complete::Shell as Syntax;

use crate::{Error, Outcome, Shell, args::ManArgs};

/// Prints the completions for a shell. kubectl asks `kubectl_complete-federation_health` for those of a plugin; the standalone
/// name is `kubectl-federation_health`.
pub fn completion(syntax: Syntax, shell: &mut Shell) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(
        syntax,
        &mut crate::command(),
        "kubectl-federation_health",
        &mut text,
    );
    shell.say(&String::from_utf8_lossy(&text));
    Outcome::Healthy
}

/// Writes a page for the program and one for each verb.
pub fn man(args: &ManArgs, shell: &mut Shell) -> Result<Outcome, Error> {
    let folder: &Path = &args.to;
    fs::create_dir_all(folder).map_err(|e| Error::file(format!("make {}", folder.display()), e))?;
    let command = crate::command().name("kubectl-federation_health");
    clap_mangen::generate_to(command, folder)
        .map_err(|e| Error::file(format!("write {}", folder.display()), e))?;
    shell.say(&format!("{} written", folder.display()));
    Ok(Outcome::Healthy)
}
