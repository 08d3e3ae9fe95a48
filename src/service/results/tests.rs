//! What is kept, for how long, and what a crash leaves.

use tempfile::TempDir;

use super::*;

struct Place {
    directory: TempDir,
    data: DataDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::create(&directory.path().join("data")).unwrap();
        Self { directory, data }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn results(&self, limit: u64) -> Results {
        Results::new(self.root(), limit)
    }

    fn found(&self, results: &Results, key: &Key) -> Option<u64> {
        results.find(key, &self.data, "found").map(|answer| answer.content.length())
    }
}

const ORG: Uuid = Uuid::from_u128(1);

fn key(text: &str) -> Key {
    Key::of(ORG, Some(Uuid::from_u128(2)), &text).unwrap()
}

fn answer(length: usize) -> QueryAnswer {
    QueryAnswer { content: Content::Bytes(vec![7; length].into()), rows: 3, truncated: true, is_lasting: true }
}

#[test]
fn what_was_not_asked_for_the_longest_makes_room() {
    let place = Place::new();
    let results = place.results(100);
    for name in ["a", "b"] {
        results.keep(&key(name), &answer(40)).unwrap();
    }
    assert_eq!(place.found(&results, &key("a")), Some(40));
    results.keep(&key("c"), &answer(40)).unwrap();
    let found = ["a", "b", "c"].map(|name| place.found(&results, &key(name)).is_some());
    assert_eq!(found, [true, false, true]);
    results.keep(&key("d"), &answer(101)).unwrap();
    assert_eq!(place.found(&results, &key("d")), None, "larger than all there is room for");
    assert_eq!(files(&place.root()).len(), 2);
}

#[test]
fn a_restart_finds_whole_results_and_removes_halves() {
    let place = Place::new();
    place.results(1_000).keep(&key("a"), &answer(40)).unwrap();
    let half = place.root().join(&key("a").directory).join(format!("{}.new", key("b").name));
    std::fs::write(&half, "half").unwrap();
    let results = place.results(1_000);
    let found = results.find(&key("a"), &place.data, "x").unwrap();
    assert_eq!((found.rows, found.truncated), (3, true));
    assert!(!half.exists());
    let mode = std::fs::metadata(&files(&place.root())[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(place.found(&place.results(10), &key("a")), None, "there is less room now");
}

#[test]
fn large_results_are_files_that_outlive_their_place() {
    let place = Place::new();
    let results = place.results(1 << 20);
    let large = usize::try_from(READ).unwrap() + 1;
    results.keep(&key("a"), &answer(large)).unwrap();
    let found = results.find(&key("a"), &place.data, "x").unwrap();
    results.forget_source(ORG, Uuid::from_u128(2));
    assert_eq!(place.found(&results, &key("a")), None);
    assert!(files(&place.root()).is_empty());
    let Content::File { path, .. } = &found.content else { panic!("a file") };
    assert_eq!(std::fs::read(path).unwrap().len(), large);
}

#[test]
fn a_source_takes_what_it_went_into_along_and_leaves_the_rest() {
    let place = Place::new();
    let results = place.results(1_000);
    let of = |source: Option<u128>| Key::of(ORG, source.map(Uuid::from_u128), &"x").unwrap();
    for source in [Some(2), Some(3), None] {
        results.keep(&of(source), &answer(10)).unwrap();
    }
    results.forget_source(ORG, Uuid::from_u128(2));
    let found = [Some(2), Some(3), None].map(|source| place.found(&results, &of(source)).is_some());
    assert_eq!(found, [false, true, false]);
}

#[test]
fn who_keeps_none_leaves_those_of_others_alone() {
    let place = Place::new();
    let of = |source: u128| Key::of(ORG, Some(Uuid::from_u128(source)), &"x").unwrap();
    for source in [2, 3] {
        place.results(1_000).keep(&of(source), &answer(10)).unwrap();
    }
    let beside = place.results(0);
    beside.keep(&of(4), &answer(0)).unwrap();
    assert_eq!((place.found(&beside, &of(2)), files(&place.root()).len()), (None, 2));
    beside.forget_source(ORG, Uuid::from_u128(2));
    assert_eq!((place.found(&place.results(1_000), &of(3)), files(&place.root()).len()), (Some(10), 1));
    beside.remove_all();
    assert!(files(&place.root()).is_empty());
}

#[test]
fn a_file_that_is_gone_is_no_result() {
    let place = Place::new();
    let results = place.results(1_000);
    results.keep(&key("a"), &answer(10)).unwrap();
    std::fs::remove_dir_all(place.root()).unwrap();
    assert_eq!(place.found(&results, &key("a")), None);
    results.keep(&key("a"), &answer(10)).unwrap();
    assert_eq!(place.found(&results, &key("a")), Some(10));
}

#[tokio::test]
async fn one_who_leaves_ends_nothing_for_others_and_the_last_ends_it() {
    let place = Place::new();
    let results = std::sync::Arc::new(place.results(0));
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    // Held by the query: gone when it is.
    let (alive, watched) = tokio::sync::oneshot::channel::<()>();
    let mut begun = Some(async move {
        let _alive = alive;
        let _ = released.await;
        Ok(answer(5))
    });
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let (results, begun) = (results.clone(), begun.take());
        waiting.push(tokio::spawn(async move {
            let begin = || begun.expect("one begins").boxed();
            results.together(&key("a"), begin).await.map(|answer| answer.rows)
        }));
        tokio::task::yield_now().await;
    }
    // The one that began it leaves first.
    waiting.remove(0).abort();
    tokio::task::yield_now().await;
    release.send(()).unwrap();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().unwrap(), 3);
    }
    assert!(watched.await.is_err());

    let (alive, watched) = tokio::sync::oneshot::channel::<()>();
    let alone = tokio::spawn(async move {
        let begin = || {
            async move {
                let _alive = alive;
                std::future::pending().await
            }
            .boxed()
        };
        results.together(&key("b"), begin).await.map(|answer| answer.rows)
    });
    tokio::task::yield_now().await;
    alone.abort();
    assert!(watched.await.is_err(), "nobody waits, so it is called off");
}
