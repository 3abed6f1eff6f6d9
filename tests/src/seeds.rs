//! Which worlds a test tries.

use std::ops::Range;

/// The first so many; or the one, or the ones, that `WORLD_SEED=n` or `WORLD_SEED=n..m` asks for.
pub fn seeds(count: u64) -> Range<u64> {
    let asked = std::env::var("WORLD_SEED").ok();
    let number = |text: &str| text.parse::<u64>().unwrap_or_else(|why| panic!("WORLD_SEED={text}: {why}"));
    match asked.as_deref().map(|asked| asked.split_once("..").ok_or(asked)) {
        None => 0..count,
        Some(Ok((from, to))) => number(from)..number(to),
        Some(Err(one)) => number(one)..number(one) + 1,
    }
}
