//! A worker that does not start as it should: what is said of it, and what is left of it.

use super::*;

/// What comes of a job when a shell is started in the worker's place, which runs this.
async fn started(program: &str, script: &str) -> Refused {
    let scratch = tempfile::tempdir().unwrap();
    let pool = Pool::new(PoolSettings {
        program: program.into(),
        scratch: scratch.path().to_owned(),
        queries: 1,
        background: 1,
        connectors: 1,
        idle: Duration::from_secs(1),
        memory_bytes: 1 << 30,
        file_bytes: 1 << 30,
    });
    // The program runs in its scratch directory, and its argument is `worker`.
    let directory = scratch.path().join(format!("worker-{}-0", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("worker"), script).unwrap();
    let errand = Errand { org: 1, read: Vec::new(), deadline: Duration::from_secs(1) };
    let job = |_: &Path| Job::Render { document: PathBuf::new(), into: PathBuf::new() };
    let refused = pool.query(&errand, job, |_, _| Ok(())).await.unwrap_err();
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left of one that did not start");
    refused
}

#[tokio::test]
async fn only_a_machine_with_too_much_to_do_is_overloaded_by_a_worker_that_does_not_start() {
    for (program, script) in
        [("/none/such", ""), ("/bin/sh", "exit 1"), ("/bin/sh", "kill -SYS $$"), ("/bin/sh", "printf 'no frame' >&0")]
    {
        match started(program, script).await {
            Refused::Failed(failure) => assert_eq!(failure.code, FailureCode::Internal, "{script}: {failure:?}"),
            other => panic!("{program} {script}: {other:?}"),
        }
    }
    for script in ["kill -KILL $$", "exit 75"] {
        let refused = started("/bin/sh", script).await;
        assert!(matches!(refused, Refused::Full), "{script}: {refused:?}");
    }
    let none = Unstarted::from(io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error()));
    assert!(matches!(none, Unstarted::Scarce(_)), "{none:?}");
}
