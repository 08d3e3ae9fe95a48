//! Workers are kept from what their jobs do not need, whoever has taken them over.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use claribi::worker::sandbox::filter::{Network, program};
use libc::{c_int, c_long};
use rustix::net::{AddressFamily, SocketType, ipproto, socket};
use rustix::process::Signal;

use crate::binary::{Answer, Installation, Serving, text};
use crate::patience::until_so_here;
use crate::processes::Process;
use crate::running::endless;

/// What comes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It is made.
    Made,
    /// It is refused.
    Errno(c_int),
    /// The process that makes it is no more.
    Killed,
}

impl std::fmt::Display for End {
    fn fmt(&self, text: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Made => text.write_str("ok"),
            Self::Errno(number) => write!(text, "errno {number}"),
            Self::Killed => write!(text, "signal {}", libc::SIGSYS),
        }
    }
}

type Attempt = (&'static str, c_long, Vec<i64>, End);

/// What nobody may do in any worker. Without a filter these fail otherwise or do no harm: nothing is named by them.
fn attempts() -> Vec<Attempt> {
    let (refused, missing) = (End::Errno(libc::EPERM), End::Errno(libc::ENOSYS));
    let parent = i64::from(std::process::id());
    let executable = i64::from(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC);
    let anonymous = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let new_user = i64::from(libc::CLONE_NEWUSER);
    vec![
        ("nothing", libc::SYS_getpid, vec![], End::Made),
        ("a-page", libc::SYS_mmap, vec![0, 4_096, 3, anonymous, -1, 0], End::Made),
        ("run-a-program", libc::SYS_execve, vec![0, 0, 0], End::Killed),
        ("run-a-descriptor", libc::SYS_execveat, vec![-1, 0, 0, 0, 0], End::Killed),
        ("be-traced", libc::SYS_ptrace, vec![0, 0, 0, 0], End::Killed),
        ("read-the-server", libc::SYS_process_vm_readv, vec![parent, 0, 0, 0, 0, 0], End::Killed),
        ("write-the-server", libc::SYS_process_vm_writev, vec![parent, 0, 0, 0, 0, 0], End::Killed),
        ("its-own-users", libc::SYS_unshare, vec![new_user], End::Killed),
        ("its-own-users-by-clone", libc::SYS_clone, vec![new_user | i64::from(libc::SIGCHLD), 0, 0, 0, 0], refused),
        ("a-process", libc::SYS_clone, vec![i64::from(libc::SIGCHLD), 0, 0, 0, 0], refused),
        ("a-thread-by-clone3", libc::SYS_clone3, vec![0, 0], missing),
        ("others-namespaces", libc::SYS_setns, vec![-1, 0], End::Killed),
        ("mount", libc::SYS_mount, vec![0, 0, 0, 0, 0], End::Killed),
        ("another-root", libc::SYS_chroot, vec![0], End::Killed),
        ("another-user", libc::SYS_setresuid, vec![-1, -1, -1], End::Killed),
        ("kernel-programs", libc::SYS_bpf, vec![0, 0, 0], End::Killed),
        ("kernel-modules", libc::SYS_init_module, vec![0, 0, 0], End::Killed),
        ("kernel-keys", libc::SYS_keyctl, vec![-1, 0, 0, 0, 0], End::Killed),
        ("files-by-handle", libc::SYS_open_by_handle_at, vec![-1, 0, 0], End::Killed),
        ("io-uring", libc::SYS_io_uring_setup, vec![0, 0], refused),
        ("page-faults", libc::SYS_userfaultfd, vec![-1], refused),
        ("counters", libc::SYS_perf_event_open, vec![0, 0, -1, -1, 0], refused),
        ("a-file-of-memory", libc::SYS_memfd_create, vec![0, 0], refused),
        ("executable-memory", libc::SYS_mmap, vec![0, 4_096, executable, anonymous, -1, 0], refused),
        ("another-personality", libc::SYS_personality, vec![0xffff_ffff], refused),
        ("a-signal-for-the-server", libc::SYS_kill, vec![parent, 0], refused),
        ("another-signal-for-it", libc::SYS_tgkill, vec![parent, parent, 0], refused),
        ("signals-by-a-descriptor", libc::SYS_fcntl, vec![0, libc::F_SETOWN.into(), parent], refused),
        ("the-servers-limits", libc::SYS_prlimit64, vec![parent, 7, 0, 0], refused),
        ("a-terminals-input", libc::SYS_ioctl, vec![0, 0x5412, 0], refused),
        ("to-be-looked-at", libc::SYS_prctl, vec![libc::PR_SET_DUMPABLE.into(), 1, 0, 0, 0], refused),
        ("another-filter", libc::SYS_seccomp, vec![2, 0, 0], refused),
        ("a-packet-anywhere", libc::SYS_sendto, vec![-1, 0, 0, 0, 4_096, 16], refused),
        ("descriptors-passed-on", libc::SYS_sendmsg, vec![-1, 0, 0], refused),
        ("what-nobody-knows", 1_000, vec![], missing),
        ("x32", libc::SYS_getpid | 0x4000_0000, vec![], missing),
    ]
}

/// What comes of a socket of this family where nothing is in the way.
fn unconfined(family: c_int) -> End {
    let family = AddressFamily::from_raw(family.try_into().unwrap());
    match socket(family, SocketType::STREAM, Some(ipproto::TCP)) {
        Ok(_) => End::Made,
        Err(error) => End::Errno(error.raw_os_error()),
    }
}

/// Sockets, and whether a worker that connects may make them.
fn sockets(network: Network) -> Vec<Attempt> {
    let refused = End::Errno(libc::EPERM);
    let tcp = if network == Network::Tcp { End::Made } else { refused };
    // Where there is no IPv6 the kernel says so to everybody.
    let tcp_6 = if network == Network::Tcp { unconfined(libc::AF_INET6) } else { refused };
    let attempt = |name, family: c_int, kind: c_int, protocol: c_int, end| {
        (name, libc::SYS_socket, vec![family.into(), kind.into(), protocol.into()], end)
    };
    vec![
        attempt("tcp", libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, tcp),
        attempt("tcp-6", libc::AF_INET6, libc::SOCK_STREAM, libc::IPPROTO_TCP, tcp_6),
        attempt("mptcp", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP, refused),
        attempt("udp", libc::AF_INET, libc::SOCK_DGRAM, 0, refused),
        attempt("raw", libc::AF_INET, libc::SOCK_RAW, 1, refused),
        attempt("unix", libc::AF_UNIX, libc::SOCK_STREAM, 0, refused),
        attempt("netlink", libc::AF_NETLINK, libc::SOCK_RAW, 0, refused),
        attempt("packet", libc::AF_PACKET, libc::SOCK_RAW, 0, refused),
        attempt("vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0, refused),
        attempt("ciphers", libc::AF_ALG, libc::SOCK_SEQPACKET, 0, refused),
    ]
}

#[test]
fn an_intruder_in_a_worker_makes_no_program_process_namespace_or_socket() {
    for network in [Network::None, Network::Tcp] {
        let attempts = [attempts(), sockets(network)].concat();
        let mut hex = String::new();
        // The process is none that the filter lets be sent signals.
        for instruction in program(network, u32::MAX).unwrap() {
            let [code, k] = [instruction.code.to_ne_bytes().to_vec(), instruction.k.to_ne_bytes().to_vec()];
            hex.extend(
                [code, vec![instruction.jt, instruction.jf], k].concat().iter().map(|byte| format!("{byte:02x}")),
            );
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/confined/intruder.py");
        let mut python =
            Command::new("python3").arg(script).arg(hex).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = python.stdin.take().unwrap();
        for (name, number, arguments, _) in &attempts {
            let arguments: String = arguments.iter().map(|argument| format!(" {argument}")).collect();
            writeln!(input, "{name} {number}{arguments}").unwrap();
        }
        drop(input);
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success());
        let expected: String = attempts.iter().map(|(name, _, _, end)| format!("{name} {end}\n")).collect();
        pretty_eq(&text(&output.stdout), &expected, network);
    }
}

#[track_caller]
fn pretty_eq(told: &str, expected: &str, network: Network) {
    let wrong: Vec<_> = told.lines().zip(expected.lines()).filter(|(told, expected)| told != expected).collect();
    assert!(wrong.is_empty() && told.lines().count() == expected.lines().count(), "{network:?}: {wrong:?}");
}

/// How many threads each child has; every one of them is confined.
fn confined_threads(parent: Process) -> Vec<usize> {
    let confined = |child: Process| {
        let threads = child.threads();
        for thread in &threads {
            assert_eq!((thread["Seccomp"].as_str(), thread["NoNewPrivs"].as_str()), ("2", "1"), "{thread:?}");
        }
        threads.len()
    };
    parent.children().into_iter().map(confined).collect()
}

/// Holds that a worker has given up what it needs not, and gives way to the server by so much.
fn has_given_up(worker: Process, server: Process, niceness: i64) {
    let limits = worker.says("limits").unwrap();
    let limit = |name: &str| {
        let line =
            limits.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {limits}"));
        line.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    // One number for what is so now, one for what it may raise that to.
    assert_eq!(limit("Max data size"), ["1073741824"; 2], "`worker.memory`");
    assert_eq!(limit("Max file size"), ["4294967296"; 2], "`worker.spill`");
    assert_eq!(limit("Max core file size"), ["0"; 2]);
    assert_eq!(worker.says("oom_score_adj").unwrap().trim(), "1000", "the first to go when memory runs out");
    // There is nothing above 19.
    let nice = |process: Process| process.stat(19).unwrap();
    assert_eq!(nice(worker), (nice(server) + niceness).min(19));
    // What it was started with may be read with the right to trace everybody, and by nobody else of the same user:
    // nobody may look at its memory.
    const MAY_TRACE: u64 = 1 << 19;
    let rights = u64::from_str_radix(&Process::own().status()["CapEff"], 16).unwrap();
    match std::fs::read(worker.path("environ")) {
        Ok(variables) => {
            assert!(rights & MAY_TRACE != 0, "anybody may look at it");
            let variables = text(&variables);
            let names: Vec<_> =
                variables.split_terminator('\0').map(|it| it.split_once('=').map_or(it, |(name, _)| name)).collect();
            assert_eq!(names, ["MALLOC_ARENA_MAX", "MIMALLOC_ARENA_EAGER_COMMIT", "SQLITE_TMPDIR"], "{variables}");
        }
        Err(error) => {
            assert_eq!((error.kind(), rights & MAY_TRACE), (ErrorKind::PermissionDenied, 0), "{error}");
        }
    }
}

#[test]
fn every_thread_of_a_servers_workers_has_its_filter_and_each_has_given_up_what_it_needs_not() {
    let installation = Installation::new();
    let key = installation.key("confined");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let allow = [("CLARIBI_OUTBOUND__ALLOW", "127.0.0.1".to_owned())];
    let serving = installation.serve_with(&[], &allow);
    let server = Process(serving.process());
    assert_eq!(server.status()["Seccomp"], Process::own().status()["Seccomp"], "the server is as it was started");

    let answer = serving.post("/v1/query", &key, r#"{"sql": "SELECT 1"}"#).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    // The thread that does jobs, the one that reads, and those of queries.
    assert!(matches!(confined_threads(server)[..], [threads] if threads >= 3));
    let of_queries = server.children().remove(0);
    has_given_up(of_queries, server, 10);

    // A database that never says a word, so that a connector is there to be looked at.
    let body = format!(
        r#"{{"name": "Silent", "kind": "postgres", "connection": {{"host": "127.0.0.1", "port": {port}, "database": "a", "user": "b", "tls": "off"}}, "secret": {{"password": "c"}}}}"#
    );
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| serving.post("/v1/data-sources", &key, &body).unwrap());
        let (silent, _) = listener.accept().unwrap();
        assert_eq!(confined_threads(server).len(), 2);
        let connector = server.children().into_iter().find(|child| *child != of_queries).unwrap();
        has_given_up(connector, server, 15);
        drop(silent);
        let refused = asking.join().unwrap();
        assert_eq!(refused.status, 422, "{}", refused.body);
    });
    for missing in ["no seccomp", "no Landlock"] {
        assert!(!serving.log().contains(missing), "{}", serving.log());
    }
    assert_eq!(serving.stop(), Some(0));
}

/// A query that never ends, and the query's worker once it works on it.
fn at_work<T>(serving: &Serving, key: &str, then: impl FnOnce(Process) -> T) -> (Answer, T) {
    let simple = serving.post("/v1/query", key, r#"{"sql": "SELECT 1"}"#).unwrap();
    assert_eq!(simple.status, 200, "{}", simple.body);
    let worker = Process(serving.process()).children().remove(0);
    let idle = worker.ticks();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| serving.post("/v1/query", key, &endless().to_string()).unwrap());
        until_so_here("a worker at work", || worker.ticks() >= idle + 5);
        let then = then(worker);
        (asking.join().unwrap(), then)
    })
}

