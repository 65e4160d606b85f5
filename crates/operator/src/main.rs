//! The operator's binary.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser as _;
use federation_health_cluster::{
    check::passes,
    connect,
    probe::TlsDialer,
    proof::{self, Install, Prover},
};
use federation_health_operator::{
    args::{Args, Command, LogFormat},
    check,
    clock::Clock,
    events::Events,
    prove::Proving,
    run::{self, Surroundings},
};
use kube::Config;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

type Error = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = log_to_stderr(&args) {
        return fail(&*error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let outcome = match args.command {
        Some(Command::Check { timeout_seconds }) => {
            runtime.block_on(check(&args, Duration::from_secs(timeout_seconds)))
        }
        None => runtime.block_on(operate(&args)).map(|()| true),
    };
    // What still runs is cut off: every write is safe to lose halfway, and Kubernetes gives ten seconds.
    runtime.shutdown_timeout(Duration::from_secs(2));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&*error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!(error = %error, cause = error.source().map(tracing::field::display), "federation-health ends");
    ExitCode::FAILURE
}

fn log_to_stderr(args: &Args) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&args.log)?;
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => logger.init(),
        LogFormat::Json => logger.json().init(),
    }
    Ok(())
}

async fn config() -> Result<Config, Error> {
    let mut config = Config::infer().await?;
    // Retries below us would carry an old decision out minutes later.
    config.default_retry = false;
    config.read_timeout = None;
    Ok(config)
}

fn install(args: &Args) -> Install {
    Install {
        namespace: args.namespace.clone(),
        object: args.object.clone(),
    }
}

/// Prints what is there and what is missing; whether nothing has to be done.
async fn check(args: &Args, patience: Duration) -> Result<bool, Error> {
    let client = connect::client(&config().await?)?;
    let lines = check::until_well(&client, &install(args), patience).await?;
    io::stdout().write_all(check::text(&lines).as_bytes())?;
    Ok(passes(&lines))
}

async fn operate(args: &Args) -> Result<(), Error> {
    let listen = args.listen_address()?;
    let config = config().await?;
    let client = connect::client(&config)?;
    let install = install(args);
    let prover = Prover::new(client.clone(), install, proof::dial_with(config.clone()))?;
    let around = Surroundings {
        watch_client: connect::client(&config)?,
        hold_client: connect::client(&config)?,
        proving: Proving::Real(Box::new(prover)),
        events: Events::new(client.clone(), &args.instance),
        client,
        dialer: Arc::new(TlsDialer::default()),
        clock: Clock::wall(),
        listen,
        page: args.page,
        object: args.object.clone(),
        namespace: args.namespace.clone(),
        instance: args.instance.clone(),
        create_default: args.create_default,
    };
    let parts = run::start(around)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to stop");
    };
    parts.until(stop).await?;
    Ok(())
}
