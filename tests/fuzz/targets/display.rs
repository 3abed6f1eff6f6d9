//! Any text through the display filter: no control character may come out, and no cell may be lost by wrapping.
#![no_main]
use hobnob_shared::text::display;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let harmless = |c: char| !c.is_control();
    assert!(display::line(text).chars().all(harmless));
    assert!(display::block(text).chars().all(|c| harmless(c) || c == '\n' || c == '\t'));
    for line in display::wrap(&display::line(text), 20) {
        assert!(display::width(&line) <= 21);
    }
});
