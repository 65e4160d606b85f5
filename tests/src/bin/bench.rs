//! `bench`: what the operator costs. Prints figures; asserts nothing, since a busy machine is no fault.
//!
//! ```text
//! bench                      memory and CPU of the operator's process beside a kube-rs reflector, at 100 to 10,000 Workspaces
//! bench instructions         instructions of one recreation at 100, 1,000 and 10,000 Workspaces (needs valgrind)
//! bench typed                from the start of the plugin and of kubectl to their first byte, at 10,000 Workspaces
//! ```

use std::process::ExitCode;

use federation_health_tests::bench;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        [] => bench::process::run(&[100, 1_000, 10_000]),
        ["instructions"] => bench::instructions::run(&[100, 1_000, 10_000]),
        ["typed"] => bench::process::typed(10_000),
        // Called by the first two, as processes of their own.
        ["events", workspaces, recreations] => bench::instructions::child(workspaces, recreations),
        ["reflector", kubeconfig] => bench::process::peer(kubeconfig),
        _ => Err("Usage: bench [instructions | typed]".into()),
    };
    match outcome {
        Ok(text) => {
            // Without a terminal there is nobody to tell.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ =
                std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("bench: {error}\n"));
            ExitCode::FAILURE
        }
    }
}
