//! The protocol under many thousands of orders of its steps, as shuttle draws them: requests meet a change, which is
//! committed by this process, by another one, or right after a look that failed. Shuttle takes one step at a time, so
//! orders of memory weaker than that are not modelled; what the processor reorders is left to the orderings in the code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicBool, AtomicU64};
use shuttle::sync::{Arc, Mutex};
use shuttle::{Config, Runner, thread};

use super::{Eye, Freshness, Lock, Look, Stamped, Word, trusted};
use crate::store::watch::FRESH_NANOS;

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    fn fetch_add(&self, more: u64, order: Ordering) -> u64 {
        self.fetch_add(more, order)
    }

    fn compare_exchange(&self, from: u64, to: u64, success: Ordering, failure: Ordering) -> Result<u64, u64> {
        self.compare_exchange(from, to, success, failure)
    }
}

impl<T> Lock<T> for Mutex<T> {
    fn new(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        act(&mut self.lock().unwrap())
    }
}

/// `claribi.db` as far as it matters here.
#[derive(Default)]
struct File {
    data_version: i64,
    version: u64,
    revoked: bool,
    /// The next look cannot be had.
    failing: bool,
}

struct Sight(Arc<Mutex<File>>);

impl Eye for Sight {
    type Error = ();

    fn data_version(&mut self) -> Result<i64, ()> {
        let mut file = self.0.lock().unwrap();
        if std::mem::take(&mut file.failing) { Err(()) } else { Ok(file.data_version) }
    }

    fn version(&mut self) -> Result<u64, ()> {
        Ok(self.0.lock().unwrap().version)
    }
}

#[derive(Clone, Copy)]
struct Row {
    version: u64,
    revoked: bool,
}

impl Stamped for Row {
    fn version(&self) -> u64 {
        self.version
    }
}

type Watched = Freshness<AtomicU64, Mutex<(Sight, i64)>>;

/// A server and what is around it.
struct Scene {
    file: Arc<Mutex<File>>,
    watch: Watched,
    cache: Mutex<Option<Row>>,
    /// A snapshot that was kept: what it was kept with, and what it shows.
    kept: Mutex<Option<(u64, bool)>>,
    clock: AtomicU64,
    /// The change has returned to who asked for it.
    returned: AtomicBool,
}

/// How a request comes to its row.
type Way = fn(&Scene) -> Row;

impl Scene {
    /// The key is cached as good.
    fn new() -> Arc<Self> {
        let file = Arc::new(Mutex::new(File { version: 7, ..File::default() }));
        Arc::new(Self {
            watch: Freshness::new(Sight(file.clone()), 7, 0, 0),
            file,
            cache: Mutex::new(Some(Row { version: 7, revoked: false })),
            kept: Mutex::new(Some((0, false))),
            clock: AtomicU64::new(1),
            returned: AtomicBool::new(false),
        })
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::SeqCst)
    }

    fn version(&self) -> u64 {
        if self.watch.is_due(self.now()) {
            let _: Look<()> = self.watch.look(|| self.now());
        }
        self.watch.version()
    }

    /// From the snapshot that was kept, or a new one.
    fn read(&self, version: u64) -> Row {
        let mut kept = self.kept.lock().unwrap();
        let moment = self.watch.moment();
        if let Some((_, revoked)) = kept.filter(|(begun, _)| Some(*begun) == moment) {
            return Row { version, revoked };
        }
        let revoked = self.file.lock().unwrap().revoked;
        *kept = moment.map(|moment| (moment, revoked));
        Row { version, revoked }
    }

    fn keep(&self, row: &Row) {
        *self.cache.lock().unwrap() = Some(*row);
    }

    /// What the program does.
    fn by_protocol(&self) -> Row {
        let row = trusted(
            || self.version(),
            || *self.cache.lock().unwrap(),
            |version| Ok::<_, ()>(Some(self.read(version))),
            |row| self.keep(row),
        );
        row.unwrap().unwrap()
    }

    /// What it must not do: keep a row with a version that was asked for after it was read.
    fn by_the_newer_version(&self) -> Row {
        let version = self.version();
        if let Some(row) = (*self.cache.lock().unwrap()).filter(|row| row.version == version) {
            return row;
        }
        let row = self.read(0);
        let row = Row { version: self.version(), ..row };
        self.keep(&row);
        row
    }

    /// A request: one that began after the change had returned does not come in.
    fn request(&self, way: Way) {
        let began_after = self.returned.load(Ordering::SeqCst);
        let row = way(self);
        assert!(row.revoked || !began_after, "a revoked key came in");
    }

    /// Revokes the key, in a file that everybody sees from then on.
    fn commit(&self) -> u64 {
        let mut file = self.file.lock().unwrap();
        file.revoked = true;
        file.version += 1;
        file.data_version += 1;
        file.version
    }

    /// By this process' writer: it publishes, then answers.
    fn revoke_here(&self) {
        self.watch.begin_write();
        let version = self.commit();
        self.watch.end_write();
        self.watch.publish(version);
        self.returned.store(true, Ordering::SeqCst);
    }

    /// What it must not do: publish a version whose commit is not counted, which is read from an older snapshot then.
    fn revoke_here_in_the_wrong_order(&self) {
        let version = self.commit();
        self.watch.publish(version);
        self.watch.begin_write();
        self.watch.end_write();
        self.returned.store(true, Ordering::SeqCst);
    }

    /// By another process, which waits for longer than a look stays fresh.
    fn revoke_elsewhere(&self) {
        self.commit();
        self.clock.fetch_add(FRESH_NANOS + 1, Ordering::SeqCst);
        self.returned.store(true, Ordering::SeqCst);
    }
}

