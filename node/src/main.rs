//! The `hobnob` program. Everything is in the library.

fn main() -> std::process::ExitCode {
    hobnob::cli::main()
}
