//! The bench's own promises, each broken on purpose.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use sapwood_kit::mount::in_private_namespace;
use sapwood_union::{Bench, Differences, Failure, Kind, Outcome, Subject, Verdict};

/// What a bench over the kernel says at its end, after `act`.
fn end(act: impl FnOnce(&mut Bench) -> Outcome + Send) -> Option<Outcome> {
    let subject = match Subject::find(Kind::Kernel) {
        Ok(subject) => subject,
        Err(reason) => {
            sapwood_vm::not_run(&reason).unwrap();
            return None;
        }
    };
    let ended = in_private_namespace(|| {
        Ok((|| {
            let mut bench = Bench::new(&subject)?;
            bench.lower(0)?.file("f", b"low")?;
            bench.mount()?;
            act(&mut bench)?;
            bench.finish()
        })())
    });
    Some(ended.unwrap())
}

#[test]
fn a_lower_layer_that_was_written_is_told() {
    let written = end(|bench| {
        let lower = bench.layers().lowers.remove(0);
        Ok(fs::write(lower.join("f"), "LOW")?)
    });
    if let Some(ended) = written {
        let said = ended.unwrap_err().what().to_owned();
        assert!(said.starts_with("lower layer 0 was written: /f: "), "{said}");
    }
}

#[test]
fn a_lower_layer_cant_be_made_under_a_mount() {
    if let Some(ended) = end(|bench| bench.lower(1).map(drop)) {
        assert_eq!(ended.unwrap_err().what(), "a lower layer changes under a mount");
    }
}

#[test]
fn what_is_still_open_is_told() {
    let mut kept = None;
    if let Some(ended) = end(|bench| {
        kept = Some(bench.tree().open("f", rustix::fs::OFlags::RDONLY)?);
        Ok(())
    }) {
        assert!(ended.unwrap_err().what().contains("busy"));
    }
}

#[test]
fn an_undeclared_failure_is_one() {
    let declared = Differences::declared().unwrap();
    let failed = Err(Failure::new("wrong"));
    assert!(matches!(declared.judge(Kind::Kernel, "none::such", &Ok(())), Verdict::Passed));
    assert!(matches!(declared.judge(Kind::Kernel, "none::such", &failed), Verdict::Failed(_)));
}
