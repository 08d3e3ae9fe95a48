//! Workers are kept from what their jobs do not need, whoever has taken them over.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use claribi::worker::sandbox::filter::{Network, program};
use libc::{c_int, c_long};
use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{Installation, text};

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

/// Sockets, and whether a worker that connects may make them.
fn sockets(network: Network) -> Vec<Attempt> {
    let refused = End::Errno(libc::EPERM);
    let tcp = if network == Network::Tcp { End::Made } else { refused };
    let socket = |name, family: c_int, kind: c_int, protocol: c_int, end| {
        (name, libc::SYS_socket, vec![family.into(), kind.into(), protocol.into()], end)
    };
    vec![
        socket("tcp", libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0, tcp),
        socket("tcp-6", libc::AF_INET6, libc::SOCK_STREAM, libc::IPPROTO_TCP, tcp),
        socket("mptcp", libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP, refused),
        socket("udp", libc::AF_INET, libc::SOCK_DGRAM, 0, refused),
        socket("raw", libc::AF_INET, libc::SOCK_RAW, 1, refused),
        socket("unix", libc::AF_UNIX, libc::SOCK_STREAM, 0, refused),
        socket("netlink", libc::AF_NETLINK, libc::SOCK_RAW, 0, refused),
        socket("packet", libc::AF_PACKET, libc::SOCK_RAW, 0, refused),
        socket("vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0, refused),
        socket("ciphers", libc::AF_ALG, libc::SOCK_SEQPACKET, 0, refused),
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

/// The fields of a process's or a thread's status.
fn status(directory: &Path) -> BTreeMap<String, String> {
    let status = std::fs::read_to_string(directory.join("status")).unwrap_or_default();
    status.lines().filter_map(|line| line.split_once(":\t")).map(|(name, value)| (name.into(), value.into())).collect()
}

/// The processes that another one started.
fn children(parent: u32) -> Vec<std::path::PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.filter(|path| status(path).get("PPid") == Some(&parent.to_string())).collect()
}

/// The time that a process has used, in the kernel's ticks.
fn ticks(process: &Path) -> u64 {
    let told = std::fs::read_to_string(process.join("stat")).unwrap();
    let (_, fields) = told.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// How many threads each child has; every one of them is confined.
fn confined_threads(parent: u32) -> Vec<usize> {
    let confined = |child: std::path::PathBuf| {
        let tasks = std::fs::read_dir(child.join("task")).unwrap().map(|task| status(&task.unwrap().path()));
        // One that ends meanwhile has no status any more.
        let threads: Vec<_> = tasks.filter(|thread| !thread.is_empty()).collect();
        for thread in &threads {
            assert_eq!((thread["Seccomp"].as_str(), thread["NoNewPrivs"].as_str()), ("2", "1"), "{thread:?}");
        }
        threads.len()
    };
    children(parent).into_iter().map(confined).collect()
}

#[test]
fn every_thread_of_a_servers_workers_has_its_filter() {
    let installation = Installation::new();
    let key = installation.key("confined");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let allow = [("CLARIBI_OUTBOUND__ALLOW", "127.0.0.1".to_owned())];
    let serving = installation.serve_with(&[], &allow);
    let own = status(&Path::new("/proc").join(serving.process().to_string()));
    assert_eq!(own["Seccomp"], status(Path::new("/proc/self"))["Seccomp"], "the server is as it was started");

    let answer = serving.post("/v1/query", &key, r#"{"sql": "SELECT 1"}"#).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    // The thread that does jobs, the one that reads, and those of queries.
    assert!(matches!(confined_threads(serving.process())[..], [threads] if threads >= 3));

    // A database that never says a word, so that a connector is there to be looked at.
    let body = format!(
        r#"{{"name": "Silent", "kind": "postgres", "connection": {{"host": "127.0.0.1", "port": {port}, "database": "a", "user": "b", "tls": "off"}}, "secret": {{"password": "c"}}}}"#
    );
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| serving.post("/v1/data-sources", &key, &body).unwrap());
        let (silent, _) = listener.accept().unwrap();
        assert_eq!(confined_threads(serving.process()).len(), 2);
        drop(silent);
        let refused = asking.join().unwrap();
        assert_eq!(refused.status, 422, "{}", refused.body);
    });
    assert!(!serving.log().contains("no seccomp"), "{}", serving.log());
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_worker_that_its_filter_ends_is_told_to_the_operator_and_replaced() {
    let installation = Installation::new();
    let key = installation.key("intruder");
    let serving = installation.serve();
    let endless = r#"{"sql": "SELECT count(*) FROM unnest(range(0, 1000000)) AS s(a), unnest(range(0, 1000000)) AS t(b) WHERE a * b % 7 = 1"}"#;
    let simple = || serving.post("/v1/query", &key, r#"{"sql": "SELECT 1"}"#).unwrap();
    assert_eq!(simple().status, 200);
    let worker = children(serving.process()).remove(0);
    let idle = ticks(&worker);
    let answer = std::thread::scope(|scope| {
        let asking = scope.spawn(|| serving.post("/v1/query", &key, endless).unwrap());
        while ticks(&worker) < idle + 5 {
            std::thread::yield_now();
        }
        let process = worker.file_name().unwrap().to_str().unwrap().parse().unwrap();
        // What the kernel sends for such a call.
        kill_process(Pid::from_raw(process).unwrap(), Signal::SYS).unwrap();
        asking.join().unwrap()
    });
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(!answer.body.contains("system call"), "{}", answer.body);
    serving.until_logged("made a system call that no code of claribi makes");
    assert_eq!(simple().status, 200);
}
