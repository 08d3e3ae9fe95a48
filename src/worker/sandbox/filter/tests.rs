//! The program, run here as the kernel runs it. What the kernel itself says of it stands in `tests/it/confined`.

use libc::EPERM;

use super::*;

const OWN: u32 = 4_711;
const ALL: [Network; 2] = [Network::None, Network::Tcp];
/// Past the last number that any of our architectures has.
const BEYOND: c_long = 1_000;

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Errno(c_int),
    Killed,
}

/// What a program is asked: `seccomp_data`, of which the address is never looked at.
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

impl Call {
    fn new(number: c_long, arguments: &[u64]) -> Self {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        Self { number: number.try_into().unwrap(), architecture: architecture(), arguments: all }
    }

    fn word(&self, at: u32) -> u32 {
        match at {
            0 => self.number,
            4 => self.architecture,
            16.. => {
                let argument = self.arguments[(at as usize - 16) / 8];
                let half = if at.is_multiple_of(8) { argument } else { argument >> 32 };
                u32::try_from(half & u64::from(u32::MAX)).unwrap()
            }
            _ => panic!("nothing is to be read at {at}"),
        }
    }

    /// Runs the instructions that `seccompiler` makes, and no others.
    fn under(&self, program: &BpfProgram) -> (Verdict, usize) {
        let (mut at, mut word, mut steps) = (0, 0, 0);
        loop {
            let instruction = &program[at];
            steps += 1;
            at += 1;
            let jump = |holds: bool| usize::from(if holds { instruction.jt } else { instruction.jf });
            match instruction.code {
                0x20 => word = self.word(instruction.k),
                0x54 => word &= instruction.k,
                0x05 => at += instruction.k as usize,
                0x15 => at += jump(word == instruction.k),
                0x06 => return (verdict(instruction.k), steps),
                other => panic!("{other:#x} is not known here"),
            }
        }
    }
}

fn verdict(answer: u32) -> Verdict {
    match answer & libc::SECCOMP_RET_ACTION_FULL {
        libc::SECCOMP_RET_ALLOW => Verdict::Allowed,
        libc::SECCOMP_RET_KILL_PROCESS => Verdict::Killed,
        libc::SECCOMP_RET_ERRNO => Verdict::Errno((answer & libc::SECCOMP_RET_DATA).cast_signed()),
        other => panic!("{other:#x} is no answer of ours"),
    }
}

/// As `linux/audit.h` numbers this processor: what the program compares first.
fn architecture() -> u32 {
    match ARCH {
        "x86_64" => 0xc000_003e,
        "aarch64" => 0xc000_00b7,
        other => panic!("{other} has no program"),
    }
}

fn ask(network: Network, number: c_long, arguments: &[u64]) -> Verdict {
    Call::new(number, arguments).under(&program(network, OWN).unwrap()).0
}

/// The same of both kinds of workers, which must not differ in this.
#[track_caller]
fn both(number: c_long, arguments: &[u64], expected: &Verdict) {
    for network in ALL {
        assert_eq!(&ask(network, number, arguments), expected, "{network:?}: {number} {arguments:?}");
    }
}

#[test]
fn whoever_may_connect_nowhere_has_no_sockets() {
    let with = |ports: &[u16]| {
        let [memory_bytes, file_bytes] = [1 << 30; 2];
        let ports = ports.to_vec();
        ProcessLimits { memory_bytes, file_bytes, read: vec![], files: vec![], write: vec![], ports, nice: 0 }
    };
    assert_eq!(Network::of(&with(&[])), Network::None);
    assert_eq!(Network::of(&with(&[5_432])), Network::Tcp);
}

#[test]
fn every_number_has_the_verdict_of_its_list_and_unknown_ones_do_not_exist() {
    let lists: [(&[&[c_long]], Verdict); 3] = [
        (&[ALLOWED, ALLOWED_OF_OLD], Verdict::Allowed),
        (&[REFUSED, REFUSED_OF_OLD], Verdict::Errno(EPERM)),
        (&[FATAL, FATAL_OF_OLD], Verdict::Killed),
    ];
    let mut known = Vec::new();
    for (lists, expected) in &lists {
        for call in lists.iter().flat_map(|list| list.iter()) {
            both(*call, &[], expected);
            assert!(!known.contains(call), "{call} is on two lists");
            known.push(*call);
        }
    }
    let by_arguments: Vec<_> = ALL.into_iter().flat_map(|network| allowed(network, OWN).unwrap().into_keys()).collect();
    known.extend(by_arguments);
    known.extend(OF_SOCKETS);
    let unknown: Vec<_> = (0..BEYOND).filter(|number| !known.contains(number)).collect();
    assert!(unknown.len() > 600 && unknown.contains(&libc::SYS_clone3), "{}", unknown.len());
    for number in unknown {
        both(number, &[], &Verdict::Errno(libc::ENOSYS));
    }
}

