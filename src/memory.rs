//! The allocator of every program that this crate is in: what is freed is wiped.
//!
//! Keys, passwords and tokens pass through buffers that are not ours: those of hyper, of JSON, of base64. Wiping each
//! where it is freed is the one way that forgets none. mimalloc below it, because requests begin on one thread and
//! their entries end on another: memory that crosses threads costs it no lock.

use mimalloc::MiMalloc;
use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<MiMalloc> = ZeroAlloc(MiMalloc);
