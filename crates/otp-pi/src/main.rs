//! The `otp-pi` binary: hands the command line to [`otp_pi::cli`] and turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    otp_pi::cli::run()
}
