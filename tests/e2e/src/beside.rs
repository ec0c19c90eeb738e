//! Work of which some runs beside each other.

/// How much runs at once: what is tested is killed and waits most of the time.
const AT_ONCE: usize = 2;

/// Does each job on one of a few threads, and gives what came of each.
///
/// # Panics
/// When one does.
pub fn side_by_side<J: Sync, R: Send>(jobs: &[J], run: impl Fn(&J) -> R + Sync) -> Vec<R> {
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|first| {
                let mine = jobs.iter().skip(first).step_by(AT_ONCE);
                scope.spawn(move || mine.map(run).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("each passes")).collect()
    })
}
