//! A way to somebody else's server, on which answers can be held up, or cut after so many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long each piece of an answer is held up where answers are slow.
const SLOW: Duration = Duration::from_millis(300);

/// The way, by the address at its near end.
pub struct Way {
    pub address: SocketAddr,
    answers: Arc<Answers>,
}

/// What becomes of answers.
struct Answers {
    is_slow: AtomicBool,
    /// Bytes that may still pass.
    left: AtomicU64,
    /// Bytes that have passed.
    passed: AtomicU64,
}

impl Way {
    /// One that everything passes as it comes.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (is_slow, left, passed) = (AtomicBool::new(false), AtomicU64::new(u64::MAX), AtomicU64::new(0));
        let answers = Arc::new(Answers { is_slow, left, passed });
        let way = Self { address: listener.local_addr().unwrap(), answers: answers.clone() };
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(server) else { continue };
                let (back, to_near, answers) = (far.try_clone().unwrap(), near.try_clone().unwrap(), answers.clone());
                std::thread::spawn(move || carry(near, far, |length| length));
                std::thread::spawn(move || carry(back, to_near, |length| answers.may_pass(length)));
            }
        });
        way
    }

    /// From now on so many bytes of answers pass, on all connections together, and then each is cut.
    pub fn cut_after(&self, bytes: u64) {
        self.answers.left.store(bytes, Ordering::Relaxed);
    }

    /// Bytes of answers that have passed.
    pub fn passed(&self) -> u64 {
        self.answers.passed.load(Ordering::Relaxed)
    }

    /// From now on answers are held up, or no more.
    pub fn hold_up(&self, is_slow: bool) {
        self.answers.is_slow.store(is_slow, Ordering::Relaxed);
    }
}

impl Answers {
    /// How many of so many bytes may pass.
    fn may_pass(&self, length: usize) -> usize {
        if self.is_slow.load(Ordering::Relaxed) {
            std::thread::park_timeout(SLOW);
        }
        let less = |left: u64| Some(if left == u64::MAX { left } else { left.saturating_sub(length as u64) });
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).unwrap();
        let may = left.min(length as u64);
        self.passed.fetch_add(may, Ordering::Relaxed);
        usize::try_from(may).unwrap()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(usize) -> usize) {
    let mut buffer = [0; 4_096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let may = may_pass(length);
        if to.write_all(&buffer[..may]).is_err() || may < length {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
