//! The picture of a link, read as a telephone reads it: from the screen.

use rqrr::PreparedImage;

use crate::{
    cast::link_on,
    screen::{Terminal, profile, program},
};

/// A link makes a code of about a hundred modules.
const COLUMNS: u16 = 160;

/// Pixels along a module: a decoder needs more than one.
const SCALE: usize = 4;

/// What the one code on the screen says.
fn decoded(terminal: &Terminal) -> String {
    let halves = terminal.halves();
    let light = |x: usize, y: usize| halves[y / SCALE][x / SCALE];
    let (width, height) = (halves[0].len() * SCALE, halves.len() * SCALE);
    let mut image = PreparedImage::prepare_from_greyscale(width, height, |x, y| if light(x, y) { 255 } else { 0 });
    let grids = image.detect_grids();
    let [grid] = grids.as_slice() else { panic!("{} codes on the screen", grids.len()) };
    grid.decode().expect("a code that can be read").1
}

fn assert_encodes_its_link(mut alice: Terminal) {
    alice.enters("/invite-link --qr");
    alice.sees("nobody outside can reach you");
    // Behind the code stands the prompt again.
    let screen = alice.until("a code and the prompt below it", |screen| {
        let below = screen.rsplit(['█', '▀', '▄']).next().unwrap_or_default();
        below.len() < screen.len() && below.contains("hobnob>")
    });
    assert_eq!(decoded(&alice).to_lowercase(), link_on(&screen));
}

#[test]
fn the_code_of_an_invite_says_what_the_link_says() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_encodes_its_link(Terminal::chatting(COLUMNS, "alice", &dir));
}

#[test]
fn a_code_in_colour_says_what_the_link_says() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut command = program(&[]);
    command.args(["--listen", "127.0.0.1:0", "--data-dir", &profile("alice", &dir)]);
    command.env("HOBNOB_MDNS", "off");
    let mut alice = Terminal::run(COLUMNS, command);
    alice.sees("hobnob>");
    assert_encodes_its_link(alice);
}
