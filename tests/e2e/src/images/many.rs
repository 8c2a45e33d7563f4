//! An image of many layers, for limits of depth.

use crate::images::busybox::busybox;
use crate::images::entry::Entry;
use crate::images::error::Error;
use crate::images::image::Image;

/// Each layer whose number is a multiple of this removes the file of the one before.
pub const REMOVED_EVERY: usize = 10;

/// busybox and `count - 1` layers on it. Layer `n` adds /layers/n (its number), rewrites /top (its
/// number as well), and every tenth removes what the layer before added: what a container sees
/// tells whether all of them are there, and in their order.
///
/// # Errors
///
/// As [`busybox`].
pub fn many_layers(name: &str, count: usize) -> Result<Image, Error> {
    let mut image = busybox(name)?;
    for number in 1..count {
        image = image.layer(move |layer| {
            layer.add(&Entry::dir("layers"))?;
            layer.add(&Entry::file(format!("layers/{number}"), format!("{number}\n")))?;
            if number > 1 && number % REMOVED_EVERY == 0 {
                layer.add(&Entry::whiteout(format!("layers/{}", number - 1)))?;
            }
            layer.add(&Entry::file("top", format!("{number}\n")))
        });
    }
    Ok(image)
}
