//! [`AccountPollster`]: a meter of what each project has at a service, which is asked once in a cycle for each of them.
//!
//! Whichever pollster comes first asks; those that read the same answers of other meters find them in the cycle's cache. A
//! project whose answer fails costs its own readings alone; those of the others are made, and then the failure is reported.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use openstack::{RequestBuilder, Url};
use tokio::sync::OnceCell;

use super::projects;
use crate::{Cycle, Meter, PollError, Polling, Pollster, Reading, Readings, Resource};

/// Projects that are asked for at the same time.
const AT_ONCE: usize = 4;
/// So many failures one after the other are the service's, not the projects': the others are not asked for in this cycle.
const FAILURES_MAX: usize = 3;

/// How long a service is waited for that asks for patience about one project: the others wait behind it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The request, with the patience that one project may have.
pub(super) fn patient(cycle: &Cycle, request: RequestBuilder) -> RequestBuilder {
    cycle.patient(request).patience(cycle.patience().min(PATIENCE))
}

/// A service that has an account for each project.
pub(super) trait Store: fmt::Debug + Send + Sync + 'static {
    /// The service, for [`Pollster::service`].
    const SERVICE: &'static str;

    /// The service's address; [`None`] if there is no such service.
    fn address(&self) -> impl Future<Output = Result<Option<Url>, PollError>> + Send;
}

/// What is asked for at once.
pub(super) trait Account: fmt::Debug + Send + Sync + Sized + 'static {
    /// Whom.
    type Store: Store;

    /// Asks for that project's; [`None`] if it has no account, or one that we may not see.
    fn ask(
        store: &Self::Store,
        cycle: &Cycle,
        address: &Url,
        project: &str,
    ) -> impl Future<Output = Result<Option<Self>, PollError>> + Send;
}

/// The answers of a cycle by project.
#[derive(Debug)]
struct Accounts<A>(Mutex<HashMap<String, Place<A>>>);

/// An answer, or room for it.
type Place<A> = Arc<OnceCell<Result<Option<A>, PollError>>>;

impl<A> Accounts<A> {
    fn place(&self, project: &str) -> Place<A> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(project) {
            return Arc::clone(place);
        }
        let place = Place::default();
        places.insert(project.to_owned(), Arc::clone(&place));
        place
    }
}

/// The pollster of one meter.
#[derive(Debug)]
pub(super) struct AccountPollster<A: Account> {
    /// Whom it asks.
    pub(super) store: A::Store,
    /// The meter.
    pub(super) meter: &'static Meter,
    /// The readings of a project's account.
    pub(super) read: fn(&Meter, &str, &A) -> Vec<Reading>,
}

impl<A: Account> AccountPollster<A> {
    async fn ask(&self, cycle: &Cycle, address: &Url, project: &str, place: Place<A>) -> Place<A> {
        place.get_or_init(|| A::ask(&self.store, cycle, address, project)).await;
        place
    }

    async fn read(
        &self,
        cycle: &Cycle,
        resources: &[Resource],
        readings: &Readings,
    ) -> Result<(), PollError> {
        let Some(address) = self.store.address().await? else { return Ok(()) };
        let accounts =
            cycle.cache.get_or_make::<Accounts<A>, _>(|| async { Accounts(Mutex::default()) }).await;
        let projects = resources.iter().map(|resource| self.project(resource));
        // Those before a resource that is no project count.
        let (projects, wrong) = until_error(projects);
        let mut failures = Failures::default();
        let mut asked = FuturesOrdered::new();
        let mut rest = projects.iter();
        loop {
            while asked.len() < AT_ONCE
                && let Some(project) = rest.next()
            {
                asked.push_back(self.ask(cycle, &address, project, accounts.place(project)));
            }
            let Some(place) = asked.next().await else { break };
            let Some(project) = projects.get(failures.asked) else { break };
            match place.get() {
                Some(Ok(Some(account))) => {
                    failures.none();
                    for reading in (self.read)(self.meter, project, account) {
                        readings.give(reading).await?;
                    }
                }
                Some(Ok(None)) | None => failures.none(),
                Some(Err(error)) => {
                    failures.one(error);
                    if failures.in_a_row == FAILURES_MAX {
                        break;
                    }
                }
            }
        }
        failures.result(projects.len()).and(wrong)
    }

