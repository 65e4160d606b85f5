//! `kubectl fedhealth`, the short name of `kubectl federation-health`.

fn main() -> std::process::ExitCode {
    federation_health_plugin::main()
}
