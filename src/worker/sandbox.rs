//! A worker limits itself before it reads anything that people sent: memory, files, and what of the file system it
//! sees.
//!
//! Limits that the kernel refuses fail the start; those that only some kernels have are taken where they are.

use std::fs;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, NetPort, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError,
    RulesetStatus, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

use super::protocol::{DESCRIPTORS, ProcessLimits, SettledFile};

/// Limits this process for good. Must come before further threads: they inherit what their parent may.
pub fn confine(limits: &ProcessLimits) -> io::Result<()> {
    // First in line when memory runs out; a kernel without the file kills by its own judgement.
    let _ = fs::write("/proc/self/oom_score_adj", "1000");
    limit(Resource::Data, limits.memory_bytes)?;
    limit(Resource::Fsize, limits.file_bytes)?;
    limit(Resource::Nofile, DESCRIPTORS.into())?;
    limit(Resource::Core, 0)?;
    if limits.nice > 0 {
        nice(limits.nice)?;
    }
    if !see_only(&limits.read, &limits.files, &limits.write, &limits.ports).map_err(io::Error::other)? {
        tracing::warn!("this kernel has no Landlock: workers are not kept from other files");
    }
    Ok(())
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
    let ports = ports.iter().map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .create()?
        .add_rules(ports)?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(abi)))?
        .add_rules(held)?
        .add_rules(path_beneath_rules(write, AccessFs::from_all(abi)))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

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
            let enforced = see_only(&reads, &files, &writes, &[open.port()]).unwrap();
            assert_eq!(fs::read_to_string(&same).unwrap(), "named");
            assert_eq!(fs::read(&exchanged).is_err(), enforced);
            assert_eq!(fs::read(&link).is_err(), enforced);
            assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
            fs::write(&result, "result").unwrap();
            assert_eq!(fs::read(&foreign).is_err(), enforced);
            assert_eq!(fs::write(&mine, "changed").is_err(), enforced);
            assert!(TcpStream::connect(open).is_ok());
            if let Err(error) = TcpStream::connect(closed) {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
            }
        });
        confined.join().unwrap();
        assert_eq!(fs::read_to_string(other.path().join("foreign")).unwrap(), "foreign");
    }
}
