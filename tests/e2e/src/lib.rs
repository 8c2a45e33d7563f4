//! What tests of the whole program share: images made to order.

pub mod images;
