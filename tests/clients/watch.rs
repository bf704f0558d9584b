//! What a person sees: blocks, tables and live lines on terminals of several sizes.

use std::os::unix::process::ExitStatusExt;

use super::screen::Screen;
use super::{FAILS, STAYS, SUCCEEDS, call};
use crate::support::{Wrapper, start_ready, wait_for_exit};

fn shut_down(wrapper: &Wrapper) {
    assert_eq!(call(&["shutdown", "--address", &wrapper.address()]).code, 0);
}

fn count(text: &str, words: &str) -> usize {
    text.matches(words).count()
}

fn widest(text: &str) -> usize {
    text.lines().map(str::len).max().unwrap_or(0)
}

#[test]
fn the_status_of_one_wrapper_is_a_block_on_a_terminal() {
    let wrapper = start_ready(&[], STAYS);
    let screen = Screen::new(80, 24);
    let mut process = screen.start(&["status", "--address", &wrapper.address()]);
    let text = screen.wait_for("a block", |text| text.contains("started  "));
    assert!(wait_for_exit(&mut process).success());
    let expected = format!("running: sh (pid {})\n  address  ", wrapper.child_pid());
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn a_watched_block_is_drawn_in_place_and_its_end_stays() {
    let wrapper = start_ready(&[], FAILS);
    for columns in [120, 80, 30] {
        let screen = Screen::new(columns, 24);
        let mut process = screen.start(&["status", "--watch", "--address", &wrapper.address()]);
        let ended = |text: &str| {
            text.starts_with("gone: ")
                && text.contains("drain failed")
                && count(text, "address  ") == 1
                && count(text, "gone: ") == 1
        };
        if columns == 120 {
            screen.wait_for("the state", |text| text.starts_with("running: sh"));
            shut_down(&wrapper);
        }
        assert_eq!(wait_for_exit(&mut process).code(), Some(0));
        screen.wait_for("the end, once", ended);
    }
}

#[test]
fn a_watched_table_keeps_one_line_per_wrapper_when_the_window_changes() {
    let (first, second) = (start_ready(&[], SUCCEEDS), start_ready(&[], STAYS));
    let (one, two) = (first.address(), second.address());
    let addresses = ["--address", &one, "--address", &two];
    let screen = Screen::new(120, 24);
    let mut process = screen.start(&[&["status", "--watch"], &addresses[..]].concat());
    screen.wait_for("both", |text| text.contains("\n2 wrappers: 2 running\n"));
    let is_whole = |text: &str| text.contains("wrappers: 2 running\n");
    for columns in [50, 30, 100] {
        screen.resize_at_rest(columns, 24, is_whole);
        let fits = |text: &str| {
            widest(text) < usize::from(columns) && (columns < 100 || text.contains(" PID "))
        };
        let is_one = |text: &str| count(text, "ADDRESS") == 1 && count(text, "unix://") == 2;
        screen.wait_for("one table that fits", |text| {
            fits(text) && is_whole(text) && is_one(text)
        });
    }
    // Fewer rows than wrappers: a line says what is missing.
    screen.resize_at_rest(100, 4, is_whole);
    let cut = |text: &str| text.contains("\n... 2 more\n2 wrappers: ");
    screen.wait_for("a count", cut);
    screen.resize_at_rest(100, 24, cut);
    screen.wait_for("both", |text| count(text, "unix:///") == 2);
    shut_down(&first);
    screen.wait_for("a change", |text| {
        text.contains("2 wrappers: 1 gone, 1 running\n")
    });
    let now = ["--force-after=0s", "--kill-after=0s"];
    call(&[&["shutdown", "--address", &two], &now[..]].concat());
    assert_eq!(wait_for_exit(&mut process).code(), Some(0));
    screen.wait_for("the end, once", |text| {
        let is_last = text.contains("2 wrappers: 2 gone\n");
        is_last && count(text, "ADDRESS") == 1 && text.lines().count() == 4
    });
}

#[test]
fn ctrl_c_leaves_the_last_state_and_the_terminal_as_it_was() {
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    for (arguments, shown) in [
        (&["status", "--watch"][..], "running: sh"),
        (&["wait"], "running, "),
    ] {
        let mut screen = Screen::new(80, 24);
        let before = screen.modes();
        let mut process = screen.start(&[arguments, &["--address", &address]].concat());
        screen.wait_for("the state", |text| text.starts_with(shown));
        assert_eq!(screen.modes(), before);
        screen.type_keys("\x03");
        assert_eq!(wait_for_exit(&mut process).signal(), Some(2));
        assert_eq!(screen.modes(), before);
        let text = screen.wait_for("the keys", |text| text.contains("^C"));
        assert!(text.starts_with(shown), "{text}");
        if arguments.len() == 2 {
            assert!(text.contains("\n^C"), "below the block: {text}");
        }
    }
}

#[test]
fn a_program_that_was_stopped_draws_below_what_the_shell_wrote() {
    use nix::sys::signal::{Signal, kill};
    let wrapper = start_ready(&[], STAYS);
    let mut screen = Screen::new(80, 24);
    let mut process = screen.start(&["status", "--watch", "--address", &wrapper.address()]);
    screen.wait_for("the state", |text| text.contains("started  "));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    // The terminal shows the keys, as it would show what a shell writes.
    screen.type_keys("$ fg\n");
    screen.wait_for("the keys", |text| text.ends_with("$ fg\n"));
    kill(pid, Signal::SIGCONT).unwrap();
    let again = |text: &str| text.contains("\n$ fg\nrunning: sh");
    screen.wait_for("the state again", again);
    screen.resize_at_rest(60, 24, again);
    screen.wait_for("one more drawing", |text| {
        again(text) && count(text, "running: sh") == 2
    });
    kill(pid, Signal::SIGINT).unwrap();
    assert_eq!(wait_for_exit(&mut process).signal(), Some(2));
}

#[test]
fn a_warning_and_a_narrow_window_do_not_cut_into_the_live_line() {
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    let screen = Screen::new(80, 24);
    let arguments = ["shutdown", "--wait", "--kill-after=1h", "--timeout=1h"];
    let mut process = screen.start(&[&arguments[..], &["--address", &address]].concat());
    let text = screen.wait_for("the line", |text| text.contains("\nshutting_down, "));
    let warning = text.lines().next().unwrap().to_owned();
    assert!(warning.ends_with("Add --force-after"), "{text}");
    for columns in [20, 60] {
        screen.resize_at_rest(columns, 24, |text| text.contains("\nshutting_down, "));
        screen.wait_for("one line that fits, below the warning", |text| {
            let line = text.lines().last().unwrap();
            let fits = line.starts_with("shutting_down, ") && line.len() < usize::from(columns);
            let is_one = count(text, "shutting_down, ") == 1;
            fits && is_one && text.lines().next() == Some(&*warning)
        });
    }
    let now = ["--force-after=0s", "--kill-after=0s"];
    call(&[&["shutdown", "--address", &address], &now[..]].concat());
    assert_eq!(wait_for_exit(&mut process).code(), Some(6));
    let text = screen.wait_for("the answer", |text| text.contains("\ngone: sh "));
    assert_eq!(count(&text, "shutting_down, "), 0, "{text}");
}

#[test]
fn a_person_sees_signals_and_deadlines_that_come_during_the_shutdown() {
    let wrapper = start_ready(&[], STAYS);
    let address = wrapper.address();
    let (block, line) = (Screen::new(80, 24), Screen::new(80, 24));
    let mut watching = block.start(&["status", "--watch", "--address", &address]);
    let mut waiting = line.start(&["wait", "--address", &address]);
    block.wait_for("the state", |text| text.starts_with("running: sh"));
    line.wait_for("the state", |text| text.starts_with("running, "));
    let shorten = |option: &str| {
        let said = call(&["shutdown", option, "--address", &address]);
        assert_eq!(said.code, 0, "{said:?}");
    };
    shorten("--force-after=1s");
    block.wait_for("the signal of the abort", |text| {
        text.contains("SIGTERM sent") && !text.contains("  abort ")
    });
    shorten("--kill-after=1h");
    block.wait_for("the new deadline", |text| {
        text.contains("  SIGKILL      in ")
    });
    line.wait_for("the new deadline", |text| text.contains(", SIGKILL in "));
    shorten("--kill-after=0s");
    assert_eq!(wait_for_exit(&mut watching).code(), Some(0));
    assert_eq!(wait_for_exit(&mut waiting).code(), Some(6));
    block.wait_for("the end", |text| text.contains("SIGKILL sent"));
}

#[test]
fn a_watched_block_stays_above_the_error_when_the_wrapper_is_lost() {
    let mut wrapper = start_ready(&[], STAYS);
    let screen = Screen::new(120, 24);
    let address = wrapper.address();
    let arguments = ["status", "--watch", "--connect-timeout=2s", "--address"];
    let mut process = screen.start(&[&arguments[..], &[&address]].concat());
    screen.wait_for("the state", |text| text.contains("started  "));
    super::waits::kill(&mut wrapper);
    assert_eq!(wait_for_exit(&mut process).code(), Some(4));
    screen.wait_for("the facts, then the error", |text| {
        let error = text.find("connection was lost").unwrap_or(0);
        text.starts_with("running: sh") && text.find("started  ").is_some_and(|at| at < error)
    });
}