#[test]
fn a_worker_that_its_filter_ends_is_told_to_the_operator_and_replaced() {
    let installation = Installation::new();
    let key = installation.key("intruder");
    let serving = installation.serve();
    // What the kernel sends for such a call.
    let (answer, ()) = at_work(&serving, &key, |worker| worker.signal(Signal::SYS));
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(!answer.body.contains("system call"), "{}", answer.body);
    serving.until_logged("made a system call that no code of claribi makes");
    assert_eq!(serving.post("/v1/query", &key, r#"{"sql": "SELECT 1"}"#).unwrap().status, 200);
}

#[test]
fn a_worker_that_does_not_stop_in_time_is_killed_and_replaced() {
    let installation = Installation::new();
    let key = installation.key("overrun");
    let serving = installation.serve_with(&[], &[("CLARIBI_WORKER__QUERY_TIMEOUT", "1s".to_owned())]);
    // It cannot even be told.
    let (answer, worker) = at_work(&serving, &key, |worker| {
        worker.signal(Signal::STOP);
        worker
    });
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (422, Some("query_timeout")));
    assert!(answer.body.contains("was stopped"), "{}", answer.body);
    until_so_here("the end of a worker that was stopped", || !worker.is_there());
    assert_eq!(serving.post("/v1/query", &key, r#"{"sql": "SELECT 1"}"#).unwrap().status, 200);
    assert_eq!(serving.stop(), Some(0));
}
