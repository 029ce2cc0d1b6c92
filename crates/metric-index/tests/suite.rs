//! One suite over SQLite and over a real PostgreSQL.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "suite/concurrency.rs"]
mod concurrency;
#[path = "support/engines.rs"]
mod engines;
#[path = "suite/stories.rs"]
mod stories;
#[path = "suite/written.rs"]
mod written;

use engines::Engine;
use testkit::PostgreSql;

/// Runs every story on an index of its own.
macro_rules! suite {
    ($($module:ident::$story:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    super::$module::$story(&super::Engine::sqlite().await).await;
                }
            )+
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn postgresql() {
            let server = PostgreSql::start().unwrap();
            $(
                println!("{}", stringify!($story));
                $module::$story(&Engine::postgresql(&server, stringify!($story)).await).await;
            )+
        }
    };
}

suite!(
    stories::a_fresh_index,
    stories::types_change_under_their_resources,
    stories::revisions_keep_what_was,
    stories::metrics_come_and_go,
    stories::pages_follow_each_other_with_and_without_values,
    stories::texts_that_cannot_be_kept_are_refused,
    stories::large_searches_are_answered_or_refused,
    stories::types_have_so_many_attributes,
    stories::names_of_attributes_are_only_names,
    stories::searches_use_indexes,
    written::written_metrics_are_those_that_are_there,
    concurrency::one_of_many_makes_a_resource,
    concurrency::every_change_becomes_one_revision,
    concurrency::types_change_while_resources_are_made,
    concurrency::a_policy_goes_or_gets_a_metric,
);
