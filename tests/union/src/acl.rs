//! Extended attributes whose bytes mean something to the kernel.

/// The version that starts an access list.
const ACL_VERSION: u32 = 2;
/// The id in entries that name nobody.
const NO_ID: u32 = u32::MAX;

/// An access control list as the kernel wants it in `system.posix_acl_*`.
#[derive(Debug, Clone)]
pub struct Acl(Vec<u8>);

impl Acl {
    /// A list with owner, one named user, group, mask and others.
    #[must_use]
    pub fn new(owner: u16, named: (u32, u16), group: u16, mask: u16, others: u16) -> Self {
        let mut bytes = ACL_VERSION.to_le_bytes().to_vec();
        let entries = [
            (0x01_u16, owner, NO_ID),
            (0x02, named.1, named.0),
            (0x04, group, NO_ID),
            (0x10, mask, NO_ID),
            (0x20, others, NO_ID),
        ];
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        Self(bytes)
    }

    /// The attribute's value.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The value of `security.capability` that gives a program CAP_NET_RAW, version 2.
#[must_use]
pub fn capability() -> Vec<u8> {
    const VERSION_2_EFFECTIVE: u32 = 0x0200_0001;
    const NET_RAW: u32 = 1 << 13;
    [VERSION_2_EFFECTIVE, NET_RAW, 0, 0, 0].iter().flat_map(|word| word.to_le_bytes()).collect()
}
