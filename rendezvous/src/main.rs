//! The `hobnob-rendezvous` program. Everything is in the library.

fn main() -> std::process::ExitCode {
    hobnob_rendezvous::program::main()
}
