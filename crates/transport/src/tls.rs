//! TLS with one configuration for each agent: the last link of the connector chain.

use ureq::unversioned::transport::{ConnectionDetails, Connector, RustlsConnector, Transport};
use ureq::Error;

/// ureq's own connector, told that the TLS settings are the agent's.
///
/// Every request of ours carries settings (its deadline), for which ureq's connector would build
/// the roots and the session cache anew at each connection: no session would ever be resumed.
/// Nothing about TLS differs between the requests of an agent, so the first one's is right for all.
#[derive(Debug, Default)]
pub(crate) struct TlsConnector(RustlsConnector);

impl<In: Transport> Connector<In> for TlsConnector {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: details.current_time.clone(),
            run_connector: details.run_connector.clone(),
            register_shutdown: details.register_shutdown.clone(),
        };
        self.0.connect(&details, chained)
    }
}