/// Orders of steps that are drawn for each scene, by each of the two ways of drawing.
const ORDERS: usize = 1_500;

/// Two clients of two requests each, and a change.
fn model(way: Way, prepare: fn(&Scene), change: fn(&Scene)) {
    // Always the same orders: what fails once fails again.
    draw(RandomScheduler::new_from_seed(1, ORDERS), way, prepare, change);
    draw(PctScheduler::new_from_seed(2, 3, ORDERS), way, prepare, change);
}

fn draw(scheduler: impl Scheduler + 'static, way: Way, prepare: fn(&Scene), change: fn(&Scene)) {
    let mut config = Config::new();
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(move || {
        let scene = Scene::new();
        prepare(&scene);
        let clients: Vec<_> = (0..2)
            .map(|_| {
                let scene = scene.clone();
                thread::spawn(move || (0..2).for_each(|_| scene.request(way)))
            })
            .collect();
        change(&scene);
        scene.request(way);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

fn as_it_is(_: &Scene) {}

/// The row is to be read anew, which is where versions and rows can come apart.
fn with_nothing_cached(scene: &Scene) {
    *scene.cache.lock().unwrap() = None;
}

/// The next look fails, and is due.
fn with_a_look_that_fails(scene: &Scene) {
    scene.file.lock().unwrap().failing = true;
    scene.clock.fetch_add(FRESH_NANOS + 1, Ordering::SeqCst);
    let _ = scene.by_protocol();
}

#[test]
fn no_order_of_steps_lets_a_key_in_that_this_process_revoked() {
    model(Scene::by_protocol, as_it_is, Scene::revoke_here);
    model(Scene::by_protocol, with_nothing_cached, Scene::revoke_here);
}

#[test]
fn no_order_of_steps_lets_a_key_in_that_another_process_revoked() {
    model(Scene::by_protocol, as_it_is, Scene::revoke_elsewhere);
    model(Scene::by_protocol, with_nothing_cached, Scene::revoke_elsewhere);
}

#[test]
fn a_look_that_failed_hides_no_change_that_comes_after_it() {
    model(Scene::by_protocol, with_a_look_that_fails, Scene::revoke_here);
    model(Scene::by_protocol, with_a_look_that_fails, Scene::revoke_elsewhere);
}

/// The model can fail: it finds the order of steps that the protocol rules out.
#[test]
fn the_model_catches_a_row_that_is_kept_with_a_newer_version_than_it_was_read_at() {
    for change in [Scene::revoke_here, Scene::revoke_elsewhere] {
        catches(|| model(Scene::by_the_newer_version, with_nothing_cached, change));
    }
}

#[test]
fn the_model_catches_a_version_that_is_published_before_its_commit_is_counted() {
    catches(|| model(Scene::by_protocol, with_nothing_cached, Scene::revoke_here_in_the_wrong_order));
}

fn catches(model: impl FnOnce()) {
    let told = catch_unwind(AssertUnwindSafe(model)).expect_err("nothing was found");
    let told =
        told.downcast_ref::<String>().cloned().or_else(|| told.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    assert!(told.unwrap_or_default().contains("came in"), "something else was found");
}
