//! What redb does seldom or never, asked of the pages directly.

use std::sync::Arc;

use redb::StorageBackend as _;
use zeroize::Zeroizing;

use crate::{
    StoreKey,
    pages::{Backend, Pages},
    shaky::ShakyDisk,
};

const BLOCK: u64 = 4096;

fn key() -> StoreKey {
    StoreKey::new(Zeroizing::new([7; 32]))
}

/// Block 0 as redb writes it, as far as the pages look at it: which commit counts.
fn head(primary: bool, number: u8) -> [u8; 320] {
    let mut bytes = [number; 320];
    bytes[9] = u8::from(primary);
    bytes
}

/// Sixteen blocks, and block 0 on the disk.
fn start() -> (ShakyDisk, Arc<Pages>, Backend) {
    let disk = ShakyDisk::default();
    let pages = Arc::new(Pages::create(Arc::new(disk.clone()), &key()).unwrap());
    let backend = Backend(Arc::clone(&pages));
    backend.set_len(16 * BLOCK).unwrap();
    for number in 1..4 {
        backend.write(0, &head(false, number)).unwrap();
        backend.sync_data().unwrap();
    }
    (disk, pages, backend)
}

/// One commit of redb's: blocks, then block 0, then its turned bit.
fn commit(pages: &Pages, backend: &Backend, blocks: std::ops::Range<u64>, primary: bool, number: u8) {
    pages.join(|| {
        for block in blocks {
            backend.write(block * BLOCK, &[number; 4096]).unwrap();
        }
        backend.write(0, &head(!primary, number)).unwrap();
        backend.sync_data().unwrap();
        backend.write(0, &head(primary, number)).unwrap();
        backend.sync_data().unwrap();
    });
}

fn found(disk: &ShakyDisk) -> (u8, Backend) {
    let (pages, _) = Pages::open(Arc::new(disk.clone()), &key(), u64::MAX).unwrap();
    let backend = Backend(Arc::new(pages));
    let mut bytes = [0; 320];
    backend.read(0, &mut bytes).unwrap();
    (bytes[20], backend)
}

#[test]
fn a_commit_stays_when_one_of_its_blocks_is_written_again() {
    for seed in 0..200 {
        let (disk, pages, backend) = start();
        commit(&pages, &backend, 1..6, true, 10);
        let (before, _) = found(&disk.after_power_cut(seed));
        assert_eq!(before, 10);
        // Free again, and used by a commit that does not come to its end.
        backend.write(3 * BLOCK, &[11; 4096]).unwrap();
        backend.write(9 * BLOCK, &[11; 4096]).unwrap();
        let (after, backend) = found(&disk.after_power_cut(seed));
        assert_eq!(after, 10, "seed {seed}");
        let mut block = [0; 4096];
        backend.read(5 * BLOCK, &mut block).unwrap();
        assert_eq!(block, [10; 4096]);
    }
}

#[test]
fn a_commit_of_more_blocks_than_a_list_holds_is_whole_or_not_there() {
    let (disk, _, backend) = start();
    backend.set_len(2000 * BLOCK).unwrap();
    backend.write(0, &head(false, 4)).unwrap();
    backend.sync_data().unwrap();
    let mut whole = 0;
    for cut in [1, 900, 1200, 1201, 1202, 1203, 1204, 1205] {
        let disk = ShakyDisk::holding(disk.bytes());
        let (_, backend) = found(&disk);
        disk.cut_after(cut);
        let _: std::io::Result<()> = backend.0.join(|| {
            for block in 1..1201 {
                backend.write(block * BLOCK, &[12; 4096])?;
            }
            backend.write(0, &head(false, 12))?;
            backend.sync_data()?;
            backend.write(0, &head(true, 12))?;
            backend.sync_data()
        });
        for seed in 0..30 {
            let (after, backend) = found(&disk.after_power_cut(seed * 100 + cut));
            assert!(after == 4 || after == 12, "seed {seed} cut {cut}: {after}");
            let mut block = [0; 4096];
            for number in (1..1201).filter(|_| after == 12) {
                backend.read(number * BLOCK, &mut block).unwrap();
                assert_eq!(block, [12; 4096], "seed {seed} cut {cut} block {number}");
            }
            whole += usize::from(after == 12);
        }
    }
    assert!(whole > 30, "{whole}");
}

#[test]
fn a_block_that_was_never_written_and_one_that_is_not_there_are_errors() {
    let (_, _, backend) = start();
    let mut block = [0; 4096];
    assert!(backend.read(7 * BLOCK, &mut block).is_err());
    assert!(backend.read(16 * BLOCK, &mut block).is_err());
    assert!(backend.read(7 * BLOCK + 1, &mut block).is_err());
    assert!(backend.write(7 * BLOCK, &block[..100]).is_err());
    assert!(backend.write(500, &block[..100]).is_err());
}