#[test]
fn numbers_of_other_architectures_are_nobodys() {
    // x32 is x86_64 by its architecture and has a bit of its own in each number.
    for number in 0..BEYOND {
        both(number | 0x4000_0000, &[], &Verdict::Errno(libc::ENOSYS));
    }
    let mut foreign = Call::new(libc::SYS_getpid, &[]);
    for architecture in [0x4000_0003, 0x4000_0028, 0xc000_00f3, 0] {
        foreign.architecture = architecture;
        assert_eq!(foreign.under(&program(Network::Tcp, OWN).unwrap()).0, Verdict::Killed);
    }
}

#[test]
fn threads_are_made_and_neither_processes_nor_namespaces() {
    let thread = bits(OF_A_THREAD);
    both(libc::SYS_clone, &[thread], &Verdict::Allowed);
    both(libc::SYS_clone, &[thread | bits(libc::CLONE_DETACHED)], &Verdict::Allowed);
    let refused = [
        bits(libc::SIGCHLD),
        bits(libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD),
        thread & !bits(libc::CLONE_THREAD),
        thread | bits(libc::CLONE_NEWUSER),
        thread | bits(libc::CLONE_NEWNET),
        thread | bits(libc::CLONE_NEWNS),
        thread | bits(libc::CLONE_NEWPID),
        thread | bits(libc::CLONE_PTRACE),
        thread | bits(libc::CLONE_PARENT),
        0,
    ];
    for flags in refused {
        both(libc::SYS_clone, &[flags], &Verdict::Errno(EPERM));
    }
    both(libc::SYS_clone3, &[0, 88], &Verdict::Errno(libc::ENOSYS));
}

#[test]
fn memory_is_never_made_executable() {
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        for (protection, verdict) in [
            (libc::PROT_NONE, Verdict::Allowed),
            (libc::PROT_READ | libc::PROT_WRITE, Verdict::Allowed),
            (libc::PROT_READ | libc::PROT_EXEC, Verdict::Errno(EPERM)),
            (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, Verdict::Errno(EPERM)),
        ] {
            both(call, &[0, 4_096, bits(protection)], &verdict);
            // What the kernel does not look at changes nothing.
            both(call, &[0, 4_096, bits(protection) | 1 << 40], &verdict);
        }
    }
}

