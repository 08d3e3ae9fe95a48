//! A worker limits itself before it reads anything that people sent: memory, files, what of the file system it sees, and
//! what it may ask of the kernel.
//!
//! Limits that the kernel refuses fail the start; those that only some kernels have are taken where they are, and the
//! server is told which.

mod calls;
pub mod filter;

use std::fs;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, nice, set_dumpable_behavior, setrlimit};
use seccompiler::{BackendError, BpfProgramRef, apply_filter_all_threads};

use self::filter::Network;
use super::protocol::{Confinement, DESCRIPTORS, ProcessLimits, SettledFile};

/// Limits this process for good, and tells what of that this kernel has. Must come before further threads: they inherit
/// what their parent may.
pub fn confine(limits: &ProcessLimits) -> io::Result<Confinement> {
    // First in line when memory runs out; a kernel without the file kills by its own judgement.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    limit(Resource::Data, limits.memory_bytes)?;
    limit(Resource::Fsize, limits.file_bytes)?;
    limit(Resource::Nofile, DESCRIPTORS.into())?;
    limit(Resource::Core, 0)?;
    if limits.nice > 0 {
        nice(limits.nice)?;
    }
    // What it holds is nobody's to look at, other workers' least of all.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let landlock = see_only(&limits.read, &limits.files, &limits.write, &limits.ports).map_err(io::Error::other)?;
    // Last, because it refuses what the others are made with.
    let seccomp = call_only(Network::of(limits), apply_filter_all_threads)?;
    Ok(Confinement { landlock, seccomp })
}

/// Lowers a limit, or leaves it where it is lower already.
fn limit(resource: Resource, most: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let most = now.maximum.map_or(most, |maximum| maximum.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// Leaves these directories of the file system, and these ports of other machines; `false` where the kernel cannot. One
/// that knows files and not ports (before 6.7) leaves all ports.
fn see_only(read: &[PathBuf], files: &[SettledFile], write: &[PathBuf], ports: &[u16]) -> Result<bool, RulesetError> {
    let abi = ABI::V3;
    // A rule is for the file itself, whatever its name leads to later. One that is another by now gets none.
    let held = files.iter().filter_map(|file| file.hold().ok());
    let held = held.map(|file| Ok::<_, RulesetError>(PathBeneath::new(file, AccessFs::ReadFile)));
    // Files and directories: the server opens what a worker leaves, and a link would lead it elsewhere.
    let leads_elsewhere = AccessFs::MakeSym | AccessFs::MakeFifo | AccessFs::MakeSock;
    let left = AccessFs::from_all(abi) & !(leads_elsewhere | AccessFs::MakeChar | AccessFs::MakeBlock);
    let ports = ports.iter().map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .create()?
        .add_rules(ports)?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(abi)))?
        .add_rules(held)?
        .add_rules(path_beneath_rules(write, left))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Leaves these system calls; `false` where there is no filter for this processor, in this kernel, or for us.
fn call_only(network: Network, apply: impl Fn(BpfProgramRef) -> Result<(), seccompiler::Error>) -> io::Result<bool> {
    let program = match filter::program(network, std::process::id()) {
        Err(BackendError::InvalidTargetArch(_)) => return Ok(false),
        program => program.map_err(io::Error::other)?,
    };
    match apply(&program) {
        Ok(()) => Ok(true),
        Err(seccompiler::Error::Seccomp(error)) if is_missing(&error) => Ok(false),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// A kernel that was built without it, or somebody around us who keeps it from us: an old container's rules.
fn is_missing(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::ACCESS))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::Command;

    use seccompiler::apply_filter;

    use super::*;
    use crate::worker::protocol::Settled;

    /// On a thread of its own, because what a thread gives up is gone for it alone.
    #[test]
    fn a_confined_thread_sees_its_directories_and_no_others() {
        let [read, write, other, named] = [(); 4].map(|()| tempfile::tempdir().unwrap());
        let (mine, foreign) = (read.path().join("mine"), other.path().join("foreign"));
        fs::write(&mine, "mine").unwrap();
        fs::write(&foreign, "foreign").unwrap();
        let (reads, writes) = (vec![read.path().to_owned()], vec![write.path().to_owned()]);
        let result = write.path().join("result");
        let named = named.path().canonicalize().unwrap();
        let [same, exchanged, link] = ["same", "exchanged", "link"].map(|name| {
            fs::write(named.join(name), "named").unwrap();
            named.join(name)
        });
        let files = [&same, &exchanged, &link].map(|path| Settled::of([path.clone()]).unwrap().files()[0].clone());
        fs::write(named.join("new"), "another").unwrap();
        fs::rename(named.join("new"), &exchanged).unwrap();
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&foreign, &link).unwrap();
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [open, closed] = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let confined = std::thread::spawn(move || {
            assert!(see_only(&reads, &files, &writes, &[open.port()]).unwrap(), "this kernel has no Landlock");
            assert_eq!(fs::read_to_string(&same).unwrap(), "named");
            assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
            fs::write(&result, "result").unwrap();
            let refused = [
                fs::read(&exchanged).map(drop),
                fs::read(&link).map(drop),
                fs::read(&foreign).map(drop),
                fs::write(&mine, "changed"),
                std::os::unix::fs::symlink(&foreign, result.with_extension("link")),
            ];
            for refused in refused {
                assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            }
            // To another directory, of which other rules hold.
            let moved = fs::hard_link(&mine, result.with_extension("hard")).unwrap_err();
            assert!(
                [io::ErrorKind::PermissionDenied, io::ErrorKind::CrossesDevices].contains(&moved.kind()),
                "{moved}"
            );
            fs::rename(&result, result.with_extension("renamed")).unwrap();
            assert!(TcpStream::connect(open).is_ok());
            assert_eq!(TcpStream::connect(closed).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        });
        confined.join().unwrap();
        assert_eq!(fs::read_to_string(other.path().join("foreign")).unwrap(), "foreign");
    }

    /// The same for system calls: what is left, and what is gone. Those that end a process are tried by one of its own, in
    /// the integration tests.
    #[test]
    fn a_confined_thread_makes_threads_and_pairs_and_nothing_that_leads_outside() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let directory = tempfile::tempdir().unwrap();
        for network in [Network::None, Network::Tcp] {
            let path = directory.path().join("file");
            let confined = std::thread::spawn(move || {
                assert!(call_only(network, apply_filter).unwrap(), "this kernel has no seccomp");
                assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
                assert_eq!(TcpStream::connect(address).is_ok(), network == Network::Tcp);
                fs::write(&path, "written").unwrap();
                fs::copy(&path, path.with_extension("copy")).unwrap();
                assert_eq!(fs::read_to_string(path.with_extension("copy")).unwrap(), "written");
                assert!(UnixStream::pair().is_ok());
                for refused in [
                    Command::new("/bin/true").spawn().map(drop),
                    UdpSocket::bind("127.0.0.1:0").map(drop),
                    TcpListener::bind("127.0.0.1:0").map(drop),
                    UnixStream::connect("/run/docker.sock").map(drop),
                    std::os::unix::fs::symlink("/etc/passwd", path.with_extension("link")),
                    std::os::unix::fs::chown(&path, Some(1), Some(1)),
                ] {
                    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
                }
            });
            confined.join().unwrap();
        }
    }
}
