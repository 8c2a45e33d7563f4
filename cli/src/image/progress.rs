//! Progress of loads, drawn on standard error while that is a terminal.

use std::collections::HashMap;
use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sapwood_engine::image::{Event, Progress, Stage};

/// Letters of a layer's name that are shown.
const NAME: usize = 12;

/// Bars on the terminal, or nothing.
#[derive(Debug)]
pub struct Shown {
    /// `None` where nothing is drawn.
    bars: Option<MultiProgress>,
    open: Mutex<HashMap<String, ProgressBar>>,
}

impl Shown {
    /// Draws if standard error is a terminal and `quiet` isn't asked for.
    pub fn new(quiet: bool) -> Self {
        let draw = !quiet && stderr().is_terminal();
        Self { bars: draw.then(MultiProgress::new), open: Mutex::default() }
    }

    /// Takes what is drawn away, so that what is printed next stands alone.
    pub fn finish(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, bar) in open.drain() {
            bar.finish_and_clear();
        }
    }

    fn draw(&self, bars: &MultiProgress, event: Event<'_>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Spooled(bytes) => open
                .entry("archive".to_owned())
                .or_insert_with(|| bars.add(counter("unpacking the archive")))
                .set_position(bytes),
            Event::Layer { name, stage } => match stage {
                Stage::Present => {}
                Stage::Begun(len) => {
                    open.insert(name.to_owned(), bars.add(layer_bar(name, len)));
                }
                Stage::Read(read) => {
                    if let Some(bar) = open.get(name) {
                        bar.set_position(read);
                    }
                }
                Stage::Unpacked => {
                    if let Some(bar) = open.get(name) {
                        bar.set_message("writing to disk");
                    }
                }
                Stage::Committed => {
                    if let Some(bar) = open.remove(name) {
                        bar.finish_and_clear();
                    }
                }
            },
        }
    }
}

impl Progress for Shown {
    fn event(&self, event: Event<'_>) {
        if let Some(bars) = &self.bars {
            self.draw(bars, event);
        }
    }
}

fn layer_bar(name: &str, len: u64) -> ProgressBar {
    let name: String = name.chars().take(NAME).collect();
    if len == 0 {
        return counter(&name);
    }
    style(ProgressBar::new(len), "{prefix:12} [{bar:30}] {bytes}/{total_bytes} {msg}")
        .with_prefix(name)
}

fn counter(what: &str) -> ProgressBar {
    style(ProgressBar::no_length(), "{prefix} {bytes} {msg}").with_prefix(what.to_owned())
}

/// A template that indicatif refuses leaves the bar in its own style.
fn style(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}
