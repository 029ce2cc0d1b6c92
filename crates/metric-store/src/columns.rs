//! The columns of a policy's rows: its methods, in an order in which columns that others follow from come first.

use archive::{Method, MethodSet, Statistic};

/// Earlier columns that a column is compared with; further ones are seldom equal when these are not.
const COMPARED: usize = 8;

/// The columns of every level of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    methods: Vec<Method>,
    relations: Vec<Relations>,
}

/// The earlier columns that a column may follow from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relations {
    /// Sum and count.
    pub(crate) quotient: Option<(usize, usize)>,
    /// May have the same value.
    pub(crate) equal: Vec<usize>,
    /// May have it as the difference from the row before.
    pub(crate) difference: Vec<usize>,
}

impl Columns {
    pub(crate) fn new(methods: &MethodSet) -> Self {
        let mut methods: Vec<Method> = methods.iter().collect();
        methods.sort_by_key(|method| rank(*method));
        let relations = (0..methods.len()).map(|column| Relations::of(column, &methods)).collect();
        Self { methods, relations }
    }

    pub(crate) fn methods(&self) -> &[Method] {
        &self.methods
    }

    pub(crate) const fn len(&self) -> usize {
        self.methods.len()
    }

    /// The column of a method.
    pub(crate) fn place(&self, method: Method) -> Option<usize> {
        self.methods.iter().position(|other| *other == method)
    }

    pub(crate) fn relations(&self, column: usize) -> Option<&Relations> {
        self.relations.get(column)
    }
}

impl Relations {
    fn of(column: usize, methods: &[Method]) -> Self {
        let (before, own) = methods.split_at(column.min(methods.len()));
        let own = own.first().copied().unwrap_or(Method::plain(Statistic::Last));
        let place =
            |statistic| before.iter().position(|other| *other == Method { rate: own.rate, statistic });
        let quotient = match own.statistic {
            Statistic::Mean => place(Statistic::Sum).zip(place(Statistic::Count)),
            _ => None,
        };
        let those = |rate: bool| {
            let alike = before.iter().enumerate().filter(move |(_, other)| other.rate == rate);
            alike.map(|(place, _)| place).take(COMPARED).collect::<Vec<_>>()
        };
        let difference = if own.rate { those(false) } else { Vec::new() };
        Self { quotient, equal: those(own.rate), difference }
    }
}

/// Columns that others follow from come first.
pub(crate) fn rank(method: Method) -> (bool, u8) {
    let rank = match method.statistic {
        Statistic::Sum => 0,
        Statistic::Count => 1,
        Statistic::Last => 2,
        Statistic::First => 3,
        Statistic::Min => 4,
        Statistic::Max => 5,
        Statistic::Mean => 6,
        Statistic::Median => 7,
        Statistic::Percentile(percent) => 8 + percent.get(),
        Statistic::Std => u8::MAX,
    };
    (method.rate, rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_from_earlier_ones() {
        let columns = Columns::new(&MethodSet::all());
        for (column, method) in columns.methods().iter().enumerate() {
            assert_eq!(columns.place(*method), Some(column));
            let relations = columns.relations(column).unwrap();
            let quotient = relations.quotient.map(|(sum, count)| [sum, count]);
            let all = relations.equal.iter().chain(&relations.difference).copied();
            assert!(all.chain(quotient.into_iter().flatten()).all(|place| place < column), "{method}");
            assert_eq!(relations.quotient.is_some(), method.statistic == Statistic::Mean);
        }
    }
}