    fn project<'r>(&self, resource: &'r Resource) -> Result<&'r str, PollError> {
        projects::project(resource).ok_or_else(|| PollError::Kind {
            resource: resource.to_string(),
            meter: self.meter.name,
            kind: projects::PROJECT,
            discovery: projects::DISCOVERY,
        })
    }
}

/// What comes before the first error, and the error.
fn until_error<T, E>(results: impl Iterator<Item = Result<T, E>>) -> (Vec<T>, Result<(), E>) {
    let mut error = Ok(());
    let results = results.map_while(|result| result.map_err(|found| error = Err(found)).ok()).collect();
    (results, error)
}

/// How asking went.
#[derive(Debug, Default)]
struct Failures {
    asked: usize,
    failed: usize,
    in_a_row: usize,
    first: Option<PollError>,
}

impl Failures {
    fn none(&mut self) {
        self.asked += 1;
        self.in_a_row = 0;
    }

    fn one(&mut self, error: &PollError) {
        self.asked += 1;
        self.failed += 1;
        self.in_a_row += 1;
        self.first.get_or_insert_with(|| error.clone());
    }

    fn result(self, projects: usize) -> Result<(), PollError> {
        let Some(first) = self.first else { return Ok(()) };
        let Self { asked, failed, .. } = self;
        let message = match projects - asked.min(projects) {
            0 => format!("{failed} of {projects} projects could not be read; the first: {first}"),
            given_up => {
                format!(
                    "{failed} of {projects} projects could not be read, and {given_up} were given up in this cycle; the \
                     first: {first}"
                )
            }
        };
        Err(PollError::Failed { cause: first.cause(), message })
    }
}

impl<A: Account> Pollster for AccountPollster<A> {
    fn service(&self) -> Option<&str> {
        Some(A::Store::SERVICE)
    }

