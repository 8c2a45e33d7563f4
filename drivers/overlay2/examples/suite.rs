//! x
use graphdriver_conformance::suite::{Subject, main as run};
fn main() -> std::process::ExitCode {
    let f: Box<dyn graphdriver_api::DriverFactory> = Box::new(sapwood_driver_overlay2::Overlay2Factory);
    let mut s = Subject::from(f);
    if let Ok(o) = std::env::var("OPT") { let (a,b)=o.split_once('=').unwrap(); s = s.with_option(a,b); }
    run(s, "run = 1")
}
