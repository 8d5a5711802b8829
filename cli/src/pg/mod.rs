//! PostgreSQL as a server: URLs, hosts, TLS, sessions and their settings, and what its errors mean.
//!
//! In scope: everything until a session is open. Out of scope: our tables (`store`), the private server (`private_pg`).

mod connect;
mod error;
mod fault;
mod hosts;
mod tls;
pub mod url;

pub use connect::{Pooling, Purpose, connect, connect_api, connect_as, cut, see_all_rows};
pub use error::{POLICY_HINT, READ_ONLY_HINT, is_lost, is_lost_failure};
pub use fault::StatementFault;
