//! The figures of all runs, as a table of ratios and as JSON.

use serde_json::{Value, json};

use super::Side;

/// One figure of each life, by side.
struct Line {
    name: String,
    unit: &'static str,
    aim: Option<f64>,
    longshore: Vec<f64>,
    kafka: Vec<f64>,
    control: Vec<f64>,
}

/// Everything that was measured, in the order in which it first was.
#[derive(Default)]
pub(super) struct Lines(Vec<Line>);

/// The middle, the least and the most of some figures.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// `None` of nothing, and of a ratio to nothing.
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.retain(|figure| figure.is_finite());
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        Some(Self { median: figures[figures.len() / 2], least, most })
    }

    /// Of one side's figures by the other's, run by run.
    fn of_ratio(one: &[f64], other: &[f64]) -> Option<Self> {
        Self::of(one.iter().zip(other).map(|(one, other)| one / other).collect())
    }

    fn json(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

impl Line {
    fn ratio(&self) -> Option<Spread> {
        Spread::of_ratio(&self.longshore, &self.kafka)
    }

    fn control_ratio(&self) -> Option<Spread> {
        Spread::of_ratio(&self.control, &self.longshore)
    }

    /// What the ratio says; nothing where a rate is reported, which the drivers bound.
    fn verdict(&self) -> &'static str {
        match (self.ratio(), self.aim) {
            _ if self.unit == "1/s" => "",
            (None, _) => "",
            (Some(ratio), Some(aim)) if ratio.median <= aim => "aim met",
            (Some(ratio), _) if ratio.median > 1.0 => "BELOW PARITY",
            (Some(_), Some(_)) => "short of aim",
            (Some(_), None) => "parity",
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "unit": self.unit,
            "aim": self.aim,
            "longshore": self.longshore,
            "kafka": self.kafka,
            "longshore_again": self.control,
            "longshore_to_kafka": self.ratio().map(Spread::json),
            "longshore_again_to_longshore": self.control_ratio().map(Spread::json),
            "verdict": self.verdict(),
        })
    }
}

impl Lines {
    pub(super) fn take(
        &mut self,
        side: Side,
        name: &str,
        unit: &'static str,
        aim: Option<f64>,
        value: f64,
    ) {
        let at = self.0.iter().position(|line| line.name == name).unwrap_or_else(|| {
            let (longshore, kafka, control) = Default::default();
            self.0.push(Line { name: name.to_owned(), unit, aim, longshore, kafka, control });
            self.0.len() - 1
        });
        let line = &mut self.0[at];
        match side {
            Side::Longshore => line.longshore.push(value),
            Side::Kafka => line.kafka.push(value),
            Side::Control => line.control.push(value),
        }
    }

    /// Prints a line for each figure.
    pub(super) fn print(&self) {
        println!(
            "  {:<44} {:>5} {:>25} {:>25} {:>21} {:>21}",
            "", "unit", "Longshore", "Kafka", "Longshore/Kafka", "A/A"
        );
        for line in &self.0 {
            println!(
                "  {:<44} {:>5} {:>25} {:>25} {:>21} {:>21}  {}",
                line.name,
                line.unit,
                cell(Spread::of(line.longshore.clone())),
                cell(Spread::of(line.kafka.clone())),
                cell(line.ratio()),
                cell(line.control_ratio()),
                line.verdict(),
            );
        }
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(Line::json).collect()
    }
}

fn cell(spread: Option<Spread>) -> String {
    match spread {
        None => "-".to_owned(),
        Some(Spread { median, least, most }) => {
            format!("{} [{}..{}]", short(median), short(least), short(most))
        }
    }
}

/// Three digits that count.
fn short(figure: f64) -> String {
    let digits = if figure >= 100.0 {
        0
    } else if figure >= 10.0 {
        1
    } else {
        2
    };
    format!("{figure:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(aim: Option<f64>, longshore: f64, kafka: f64) -> Line {
        let (name, unit) = ("figure".to_owned(), "ms");
        let (longshore, kafka) = (vec![longshore; 3], vec![kafka; 3]);
        Line { name, unit, aim, control: longshore.clone(), longshore, kafka }
    }

    #[test]
    fn a_ratio_is_taken_run_by_run() {
        let ratio = Spread::of_ratio(&[1.0, 4.0, 9.0], &[1.0, 2.0, 3.0]);
        assert_eq!(ratio, Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(Spread::of_ratio(&[1.0], &[0.0]), None, "a ratio to nothing");
    }

    #[test]
    fn what_is_worse_than_kafka_is_never_hidden_by_an_aim() {
        assert_eq!(line(Some(0.5), 1.0, 2.0).verdict(), "aim met");
        assert_eq!(line(Some(0.5), 3.0, 4.0).verdict(), "short of aim");
        assert_eq!(line(Some(0.5), 5.0, 4.0).verdict(), "BELOW PARITY");
        assert_eq!(line(None, 5.0, 4.0).verdict(), "BELOW PARITY");
        assert_eq!(line(None, 4.0, 4.0).verdict(), "parity");
    }
}
