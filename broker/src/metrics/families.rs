//! Metrics written one name after the other.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

/// Names of labels with their values.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// Writes metrics whose names begin alike.
pub struct Families<'a> {
    encoder: DescriptorEncoder<'a>,
    prefix: &'static str,
}

impl<'a> Families<'a> {
    /// Each name is told without this prefix.
    pub fn new(encoder: DescriptorEncoder<'a>, prefix: &'static str) -> Self {
        Self { encoder, prefix }
    }

    /// Opens a name, under which `values` writes one line for each set of labels. A
    /// counter's is told without `_total`.
    pub fn family(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let name = format!("{}{name}", self.prefix);
        values(&mut self.encoder.encode_descriptor(&name, help, None, kind)?)
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, |metric| metric.encode_gauge(&value))
    }

    /// A counter without labels.
    pub fn total(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.family(name, help, MetricType::Counter, |metric| {
            metric.encode_counter::<NoLabelSet, u64, f64>(&value, None)
        })
    }
}

/// A line of a counter.
pub fn counter(metric: &mut MetricEncoder<'_>, labels: Labels<'_>, value: u64) -> fmt::Result {
    metric.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)
}

/// A line of a gauge.
pub fn gauge(
    metric: &mut MetricEncoder<'_>,
    labels: Labels<'_>,
    value: impl EncodeGaugeValue,
) -> fmt::Result {
    metric.encode_family(&labels)?.encode_gauge(&value)
}
