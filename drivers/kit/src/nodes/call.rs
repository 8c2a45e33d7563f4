//! What every error of a call names: the driver, the operation and the node.

use std::borrow::Cow;
use std::io;

use graphdriver_api::{Error, ErrorKind, NodeRef, Op};

/// One call of the contract on its way through the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) driver: &'static str,
    pub(crate) op: Op,
    pub(crate) node: Option<NodeRef<'a>>,
}

impl<'a> Call<'a> {
    pub(crate) fn on(self, node: impl Into<NodeRef<'a>>) -> Self {
        Self { node: Some(node.into()), ..self }
    }

    /// An error of the contract's own.
    pub(crate) fn fail(self, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        self.name(Error::new(kind, self.op, message))
    }

    /// Turns an error of the operating system into one of the contract;
    /// `doing` is a verb and its object.
    pub(crate) fn io<E: Into<io::Error>>(self, doing: &'static str) -> impl FnOnce(E) -> Error {
        move |e| self.name(Error::io(self.op, doing, e))
    }

    fn name(self, error: Error) -> Error {
        let error = error.with_driver(self.driver);
        match self.node {
            Some(node) => error.with_node(node),
            None => error,
        }
    }
}
