//! `otp-pi completions` and `otp-pi man`: made from the same definitions as `--help`, so that they cannot differ.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

use super::Arguments;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// For which shell
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// A directory for one page a command; the page of otp-pi itself on standard output when not given
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

/// Writes the completions of a shell to standard output.
pub(super) fn completions(arguments: &CompletionsArguments) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "otp-pi", &mut script);
    if arguments.shell == Shell::Bash {
        script = with_one_name(&script);
    }
    // The reader may be gone: there is nobody left to tell.
    drop(std::io::stdout().lock().write_all(&script));
}

/// The script of bash, in which a program has one name: `clap_complete` 4.6 writes a hyphen in it in two ways, and then nothing is
/// completed after the first word.
fn with_one_name(script: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(script).replace("otp__subcmd__pi", "otp__pi").into_bytes()
}

/// Writes manual pages.
///
/// # Errors
/// A directory that cannot be written.
pub(super) fn man(arguments: &ManArguments) -> anyhow::Result<()> {
    let mut command = Arguments::command();
    command.build();
    let Some(directory) = &arguments.output else {
        let mut page = Vec::new();
        man_page(command, "otp-pi").render(&mut page)?;
        drop(std::io::stdout().lock().write_all(&page));
        return Ok(());
    };
    fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    write(directory, &command, "otp-pi")
}

/// One page for a command and one for each below it, as `git-commit(1)` does.
fn write(directory: &Path, command: &Command, name: &str) -> anyhow::Result<()> {
    let path = directory.join(format!("{name}.1"));
    let mut page = Vec::new();
    man_page(command.clone(), name).render(&mut page)?;
    fs::write(&path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    for below in below {
        write(directory, below, &format!("{name}-{}", below.get_name()))?;
    }
    Ok(())
}

fn man_page(command: Command, name: &str) -> clap_mangen::Man {
    clap_mangen::Man::new(command).title(name).source(concat!("otp-pi ", env!("CARGO_PKG_VERSION")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &Command, name: &str) {
        assert!(command.get_about().is_some(), "{name} says nothing of itself");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name}: {} is not explained", argument.get_id());
        }
        for below in command.get_subcommands() {
            check(below, &format!("{name} {}", below.get_name()));
        }
    }

    #[test]
    fn every_command_and_every_argument_explains_itself() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        check(&command, "otp-pi");
        assert!(command.get_subcommands().count() > 10);
    }
}
