//! Where tickets and what limits count live, as the settings say. Called by [`crate::Store::open`].

use std::sync::Arc;

use domain::clock::Clock;
use sqlx::{SqliteConnection, SqlitePool};

use crate::db::DataDir;
use crate::error::OpenError;
use crate::limits::remote::RemoteLimits;
use crate::limits::{self, LimitStore, LocalLimits};
use crate::settings::{Settings, TicketStoreKind};
use crate::shared::Server;
use crate::tickets::remote::RemoteTickets;
use crate::tickets::{MemoryTickets, SqliteTickets, TicketStore};
use crate::writer::job::Mailbox;

/// The stores that are chosen.
pub(crate) struct Places {
    pub(crate) tickets: Arc<dyn TicketStore>,
    /// Some when tickets live outside the writer's own database.
    pub(crate) shared_tickets: Option<Arc<dyn TicketStore>>,
    pub(crate) limits: Arc<dyn LimitStore>,
    /// Some when what limits count is in this process's memory, and is to be written behind.
    pub(crate) local_limits: Option<Arc<LocalLimits>>,
    /// Some when both are on a server.
    pub(crate) server: Option<Arc<Server>>,
}

impl Places {
    pub(crate) async fn open(
        settings: &Settings,
        data_dir: &DataDir,
        connection: &mut SqliteConnection,
        (mailbox, reader): (&Mailbox, &SqlitePool),
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let (tickets, shared_tickets): (Arc<dyn TicketStore>, _) = match &settings.ticket_store {
            TicketStoreKind::Sqlite => (Arc::new(SqliteTickets::new(mailbox.clone(), reader.clone())), None),
            TicketStoreKind::Memory => {
                let memory: Arc<dyn TicketStore> = Arc::new(MemoryTickets::default());
                (Arc::clone(&memory), Some(memory))
            }
            TicketStoreKind::Server(address) => return Ok(Self::on(Server::open(address, Arc::clone(clock))?, clock)),
        };
        let counted = limits::load(connection).await;
        let limits = Arc::new(LocalLimits::default());
        limits.restore(counted.map_err(|error| OpenError::from_database(&data_dir.database(), error))?);
        let local_limits = Some(Arc::clone(&limits));
        Ok(Self { tickets, shared_tickets, limits, local_limits, server: None })
    }

    fn on(server: Server, clock: &Arc<dyn Clock>) -> Self {
        let remote = RemoteTickets::new(Arc::clone(&server.tickets), Arc::clone(clock));
        let tickets: Arc<dyn TicketStore> = Arc::new(remote);
        let limits = Arc::new(RemoteLimits::new(Arc::clone(&server.limits), Arc::clone(clock)));
        let shared_tickets = Some(Arc::clone(&tickets));
        Self { tickets, shared_tickets, limits, local_limits: None, server: Some(Arc::new(server)) }
    }
}