    fn poll<'a>(
        &'a self,
        cycle: &'a Cycle,
        resources: &'a [Resource],
        readings: &'a Readings,
    ) -> Polling<'a> {
        Box::pin(self.read(cycle, resources, readings))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use model::{MeterKind, Value};
    use observability::clock::Clock;

    use super::super::testing::object;
    use super::*;

    const METER: Meter = Meter { name: "m", kind: MeterKind::Gauge, unit: "B" };

    /// Knows how often it was asked.
    #[derive(Debug)]
    struct Shop {
        asked: Arc<AtomicUsize>,
        is_there: bool,
    }

    impl Store for Shop {
        const SERVICE: &'static str = "shop";

        async fn address(&self) -> Result<Option<Url>, PollError> {
            Ok(self.is_there.then(|| Url::parse("http://shop/").unwrap()))
        }
    }

    #[derive(Debug)]
    struct Bill;

    impl Account for Bill {
        type Store = Shop;

        async fn ask(
            shop: &Shop,
            _cycle: &Cycle,
            _address: &Url,
            project: &str,
        ) -> Result<Option<Self>, PollError> {
            tokio::task::yield_now().await;
            shop.asked.fetch_add(1, Ordering::Relaxed);
            match project.split_once('-') {
                Some(("bad", _)) => Err(PollError::Failed { cause: "bad", message: project.to_owned() }),
                Some(("no", _)) => Ok(None),
                _ => Ok(Some(Self)),
            }
        }
    }

    fn pollster(asked: &Arc<AtomicUsize>) -> AccountPollster<Bill> {
        AccountPollster {
            store: Shop { asked: Arc::clone(asked), is_there: true },
            meter: &METER,
            read: |meter, project, _| vec![Reading::new(meter, project, 1), Reading::new(meter, project, 2)],
        }
    }

    fn tenants(ids: &[&str]) -> Vec<Resource> {
        ids.iter().map(|id| object(projects::PROJECT, &format!(r#"{{"id": "{id}"}}"#))).collect()
    }

    /// The readings' resources, one of two, and the outcome.
    async fn poll(
        pollster: &AccountPollster<Bill>,
        cycle: &Cycle,
        resources: &[Resource],
    ) -> (Vec<String>, Result<(), PollError>) {
        let (readings, mut taken) = Readings::channel();
        let polled = pollster.poll(cycle, resources, &readings).await;
        drop(readings);
        let mut read = Vec::new();
        while let Some(reading) = taken.recv().await {
            if reading.volume == Value::Int(1) {
                read.push(reading.resource_id.as_str().unwrap().to_owned());
            }
        }
        (read, polled)
    }

    #[tokio::test]
    async fn each_project_is_asked_for_once_in_a_cycle_and_read_in_order() {
        let asked = Arc::default();
        let cycle = Cycle::new(Clock::machine());
        let some = tenants(&["a", "b", "c", "d", "e", "no-f", "g"]);
        let (one, other) = (pollster(&asked), pollster(&asked));
        let ((first, polled), (second, _)) =
            tokio::join!(poll(&one, &cycle, &some), poll(&other, &cycle, &some));
        assert!(polled.is_ok(), "{polled:?}");
        assert_eq!(first, ["a", "b", "c", "d", "e", "g"]);
        assert_eq!((first, asked.load(Ordering::Relaxed)), (second, 7));
        // Other projects of the same cycle are asked for, and known ones are not.
        let (third, _) = poll(&one, &cycle, &tenants(&["h", "a"])).await;
        assert_eq!((third, asked.load(Ordering::Relaxed)), (vec!["h".to_owned(), "a".to_owned()], 8));
        let (fourth, _) = poll(&one, &Cycle::new(Clock::machine()), &tenants(&["a"])).await;
        assert_eq!((fourth, asked.load(Ordering::Relaxed)), (vec!["a".to_owned()], 9));
    }

    #[tokio::test]
    async fn a_projects_failure_is_its_own_and_many_are_the_services() {
        for (ids, read, message) in [
            (
                vec!["bad-1", "a", "bad-2", "bad-3", "no-b", "bad-4", "c"],
                vec!["a", "c"],
                "4 of 7 projects could not be read; the first: bad-1",
            ),
            (
                vec!["a", "bad-1", "bad-2", "bad-3", "b", "c", "d"],
                vec!["a"],
                "3 of 7 projects could not be read, and 3 were given up in this cycle; the first: bad-1",
            ),
        ] {
            let asked = Arc::default();
            let cycle = Cycle::new(Clock::machine());
            let (found, polled) = poll(&pollster(&asked), &cycle, &tenants(&ids)).await;
            let error = polled.unwrap_err();
            assert_eq!((found, error.to_string(), error.cause()), (owned(&read), message.to_owned(), "bad"));
            // Whoever comes next does not ask again for those that failed.
            let before = asked.load(Ordering::Relaxed);
            let failed: Vec<&str> = ids.into_iter().filter(|id| id.starts_with("bad")).take(2).collect();
            let (found, polled) = poll(&pollster(&asked), &cycle, &tenants(&failed)).await;
            assert_eq!((found.len(), polled.is_err(), asked.load(Ordering::Relaxed)), (0, true, before));
        }
    }

    #[tokio::test]
    async fn what_is_no_project_is_named_after_those_before_it() {
        let asked = Arc::default();
        let mut resources = tenants(&["a", "b"]);
        resources.insert(1, Resource::text("p1"));
        let (found, polled) = poll(&pollster(&asked), &Cycle::new(Clock::machine()), &resources).await;
        assert_eq!((found, polled.unwrap_err().cause()), (owned(&["a"]), "resource"));
    }

    #[tokio::test]
    async fn without_the_service_nobody_is_asked() {
        let asked = Arc::default();
        let mut pollster = pollster(&asked);
        pollster.store.is_there = false;
        let (found, polled) = poll(&pollster, &Cycle::new(Clock::machine()), &tenants(&["a"])).await;
        assert!(found.is_empty() && polled.is_ok() && asked.load(Ordering::Relaxed) == 0);
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }
}
