pub mod choice;
mod diff;
mod driver;
mod error;
mod factory;
mod id;
mod mount;
mod quota;
mod status;
mod traits;

pub use diff::{
    Applied, Change, ChangeKind, ChangeSink, DiffSummary, Limits, NativeDiff, TarSource,
};
pub use driver::{Base, DraftSpec, GraphDriver, MountState, NodeInfo, NodeKind};
pub use error::{Error, ErrorKind, Op, Result};
pub use factory::{DriverFactory, DriverOptions, OptionHelp, Suitability};
pub use id::{DraftId, IdError, LayerId, MAX_ID_LEN, NodeId, NodeRef};
pub use mount::{
    Access, IdMap, IdRange, MountGuard, MountHandle, MountPlan, MountRequest, MountTicket,
};
pub use quota::{Quota, QuotaControl};
pub use status::{Fact, Reclaimed, Recovered, Status, Usage};
pub use traits::{CopyUnit, Traits};
