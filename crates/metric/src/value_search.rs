//! Searches for measures by their values (Gnocchi REST v1, /v1/search/metric).

use metric_index::Metric;
use metric_store::ReadError;
use model::{Map, Value};
use uuid::Uuid;

use crate::measures::{measures_of, or_empty, store_id};
use crate::reader::POINTS;
use crate::{Caller, Granularity, Kind, Measure, Metrics, Refusal, Rule, Target, computed_policy, view};

/// An operator on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PredicateOperator {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    /// The remainder, with the sign of the divisor.
    Modulo,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// The spellings of the operators.
const OPERATORS: [(&str, PredicateOperator); 31] = [
    ("=", PredicateOperator::Equal),
    ("==", PredicateOperator::Equal),
    ("eq", PredicateOperator::Equal),
    ("<", PredicateOperator::Less),
    ("lt", PredicateOperator::Less),
    (">", PredicateOperator::Greater),
    ("gt", PredicateOperator::Greater),
    ("<=", PredicateOperator::LessOrEqual),
    ("≤", PredicateOperator::LessOrEqual),
    ("le", PredicateOperator::LessOrEqual),
    (">=", PredicateOperator::GreaterOrEqual),
    ("≥", PredicateOperator::GreaterOrEqual),
    ("ge", PredicateOperator::GreaterOrEqual),
    ("!=", PredicateOperator::NotEqual),
    ("≠", PredicateOperator::NotEqual),
    ("ne", PredicateOperator::NotEqual),
    ("%", PredicateOperator::Modulo),
    ("mod", PredicateOperator::Modulo),
    ("+", PredicateOperator::Add),
    ("add", PredicateOperator::Add),
    ("-", PredicateOperator::Subtract),
    ("sub", PredicateOperator::Subtract),
    ("*", PredicateOperator::Multiply),
    ("×", PredicateOperator::Multiply),
    ("mul", PredicateOperator::Multiply),
    ("/", PredicateOperator::Divide),
    ("÷", PredicateOperator::Divide),
    ("div", PredicateOperator::Divide),
    ("**", PredicateOperator::Power),
    ("^", PredicateOperator::Power),
    ("pow", PredicateOperator::Power),
];

impl PredicateOperator {
    /// The operator of a spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        OPERATORS.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    #[allow(clippy::float_cmp, reason = "equality is what is asked for")]
    fn apply(self, left: f64, right: f64) -> f64 {
        let truth = |truth: bool| f64::from(u8::from(truth));
        match self {
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::Less => truth(left < right),
            Self::Greater => truth(left > right),
            Self::LessOrEqual => truth(left <= right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Modulo => left - right * (left / right).floor(),
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
        }
    }
}

/// What is asked of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// A number.
    Number(f64),
    /// The value, the operator and a number.
    Value(PredicateOperator, f64),
    /// The operator on two results.
    Pair(PredicateOperator, Box<Predicate>, Box<Predicate>),
    /// All of them.
    And(Vec<Predicate>),
    /// At least one of them.
    Or(Vec<Predicate>),
}

impl Predicate {
    fn result(&self, value: f64) -> f64 {
        let truth = |truth: bool| f64::from(u8::from(truth));
        match self {
            Self::Number(number) => *number,
            Self::Value(operator, number) => operator.apply(value, *number),
            Self::Pair(operator, left, right) => operator.apply(left.result(value), right.result(value)),
            Self::And(parts) => truth(parts.iter().all(|part| part.fits(value))),
            Self::Or(parts) => truth(parts.iter().any(|part| part.fits(value))),
        }
    }

    /// Whether it is true of a value.
    pub fn fits(&self, value: f64) -> bool {
        self.result(value) != 0.0
    }
}

impl Metrics {
    /// The measures of metrics that a predicate is true of, coarsest granularity first. Metrics that do not exist are
    /// passed over.
    ///
    /// # Errors
    /// The caller may not, or one of them has no such measures.
    pub async fn search_values(
        &self,
        caller: &Caller,
        ids: &[Uuid],
        predicate: Predicate,
        aggregation: &str,
        granularities: &[i64],
        window: (Option<i64>, Option<i64>),
    ) -> Result<Vec<(Uuid, Vec<Measure>)>, Refusal> {
        let metrics = self.metrics_with_resources(ids).await?;
        let mut wanted = Vec::with_capacity(metrics.len());
        for metric in metrics {
            caller.enforce(Rule::SearchMetric, &Target::of_metric(&metric))?;
            let policy = computed_policy(&metric.archive_policy)?;
            let method = aggregation.parse().ok().filter(|method| policy.methods().contains(*method));
            let method = method.ok_or_else(|| unknown(&metric))?;
            let mut own: Vec<i64> =
                policy.aggregations_of(method).iter().map(|found| found.granularity).collect();
            if let Some(strange) = granularities.iter().find(|granularity| !own.contains(granularity)) {
                let mut detail = Map::new();
                detail.insert("granularity", view::seconds(*strange));
                detail.insert("aggregation_method", aggregation);
                let facts = [("detail", detail.into())];
                return Err(Refusal::because(Kind::Invalid, "Aggregation does not exist", facts));
            }
            if !granularities.is_empty() {
                own.retain(|granularity| granularities.contains(granularity));
            }
            wanted.push((metric, method, own));
        }
        self.on_store(move |reader| {
            let mut found = Vec::with_capacity(wanted.len());
            for (metric, method, granularities) in wanted {
                let mut measures = Vec::new();
                for granularity in granularities {
                    let (start, stop) = window;
                    let read = reader.store()?.measures(store_id(&metric), method, granularity, start, stop);
                    if matches!(read, Err(ReadError::UnknownMetric { .. })) {
                        return Err(unknown(&metric));
                    }
                    let series = or_empty(read)?;
                    for (place, measure) in measures_of(&series, Granularity::Fixed(granularity)).enumerate()
                    {
                        // A predicate may be long.
                        if place % POINTS == 0 {
                            reader.store()?;
                        }
                        if predicate.fits(measure.value) {
                            measures.push(measure);
                        }
                    }
                }
                found.push((metric.id, measures));
            }
            Ok(found)
        })
        .await
    }
}

fn unknown(metric: &Metric) -> Refusal {
    let mut detail = Map::new();
    detail.insert("metric", view::listed_metric(metric));
    Refusal::because(Kind::Invalid, "Metric does not exist", [("detail", Value::Map(detail))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates() {
        use PredicateOperator as Op;
        let plus = Predicate::Value(Op::Add, 1.0);
        let six = Predicate::Pair(Op::Equal, Box::new(plus), Box::new(Predicate::Number(6.0)));
        assert!(six.fits(5.0) && !six.fits(6.0));
        let either = Predicate::Or(vec![six, Predicate::Value(Op::GreaterOrEqual, 10.0)]);
        assert!(either.fits(11.0) && !either.fits(9.0));
        assert_eq!(Op::Modulo.apply(-7.0, 3.0).to_bits(), 2.0_f64.to_bits());
        assert_eq!(OPERATORS.len(), 31);
    }
}
