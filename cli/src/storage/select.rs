//! Finding the node that a person means.

use graphdriver_api::{GraphDriver, NodeId, NodeInfo};

use crate::failure::Failure;

/// How nodes are named on the command line, for help texts.
pub const NODE_HELP: &str = "Id of a draft, view or layer, or the beginning of one; \
                             `draft:ID` or `layer:ID` where both exist";

/// The node that `text` names: a whole id, or an unambiguous beginning.
///
/// # Errors
/// No such node, or several: then they are listed.
pub fn node(driver: &dyn GraphDriver, text: &str) -> Result<NodeInfo, Failure> {
    let mut found = matching(driver.list()?, text);
    match found.len() {
        0 => Err(Failure::new(format!(
            "there is no node {text:?} in the {} store; `sapwood storage ls` lists them, \
             `sapwood ps -a` the ids of containers",
            driver.name()
        ))),
        1 => Ok(found.remove(0)),
        n => Err(Failure::new(format!(
            "{text:?} could be any of {n} nodes ({}); give more of its id",
            names(&found)
        ))),
    }
}

fn matching(nodes: Vec<NodeInfo>, text: &str) -> Vec<NodeInfo> {
    let (kind, id) = match text.split_once(':') {
        Some((kind @ ("draft" | "layer"), id)) => (Some(kind), id),
        _ => (None, text),
    };
    let of_kind = |n: &NodeInfo| match kind {
        None => true,
        Some(kind) => (kind == "draft") == matches!(n.id, NodeId::Draft(_)),
    };
    let candidates: Vec<_> = nodes.into_iter().filter(of_kind).collect();
    let whole: Vec<_> =
        candidates.iter().filter(|n| n.id.as_ref().as_str() == id).cloned().collect();
    if !whole.is_empty() {
        return whole;
    }
    candidates
        .into_iter()
        .filter(|n| !id.is_empty() && n.id.as_ref().as_str().starts_with(id))
        .collect()
}

fn names(nodes: &[NodeInfo]) -> String {
    const SHOWN: usize = 4;
    let mut text =
        nodes.iter().take(SHOWN).map(|n| n.id.to_string()).collect::<Vec<_>>().join(", ");
    if nodes.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use graphdriver_api::{DraftId, LayerId, MountState, NodeKind};

    use super::*;

    fn info(id: NodeId) -> NodeInfo {
        NodeInfo {
            kind: if matches!(id, NodeId::Draft(_)) { NodeKind::Draft } else { NodeKind::Layer },
            id,
            parent: None,
            depth: 0,
            created: std::time::SystemTime::UNIX_EPOCH,
            mount: MountState::Unmounted,
            unpacking: false,
            lender: None,
        }
    }

    #[test]
    fn whole_ids_win_over_beginnings_and_prefixes_say_the_kind() {
        let nodes = || {
            vec![
                info(NodeId::Draft(DraftId::new("abc").unwrap())),
                info(NodeId::Layer(LayerId::new("abc").unwrap())),
                info(NodeId::Layer(LayerId::new("abcd").unwrap())),
            ]
        };
        let found = |text| names(&matching(nodes(), text));
        assert_eq!(found("abcd"), "layer abcd");
        assert_eq!(found("abc"), "draft abc, layer abc");
        assert_eq!(found("layer:abc"), "layer abc");
        assert_eq!(found("draft:a"), "draft abc");
        assert_eq!(found("ab"), "draft abc, layer abc, layer abcd");
        assert_eq!(found(""), "");
        assert_eq!(found("x"), "");
    }
}
