//! A federation to look at with kubectl: `cargo run -p federation-health-sim --example serve`.
//!
//! It prints a kubeconfig and runs until it is interrupted. Join the cluster a second time with
//! `--incident` to see the loop.

#![allow(
    clippy::print_stdout,
    reason = "the kubeconfig is what this program is for"
)]

use std::error::Error;

use federation_health_sim::{Clock, Controllers, Sim};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sim = Sim::new(Clock::wall());
    sim.install_kubesphere()?;
    sim.install_policies()?;
    sim.add_workspace("orders", &["host"], &["ord-1", "ord-2", "ord-3"])?;
    sim.add_workspace("payments", &["host"], &["pay-1", "pay-2", "pay-3"])?;
    let _running = sim.start_controllers(&Controllers::host());
    if std::env::args().any(|a| a == "--incident") {
        sim.join("produce-trt")?;
    }
    let listening = sim.serve(([127, 0, 0, 1], 0).into()).await?;
    println!("{}", listening.kubeconfig());
    tokio::signal::ctrl_c().await?;
    Ok(())
}
