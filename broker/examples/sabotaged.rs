//! A broker with a fault built in, which takes the binary's place in a test that
//! must fail: `LONGSHORE_SABOTAGE=acknowledge-early sabotaged server -c node.yaml`
//! with a node file of plain `name: value` lines.

use longshore_broker::{Broker, BrokerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("info").with_writer(std::io::stderr).init();
    let file = std::env::args().next_back().ok_or("usage: sabotaged server -c FILE")?;
    let file = std::fs::read_to_string(file)?;
    let properties = file.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        // The roles are the binary's business.
        (name != "process.roles").then(|| (name.to_owned(), value.to_owned()))
    });
    let broker = Broker::start(BrokerConfig::from_properties(properties)?).await?;
    println!("longshore ready kafka={}", broker.local_addr());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    terminate.recv().await;
    broker.shutdown().await;
    Ok(())
}
