//! A worker's system calls, as the program that the kernel runs before each of them.
//!
//! The order of its parts: what is allowed, some of it by its arguments, which get `EPERM` when they are others; what is
//! refused with `EPERM`; what ends the process; and for all that is unknown `ENOSYS`. Calls of another architecture end
//! the process too, and those of x32 have numbers of their own, which are on no list.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::{c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::super::protocol::ProcessLimits;
use super::calls::{ALLOWED, ALLOWED_OF_OLD, FATAL, FATAL_OF_OLD, OF_SOCKETS, REFUSED, REFUSED_OF_OLD, TO_CONNECT};

/// Whether a worker talks to anybody but the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It has no sockets but the one it was given.
    None,
    /// It may connect by TCP; Landlock says to which port.
    Tcp,
}

impl Network {
    /// What a worker needs that was given these limits: nothing, where there is no port that it may connect to.
    pub fn of(limits: &ProcessLimits) -> Self {
        if limits.ports.is_empty() { Self::None } else { Self::Tcp }
    }
}

/// What a thread is made with, and a process is not.
const OF_A_THREAD: c_int = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM
    | libc::CLONE_SETTLS
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_CLEARTID;
/// What the kind of a socket carries besides.
const SOCKET_FLAGS: c_int = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
/// Bits of a file's mode that give it somebody's rights.
const SPECIAL_MODES: u32 = 0o7000;
/// Requests of `ioctl`, whose numbers our architectures have in common: whether to block, bytes to read, not for other
/// programs, whether it is a terminal.
const REQUESTS: [c_int; 4] = [0x5421, 0x541b, 0x5451, 0x5401];
/// What is asked of descriptors. Not who gets their signals: that is a way to send some (`F_SETOWN`, `F_SETSIG`).
const ON_DESCRIPTORS: [c_int; 11] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETLK,
    libc::F_SETLK,
    libc::F_SETLKW,
    libc::F_OFD_GETLK,
    libc::F_OFD_SETLK,
];
/// What is asked of the process itself: names for threads and, of allocators, for memory.
const ON_ITSELF: [c_int; 2] = [libc::PR_SET_NAME, libc::PR_SET_VMA];
/// What a connection is told.
const SOCKET_OPTIONS: [(c_int, c_int); 9] = [
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
];
/// The instructions before the first rule of a compiled filter: load the architecture, compare it, end the process.
const HEAD: usize = 3;

/// The program for the process `own`: it may send itself signals, as `abort` does, and nobody else.
///
/// # Errors
/// `InvalidTargetArch` on a processor for which there is none.
pub fn program(network: Network, own: u32) -> Result<BpfProgram, BackendError> {
    let mut refused = listed(&[REFUSED, REFUSED_OF_OLD]);
    if network == Network::None {
        refused.extend(listed(&[TO_CONNECT, OF_SOCKETS]));
    }
    let fatal = listed(&[FATAL, FATAL_OF_OLD]);
    let (not_permitted, unknown) = (errno(libc::EPERM), errno(libc::ENOSYS));
    let mut program = compile(allowed(network, own)?, SeccompAction::Allow, not_permitted.clone())?;
    append(&mut program, compile(refused, not_permitted, unknown.clone())?);
    append(&mut program, compile(fatal, SeccompAction::KillProcess, unknown)?);
    Ok(program)
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// A filter of the library's has two answers, ours four: so it is made of several.
fn compile(rules: Rules, matched: SeccompAction, otherwise: SeccompAction) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, matched, TargetArch::try_from(ARCH)?)?.try_into()
}

/// Lets what a program did not know, at which its last instruction answers, go on to the next.
fn append(program: &mut BpfProgram, next: BpfProgram) {
    program.pop();
    program.extend(next.into_iter().skip(HEAD));
}

fn listed(lists: &[&[c_long]]) -> Rules {
    lists.iter().flat_map(|list| list.iter()).map(|call| (*call, Vec::new())).collect()
}

