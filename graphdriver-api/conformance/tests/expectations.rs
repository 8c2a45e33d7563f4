//! A run that isn't as expected fails, in both directions; and a file of
//! expectations can't excuse what must not be excused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

use graphdriver_conformance::expect::{Expectations, Judged};
use graphdriver_conformance::model::ModelFactory;
use graphdriver_conformance::suite::{
    Case, Context, Host, Kind, Need, Outcome, Rule, Runner, Stop, Subject, Verdict,
};

fn pass(_: &Context<'_>) -> Verdict {
    Ok(())
}

fn fail(_: &Context<'_>) -> Verdict {
    Err(Stop::Failed("the name is taken: EXDEV".into()))
}

fn cannot(_: &Context<'_>) -> Verdict {
    Err(Stop::NotRun("no such device".into()))
}

fn panics(_: &Context<'_>) -> Verdict {
    panic!("by accident")
}

const fn case(name: &'static str, kind: Kind, run: fn(&Context<'_>) -> Verdict) -> Case {
    Case { name, kind, rule: Rule::System("rename(2)"), needs: &[], alone: false, run }
}

const CASES: &[Case] = &[
    case("law::passes", Kind::Law, pass),
    case("posix::fails", Kind::Behaviour, fail),
    case("posix::passes", Kind::Behaviour, pass),
];

const DEVIATION: &str = r#"
[[deviation]]
case = "posix::fails"
outcome = "EXDEV"
rule = "the kernel's documentation"
"#;

fn runner(cases: &[Case]) -> Runner {
    let host = Host::set_up().unwrap_or_else(|why| panic!("this test needs to mount: {why:?}"));
    Runner::new(Subject::new(ModelFactory::new()).in_memory(), host, cases)
}

fn complaints(text: &str, cases: &[Case]) -> Vec<String> {
    Expectations::parse(text, cases).unwrap().complaints(&runner(cases).report())
}

fn refusal(text: &str) -> String {
    Expectations::parse(text, CASES).unwrap_err().to_string()
}

#[test]
fn as_expected_has_no_complaints() {
    assert_eq!(complaints(&format!("run = 3\n{DEVIATION}"), CASES), Vec::<String>::new());
}

#[test]
fn an_unlisted_deviation_is_a_complaint() {
    assert_eq!(complaints("run = 3", CASES), ["posix::fails: the name is taken: EXDEV"]);
}

#[test]
fn a_deviation_that_does_not_occur_is_a_complaint() {
    let text = format!("run = 3\n{DEVIATION}").replace("posix::fails", "posix::passes");
    let found = complaints(&text, CASES);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].contains("take the deviation off the list"), "{found:?}");
}

#[test]
fn another_failure_than_the_one_listed_is_a_complaint() {
    let text = format!("run = 3\n{DEVIATION}").replace("EXDEV", "ENOSPC");
    let found = complaints(&text, CASES);
    assert!(found[0].contains("otherwise: \"ENOSPC\""), "{found:?}");
}

#[test]
fn the_number_of_cases_is_exact() {
    for run in [2, 4] {
        let found = complaints(&format!("run = {run}\n{DEVIATION}"), CASES);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("{run} were expected")), "{found:?}");
    }
}

#[test]
fn what_applies_is_counted_without_running_it() {
    let mut cases = [case("law::panics", Kind::Law, panics), CASES[0], CASES[1]];
    cases[1].needs = &[Need::Quota];
    assert_eq!(runner(&cases).applicable(), Ok(2));
    cases[1].needs = &[Need::NoQuota];
    assert_eq!(runner(&cases).applicable(), Ok(3));

    let expected = Expectations::parse("run = 3", &cases).unwrap();
    let kernel = "6.1".parse().unwrap();
    assert_eq!(expected.miscount(kernel, 3), None);
    let complaint = expected.miscount(kernel, 2).unwrap();
    assert!(complaint.starts_with("2 cases apply, 3 were expected"), "{complaint}");
}

#[test]
fn what_cannot_be_run_counts_by_name_and_not_as_run() {
    let cases = [case("law::passes", Kind::Law, pass), case("law::lacks", Kind::Law, cannot)];
    assert_eq!(complaints("run = 2", &cases), Vec::<String>::new());
    let expectations = Expectations::parse("run = 2", &cases).unwrap();
    let outcome = Outcome::NotRun("no such device".into());
    let judged = expectations.judge(&cases[1], "6.1".parse().unwrap(), &outcome);
    assert_eq!(judged, Judged::NotRun("no such device".into()));
}

#[test]
fn a_run_of_nothing_is_a_complaint() {
    let nothing = [case("law::lacks", Kind::Law, cannot)];
    assert_eq!(complaints("run = 1", &nothing), ["not one case was run"]);
    assert_eq!(complaints("run = 0", &[]), ["not one case was run"]);
    let mut inapplicable = CASES[0];
    inapplicable.needs = &[Need::Quota];
    assert_eq!(complaints("run = 0", &[inapplicable]), ["not one case was run"]);
}

#[test]
fn a_panic_is_the_failure_of_one_case() {
    let cases = [case("law::panics", Kind::Law, panics), case("law::passes", Kind::Law, pass)];
    assert_eq!(complaints("run = 2", &cases), ["law::panics: panicked: by accident"]);
}

#[test]
fn a_kernel_can_have_figures_of_its_own() {
    let text = format!(
        "run = 9\n[[host]]\nkernel = \"<3.0\"\nrun = 1\n[[host]]\nkernel = \">=3.0\"\nrun = 3\n{DEVIATION}"
    );
    assert_eq!(complaints(&text, CASES), Vec::<String>::new());
    let elsewhere = format!("run = 3\n{DEVIATION}kernel = \"<3.0\"\n");
    assert_eq!(complaints(&elsewhere, CASES), ["posix::fails: the name is taken: EXDEV"]);
}

#[test]
fn laws_are_not_waived() {
    let text = format!("run = 3\n{DEVIATION}").replace("posix::fails", "law::passes");
    let refusal = refusal(&text);
    assert!(refusal.contains("law::passes is a law"), "{refusal}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let with = |from: &str, to: &str| refusal(&format!("run = 3\n{DEVIATION}").replace(from, to));
    assert!(with("posix::fails", "posix::nowhere").contains("no case \"posix::nowhere\""));
    assert!(with("the kernel's documentation", " ").contains("without a rule"));
    assert!(with("EXDEV", "").contains("without an outcome"));
    assert!(with("rule", "reason").contains("reason"));
    assert!(refusal(&format!("run = 3\n{DEVIATION}{DEVIATION}")).contains("twice"));
    assert!(refusal(DEVIATION).contains("run"));
    assert!(with("rule", "kernel = \"6.5\"\nrule").contains("neither"));
}
