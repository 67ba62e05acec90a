//! How the C library's allocator shares memory among threads, and the one unsafe line of this crate.

/// Lets as many threads allocate side by side as can run, instead of eight times as many.
///
/// What a thread frees goes back to its own arena, where no other thread finds it. A compaction takes some 60 MB, on whichever blocking
/// thread is free: with glibc's sixteen arenas on two cores 20 million spans peaked at 557 MB and 520 stayed; with two at 340. (mimalloc
/// was tried as well: a third more memory while spans arrive, and twice the time in the kernel.)
///
/// Call it before there are threads. Does nothing where the C library is another one.
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // With one of its own each, a lone core's threads would still wait for each other in turn.
        let arenas = std::thread::available_parallelism().map_or(2, usize::from).max(2);
        set_arenas(i32::try_from(arenas).unwrap_or(i32::MAX));
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no safe call for it; see the safety comment")]
fn set_arenas(arenas: i32) {
    // SAFETY: mallopt(3) reads two integers, and M_ARENA_MAX takes any number. Where it refuses, memory is shared as it was.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, arenas);
    }
}
