//! A broker on its own: `cargo run -p longshore-broker --example broker -- KEY=VALUE...`
//! with Kafka's property names; Ctrl-C stops it cleanly.

use longshore_broker::{Broker, BrokerConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter("info").with_writer(std::io::stderr).init();
    let properties = std::env::args().skip(1).filter_map(|argument| {
        let (key, value) = argument.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    });
    let broker = Broker::start(BrokerConfig::from_properties(properties)?).await?;
    for address in broker.local_addrs() {
        println!("{address}");
    }
    tokio::signal::ctrl_c().await?;
    broker.shutdown().await;
    Ok(())
}
