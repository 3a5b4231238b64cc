# Shortcuts for daily work. Everything here is a plain command; nothing depends on `just`.

# What can be done
default:
    @just --list

# The gateway with emulated modems and a page that shows the phones
demo *arguments:
    cargo run --release -- demo {{arguments}}

# Every check and every test, as CI runs them
test *arguments:
    scripts/test {{arguments}}

# Quick look while working
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# One crate's tests
crate name:
    cargo test -p {{name}}

# The rules of the repository (arrows, sizes, documents)
tidy:
    cargo test -p otp-pi --test tidy

# Every parser against inputs that nobody thought of (docs/fuzzing.md)
fuzz *arguments:
    scripts/fuzz {{arguments}}

# Licences, banned crates and sources; without a network (advisories need one)
deny:
    cargo deny --offline check licenses bans sources