/// What may be called: always, and by arguments.
fn allowed(network: Network, own: u32) -> Result<Rules, BackendError> {
    let mut rules = listed(&[ALLOWED, ALLOWED_OF_OLD]);
    let mut allow = |call, rule: Vec<SeccompRule>| rules.entry(call).or_default().extend(rule);
    // Whoever writes a program into memory cannot have it run.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        allow(call, vec![rule([masked(2, bits(libc::PROT_EXEC), 0)])?]);
    }
    // No other process, and no namespace. `clone3`, whose flags lie in memory, is unknown, at which libraries take this.
    let any_detached = u64::from(!libc::CLONE_DETACHED.cast_unsigned());
    allow(libc::SYS_clone, vec![rule([masked(0, any_detached, bits(OF_A_THREAD))])?]);
    allow(libc::SYS_tgkill, vec![rule([is(0, own.into())])?]);
    // As musl ends a process.
    #[cfg(target_env = "musl")]
    allow(libc::SYS_tkill, vec![rule([is(1, bits(libc::SIGABRT))])?]);
    allow(libc::SYS_fcntl, each(1, &ON_DESCRIPTORS)?);
    allow(libc::SYS_ioctl, each(1, &REQUESTS)?);
    allow(libc::SYS_prctl, each(0, &ON_ITSELF)?);
    // Its own limits are read and not set.
    allow(libc::SYS_prlimit64, vec![rule([is(0, 0), is_null(2)])?]);
    allow(libc::SYS_fchmod, vec![rule([masked(1, SPECIAL_MODES.into(), 0)])?]);
    // To whom the socket is connected: an address beside it would connect past Landlock (TCP Fast Open).
    allow(libc::SYS_sendto, vec![rule([is_null(4)])?]);
    // As the runtime of threads hears of signals. One of datagrams could be connected anew.
    allow(libc::SYS_socketpair, vec![rule([is(0, bits(libc::AF_UNIX)), of_streams()])?]);
    if network == Network::Tcp {
        rules.extend(listed(&[TO_CONNECT]));
        rules.extend(sockets()?);
    }
    Ok(rules)
}

/// The sockets of a worker that connects. Landlock holds its ports for TCP alone, so there is nothing but TCP: no other
/// protocol over streams either (MPTCP, SCTP).
fn sockets() -> Result<Rules, BackendError> {
    let mut made = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for protocol in [0, libc::IPPROTO_TCP] {
            made.push(rule([is(0, bits(family)), of_streams(), is(2, bits(protocol))])?);
        }
    }
    let option = |(level, name)| rule([is(1, bits(level)), is(2, bits(name))]);
    let set = SOCKET_OPTIONS.into_iter().map(option).collect::<Result<_, _>>()?;
    let asked = vec![option((libc::SOL_SOCKET, libc::SO_ERROR))?];
    Ok(Rules::from([(libc::SYS_socket, made), (libc::SYS_setsockopt, set), (libc::SYS_getsockopt, asked)]))
}

type Condition = Result<SeccompCondition, BackendError>;

/// All of these at once.
fn rule<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into_iter().collect::<Result<_, _>>()?)
}

/// A rule for each value of an argument.
fn each(argument: u8, values: &[c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| rule([is(argument, bits(*value))])).collect()
}

/// An argument of 32 bits, of which the kernel does not look at more either.
fn is(argument: u8, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value)
}

fn is_null(argument: u8) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)
}

/// Of the kind of a socket, which is the second argument.
fn of_streams() -> Condition {
    masked(1, u64::from(!SOCKET_FLAGS.cast_unsigned()), bits(libc::SOCK_STREAM))
}

fn bits(value: c_int) -> u64 {
    value.cast_unsigned().into()
}

fn errno(number: c_int) -> SeccompAction {
    SeccompAction::Errno(number.cast_unsigned())
}

#[cfg(test)]
mod tests;