#[test]
fn only_connectors_have_sockets_and_theirs_speak_tcp() {
    let flags = bits(SOCKET_FLAGS);
    let stream = bits(libc::SOCK_STREAM);
    let refused = |call: &[u64]| both(libc::SYS_socket, call, &Verdict::Errno(EPERM));
    for family in [libc::AF_INET, libc::AF_INET6] {
        for (kind, protocol) in [(stream, 0), (stream | flags, libc::IPPROTO_TCP)] {
            let call = [bits(family), kind, bits(protocol)];
            assert_eq!(ask(Network::Tcp, libc::SYS_socket, &call), Verdict::Allowed);
            assert_eq!(ask(Network::None, libc::SYS_socket, &call), Verdict::Errno(EPERM));
        }
        for protocol in [libc::IPPROTO_MPTCP, libc::IPPROTO_SCTP, libc::IPPROTO_UDP] {
            refused(&[bits(family), stream, bits(protocol)]);
        }
        for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_SEQPACKET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC] {
            refused(&[bits(family), bits(kind), 0]);
        }
    }
    for family in (0..64).filter(|family| ![libc::AF_INET, libc::AF_INET6].contains(family)) {
        refused(&[bits(family), stream, 0]);
    }
    let pair = |kind: c_int| [bits(libc::AF_UNIX), bits(kind), 0];
    both(libc::SYS_socketpair, &pair(libc::SOCK_STREAM | SOCKET_FLAGS), &Verdict::Allowed);
    both(libc::SYS_socketpair, &pair(libc::SOCK_DGRAM), &Verdict::Errno(EPERM));
    let option = |level: c_int, name: c_int| [3, bits(level), bits(name)];
    assert_eq!(
        ask(Network::Tcp, libc::SYS_setsockopt, &option(libc::IPPROTO_TCP, libc::TCP_NODELAY)),
        Verdict::Allowed
    );
    for (level, name) in [(libc::IPPROTO_TCP, libc::TCP_ULP), (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER), (0, 64)] {
        both(libc::SYS_setsockopt, &option(level, name), &Verdict::Errno(EPERM));
    }
    for call in TO_CONNECT.iter().chain(OF_SOCKETS) {
        assert_eq!(ask(Network::None, *call, &[]), Verdict::Errno(EPERM));
    }
    // Sent to whom the socket is connected, and to nobody by an address: half of one is an address too.
    both(libc::SYS_sendto, &[3, 1, 1, bits(libc::MSG_NOSIGNAL), 0], &Verdict::Allowed);
    for address in [0x7fff_0000_1000, 1 << 32, 1] {
        both(libc::SYS_sendto, &[3, 1, 1, bits(libc::MSG_FASTOPEN), address, 16], &Verdict::Errno(EPERM));
    }
}

#[test]
fn nobody_else_gets_a_signal_and_no_limit_is_set() {
    both(libc::SYS_tgkill, &[OWN.into(), OWN.into(), bits(libc::SIGABRT)], &Verdict::Allowed);
    both(libc::SYS_tgkill, &[1, 1, bits(libc::SIGKILL)], &Verdict::Errno(EPERM));
    // Signals by a descriptor's owner.
    for request in [libc::F_SETOWN, 10, 15, libc::F_NOTIFY, libc::F_SETLEASE] {
        both(libc::SYS_fcntl, &[0, bits(request), 1], &Verdict::Errno(EPERM));
    }
    both(libc::SYS_fcntl, &[0, bits(libc::F_SETLK), 1], &Verdict::Allowed);
    both(libc::SYS_prlimit64, &[0, 7, 0, 0x1000], &Verdict::Allowed);
    both(libc::SYS_prlimit64, &[0, 7, 0x1000, 0], &Verdict::Errno(EPERM));
    both(libc::SYS_prlimit64, &[0, 7, 1 << 32, 0], &Verdict::Errno(EPERM));
    both(libc::SYS_prlimit64, &[1, 7, 0, 0x1000], &Verdict::Errno(EPERM));
}

#[test]
fn terminals_modes_and_itself_are_left_as_they_are() {
    // To put words into a terminal, to change its size.
    for request in [0x5412, 0x541c, 0x5414] {
        both(libc::SYS_ioctl, &[0, request], &Verdict::Errno(EPERM));
        // The kernel looks at 32 bits of it.
        both(libc::SYS_ioctl, &[0, request | 1 << 32], &Verdict::Errno(EPERM));
    }
    both(libc::SYS_ioctl, &[0, 0x5421], &Verdict::Allowed);
    for option in
        [libc::PR_SET_DUMPABLE, libc::PR_SET_PTRACER, libc::PR_SET_MM, libc::PR_CAPBSET_DROP, libc::PR_SET_SECCOMP]
    {
        both(libc::SYS_prctl, &[bits(option), 1], &Verdict::Errno(EPERM));
    }
    both(libc::SYS_prctl, &[bits(libc::PR_SET_NAME), 1], &Verdict::Allowed);
    both(libc::SYS_fchmod, &[3, 0o100_644], &Verdict::Allowed);
    for mode in [0o4755, 0o2755, 0o1777] {
        both(libc::SYS_fchmod, &[3, mode], &Verdict::Errno(EPERM));
    }
}

#[test]
fn a_program_is_short_and_common_calls_come_soon() {
    for network in ALL {
        let program = program(network, OWN).unwrap();
        let steps = |call| Call::new(call, &[]).under(&program).1;
        assert!(program.len() < 1_500, "{}", program.len());
        assert!(steps(libc::SYS_mmap) < 600, "{}", steps(libc::SYS_mmap));
    }
}
