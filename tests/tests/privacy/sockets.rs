//! `device_only` opens no socket: the kernel would end the process that tries.
#![cfg(target_os = "linux")]

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};

const SIGSYS: i32 = 31;

fn generate(mode: &str) -> (ExitStatus, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let output = Command::new(env!("CARGO_BIN_EXE_alone")).args([mode, &url]).output().expect("a child process");
    listener.set_nonblocking(true).expect("a socket option");
    (output.status, listener)
}

#[test]
fn the_device_alone_writes_a_reply_without_creating_a_socket() {
    let (status, listener) = generate("device_only");
    assert!(status.success(), "{status}");
    assert!(listener.accept().is_err(), "nobody came");
}

/// The same process in a mode that asks does try, and is killed: the test above could fail.
#[test]
fn the_filter_ends_a_process_that_asks_its_verifier() {
    let (status, _listener) = generate("exact");
    assert_eq!(status.signal(), Some(SIGSYS), "{status}");
}
